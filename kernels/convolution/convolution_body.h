// Bodies of the direct convolution's kernels, included once by each instruction set's file inside its anonymous
// namespace.

using Vector = xsimd::batch<float>;
constexpr int lanes = static_cast<int>(Vector::size);

#include "kernels/convolution/pixels.h"

// Whole vectors of channels: one load and one store each.
void gather_vectors(const float* images, const ConvolutionGeometry& g, const Origin& origin, int rows,
                    std::int64_t first_channel, std::int64_t channels, float* panel) noexcept {
  for (std::int64_t ky = 0; ky < g.kernel_height; ++ky)
    for (std::int64_t kx = 0; kx < g.kernel_width; ++kx) {
      const float* pixel = pixel_under(images, g, origin, ky, kx);
      for (std::int64_t c = 0; c < channels; c += lanes) {
        const Vector values = pixel ? Vector::load_unaligned(pixel + first_channel + c) : Vector(0.0f);
        values.store_unaligned(panel);
        panel += rows * lanes;
      }
    }
}

// Copies floats by vectors; the last one overlaps the one before.
[[gnu::always_inline]] inline void copy_floats(const float* from, std::int64_t count, float* to) noexcept {
  if (count < lanes) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[i];
    return;
  }
  for (std::int64_t i = 0; i + lanes < count; i += lanes) Vector::load_unaligned(from + i).store_unaligned(to + i);
  Vector::load_unaligned(from + count - lanes).store_unaligned(to + count - lanes);
}

// Any number of channels (three, in a stem). A row of taps without dilation is one run of floats in the image. Runs
// that start inside a vector are put together in a small buffer first, a piece of the depth at a time.
void gather_floats(const float* images, const ConvolutionGeometry& g, const Origin& origin, int rows,
                   std::int64_t first_channel, std::int64_t channels, float* panel) noexcept {
  constexpr std::int64_t room = 512;
  float buffer[room];
  std::int64_t filled = 0;
  const auto flush_vectors = [&]() noexcept {
    std::int64_t done = 0;
    for (; done + lanes <= filled; done += lanes) {
      Vector::load_unaligned(buffer + done).store_unaligned(panel);
      panel += rows * lanes;
    }
    for (std::int64_t i = done; i < filled; ++i) buffer[i - done] = buffer[i];
    filled -= done;
  };
  const auto put = [&](const float* from, std::int64_t count) noexcept {  // nullptr: zeros
    while (count > 0) {
      if (filled == room) flush_vectors();
      const std::int64_t piece = count < room - filled ? count : room - filled;
      if (from != nullptr) {
        copy_floats(from, piece, buffer + filled);
        from += piece;
      } else {
        for (std::int64_t i = 0; i < piece; ++i) buffer[filled + i] = 0.0f;
      }
      filled += piece;
      count -= piece;
    }
  };
  const bool runs = channels == g.channels && g.dilation_width == 1;
  for (std::int64_t ky = 0; ky < g.kernel_height; ++ky) {
    const float* first = pixel_under(images, g, origin, ky, 0);
    if (runs && first != nullptr && origin.x + g.kernel_width <= g.width) {
      put(first, g.kernel_width * channels);
      continue;
    }
    for (std::int64_t kx = 0; kx < g.kernel_width; ++kx) {
      const float* pixel = pixel_under(images, g, origin, ky, kx);
      put(pixel != nullptr ? pixel + first_channel : nullptr, channels);
    }
  }
  if (filled % lanes != 0) put(nullptr, lanes - filled % lanes);
  flush_vectors();
}

// Pixels side by side, each one row of the panel: 1x1 with stride 1 reads the image from its start to its end.
void gather_whole_pixels(const float* pixels, std::int64_t stride, int rows, std::int64_t channels,
                         float* panel) noexcept {
  for (std::int64_t c = 0; c < channels; c += lanes)
    for (int r = 0; r < rows; ++r) {
      Vector::load_unaligned(pixels + r * stride + c).store_unaligned(panel);
      panel += lanes;
    }
}

void gather_pixels(const float* images, const ConvolutionGeometry& g, std::int64_t first_pixel, int rows,
                   std::int64_t first_channel, std::int64_t channels, float* panel) noexcept {
  const bool vectors = channels % lanes == 0;
  if (vectors && is_pointwise(g)) {
    gather_whole_pixels(images + first_pixel * g.channels + first_channel, g.channels, rows, channels, panel);
    return;
  }
  OutputPixel pixel(g, first_pixel);
  for (int r = 0; r < rows; ++r, pixel.advance(g)) {
    if (vectors)
      gather_vectors(images, g, pixel.origin, rows, first_channel, channels, panel + r * lanes);
    else
      gather_floats(images, g, pixel.origin, rows, first_channel, channels, panel + r * lanes);
  }
}

void pack_weights(const float* weights, std::int64_t channels, std::int64_t taps, std::int64_t output_channels,
                  std::int64_t first, std::int64_t width, std::int64_t depth, float* packed) noexcept {
  constexpr std::int64_t chunk = 16;  // channels: a cache line of a row is read whole, and once
  for (std::int64_t c0 = 0; c0 < channels; c0 += chunk)
    for (std::int64_t k = 0; k < width; ++k) {
      const bool exists = first + k < output_channels;
      const std::int64_t end = c0 + chunk < channels ? c0 + chunk : channels;
      for (std::int64_t c = c0; c < end; ++c)
        for (std::int64_t tap = 0; tap < taps; ++tap)
          packed[(tap * channels + c) * width + k] = exists ? weights[((first + k) * channels + c) * taps + tap] : 0.0f;
    }
  for (std::int64_t i = taps * channels * width; i < depth * width; ++i) packed[i] = 0.0f;
}
constexpr ConvolutionKernels convolution_kernels{gather_pixels, pack_weights};
