// Bodies of the kernels around Strassen's products, included once by each instruction set's file inside its anonymous
// namespace.

using Vector = xsimd::batch<float>;
constexpr int lanes = static_cast<int>(Vector::size);

#include "kernels/products/sums.h"

// Walks through the pixels of images, one by one.
struct PixelWalk {
  const PairGeometry& g;
  std::int64_t image, row, column;

  // At the first pixel of a pair.
  PixelWalk(const PairGeometry& geometry, std::int64_t pair) noexcept : g(geometry), image(pair / geometry.pairs) {
    const std::int64_t pixel = 2 * (pair - image * geometry.pairs);
    row = pixel / geometry.output_width;
    column = pixel % geometry.output_width;
  }
  std::int64_t input() const noexcept {  // in floats
    return ((image * g.height + row * g.stride_height) * g.width + column * g.stride_width) * g.channels;
  }
  std::int64_t output() const noexcept {  // in pixels
    return (image * g.output_height + row) * g.output_width + column;
  }
  // False behind the last pixel of an image, where it then stands at the first of the next one.
  bool advance() noexcept {
    if (++column < g.output_width) return true;
    column = 0;
    if (++row < g.output_height) return true;
    row = 0;
    ++image;
    return false;
  }
};

void gather_pairs(const float* images, const PairGeometry& g, std::int64_t first, int rows, float* panels) noexcept {
  const std::int64_t half = g.channels / 2, panel = half * rows;
  PixelWalk walk(g, first);
  for (int r = 0; r < rows; ++r) {
    const float* even = images + walk.input();
    const bool has_odd = walk.advance();
    const float* odd = has_odd ? images + walk.input() : nullptr;
    if (has_odd) walk.advance();
    for (std::int64_t c = 0; c < half; c += lanes) {
      const Vector a11 = Vector::load_unaligned(even + c), a12 = Vector::load_unaligned(even + half + c);
      const Vector a21 = has_odd ? Vector::load_unaligned(odd + c) : Vector(0.0f);
      const Vector a22 = has_odd ? Vector::load_unaligned(odd + half + c) : Vector(0.0f);
      const Vector s1 = a21 + a22, s2 = s1 - a11, s3 = a11 - a21, s4 = a12 - s2;
      float* to = panels + c * rows + r * lanes;
      a11.store_unaligned(to);
      a12.store_unaligned(to + panel);
      s4.store_unaligned(to + 2 * panel);
      a22.store_unaligned(to + 3 * panel);
      s1.store_unaligned(to + 4 * panel);
      s2.store_unaligned(to + 5 * panel);
      s3.store_unaligned(to + 6 * panel);
    }
  }
}

void combine(const float* sums, const PairGeometry& g, std::int64_t first, int rows, int vectors,
             const PairTarget& target) noexcept {
  const std::int64_t half = vectors * lanes, product = rows * half;
  PixelWalk walk(g, first);
  for (int r = 0; r < rows; ++r) {
    const std::int64_t even = walk.output() * target.stride;
    const bool has_odd = walk.advance();
    const std::int64_t odd = even + target.stride;
    if (has_odd) walk.advance();
    for (int v = 0; v < vectors; ++v) {
      const float* from = sums + r * half + v * lanes;
      const auto p = [&](int index) noexcept { return Vector::load_unaligned(from + index * product); };
      const Vector p0 = p(0), p4 = p(4), u = p0 + p(5), w = u + p(6);
      const auto put = [&](Vector value, std::int64_t pixel, std::int64_t channel) noexcept {
        const std::int64_t at = pixel + channel + v * lanes;
        finish(value, Vector::load_unaligned(target.bias + channel + v * lanes), target.relu,
               target.residual != nullptr ? target.residual + at : nullptr, target.output + at);
      };
      put(p0 + p(1), even, 0);
      put((u + p4) + p(2), even, half);
      if (!has_odd) continue;
      put(w - p(3), odd, 0);
      put(w + p4, odd, half);
    }
  }
}

void pack_weights(const float* weights, std::int64_t channels, std::int64_t half, float* packed) noexcept {
  const std::int64_t depth = channels / 2, panel = depth * half;
  for (std::int64_t k = 0; k < half; ++k) {
    const float* left = weights + k * channels;
    const float* right = left + half * channels;
    for (std::int64_t c = 0; c < depth; ++c) {
      const double b11 = static_cast<double>(left[c]), b21 = static_cast<double>(left[depth + c]);
      const double b12 = static_cast<double>(right[c]), b22 = static_cast<double>(right[depth + c]);
      const double t1 = b12 - b11, t2 = b22 - t1, t3 = b22 - b12, t4 = t2 - b21;
      float* to = packed + c * half + k;
      to[0] = static_cast<float>(b11);
      to[panel] = static_cast<float>(b21);
      to[2 * panel] = static_cast<float>(b22);
      to[3 * panel] = static_cast<float>(t4);
      to[4 * panel] = static_cast<float>(t1);
      to[5 * panel] = static_cast<float>(t2);
      to[6 * panel] = static_cast<float>(t3);
    }
  }
}

constexpr StrassenKernels strassen_kernels{gather_pairs, combine, pack_weights};
