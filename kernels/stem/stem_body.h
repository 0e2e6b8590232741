// Bodies of the stem's kernels, included once by each instruction set's file inside its anonymous namespace, after
// kernels/products/registers_<tier>.h.

constexpr int lanes = static_cast<int>(Vector::size);

#include "kernels/products/sums.h"

constexpr int vectors = 2, width = vectors * lanes;
constexpr std::int64_t divided_up(std::int64_t value, std::int64_t by) noexcept { return (value + by - 1) / by; }
constexpr int tile = StemKernels::tile, positions = StemKernels::positions, cell = StemKernels::cell;

// Points come in pairs x and -x. Each leaves (d - x^2) out of the product over pairs, z^3 - s z^2 + m z - n in z = d^2:
// what is left is the even and the odd part of its row of B.
constexpr int pairs = 4;
constexpr float points[pairs] = {0.25f, 0.625f, 1.25f, 2.0f};

struct Cubic {
  float s, m, n;
};
constexpr Cubic without(int left_out) {
  float z[3] = {};
  for (int i = 0, at = 0; i < pairs; ++i)
    if (i != left_out) z[at++] = points[i] * points[i];
  return {z[0] + z[1] + z[2], z[0] * z[1] + z[0] * z[2] + z[1] * z[2], z[0] * z[1] * z[2]};
}
constexpr Cubic cubics[pairs] = {without(0), without(1), without(2), without(3)};

// ---- Inputs ----

// As many lanes of a cell at once as there are.
using CellPart = xsimd::make_sized_batch_t<float, (lanes < cell ? lanes : cell)>;
constexpr int part_lanes = static_cast<int>(CellPart::size);

// d: folded pixels. Odd positions belong to -x.
[[gnu::always_inline]] inline void transform_cell(const CellPart (&d)[positions], CellPart (&t)[positions]) noexcept {
#pragma GCC unroll 4
  for (int i = 0; i < pairs; ++i) {
    const CellPart s(cubics[i].s), m(cubics[i].m), n(cubics[i].n), x(points[i]);
    const CellPart odd = xsimd::fma(m, d[3], xsimd::fnma(n, d[1], xsimd::fnma(s, d[5], d[7])));
    const CellPart even = xsimd::fma(m, d[2], xsimd::fnma(n, d[0], xsimd::fnma(s, d[4], d[6])));
    t[2 * i] = xsimd::fma(x, even, odd);
    t[2 * i + 1] = xsimd::fnma(x, even, odd);
  }
  // Infinity: the product over all pairs, (z - x3^2) of the one without the last.
  constexpr float q = points[3] * points[3];
  constexpr Cubic c = cubics[3];
  t[8] = xsimd::fnma(CellPart(c.s + q), d[6], d[8]);
  t[8] = xsimd::fma(CellPart(c.m + q * c.s), d[4], t[8]);
  t[8] = xsimd::fnma(CellPart(c.n + q * c.m), d[2], t[8]);
  t[8] = xsimd::fma(CellPart(q * c.n), d[0], t[8]);
}

// A tile that lies across the image's edge: its pixels with zeros where nothing is.
constexpr int most_tile_floats = positions * cell;
void copy_tile(const float* row, const StemGeometry& g, std::int64_t first, float (&copy)[most_tile_floats]) noexcept {
  for (int i = 0; i < most_tile_floats; ++i) {
    const std::int64_t at = first * g.channels + i;
    copy[i] = i < 2 * positions * g.channels && at >= 0 && at < g.width * g.channels ? row[at] : 0.0f;
  }
}

void transform_line(const float* image, const StemGeometry& g, std::int64_t y, float* line) noexcept {
  const std::int64_t tiles = StemKernels::tiles(g), folded = 2 * g.channels;
  if (y < 0 || y >= g.height) {
    for (std::int64_t i = 0; i < StemKernels::line_floats(g); ++i) line[i] = 0.0f;
    return;
  }
  const float* const row = image + y * g.width * g.channels;
  for (std::int64_t t = 0; t < tiles; ++t) {
    const std::int64_t first = t * tile * StemKernels::stride - g.padding_left;
    float copy[most_tile_floats];
    // Whole cells are read, past the last folded pixel.
    const std::int64_t read = (positions - 1) * folded + cell;
    const bool inside = first >= 0 && first * g.channels + read <= g.width * g.channels;
    if (!inside) copy_tile(row, g, first, copy);
    const float* const pixels = inside ? row + first * g.channels : copy;
    for (int at = 0; at < cell; at += part_lanes) {
      CellPart d[positions], result[positions];
#pragma GCC unroll 9
      for (int p = 0; p < positions; ++p) d[p] = CellPart::load_unaligned(pixels + p * folded + at);
      transform_cell(d, result);
#pragma GCC unroll 9
      for (int p = 0; p < positions; ++p) result[p].store_unaligned(line + (p * tiles + t) * cell + at);
    }
  }
}

// ---- Products ----

// A piece of a row of tiles, and one block of output channels of it.
struct Piece {
  std::int64_t first_tile, tiles, first_channel;
};

// Its outputs.
ProductTarget target_of(const StemGeometry& g, const Piece& piece, const StemTarget& target) noexcept {
  const std::int64_t at = piece.first_tile * tile * g.output_channels + piece.first_channel;
  return {.output = target.output + at,
          .residual = target.residual != nullptr ? target.residual + at : nullptr,
          .bias = target.bias + piece.first_channel,
          .stride = g.output_channels,
          .channels = g.output_channels - piece.first_channel,
          .relu = target.relu};
}

// sums[r][k] = sum over kernel rows and channels of line[r][c] * weights[c][k], for `rows` tiles. Not inlined: among
// what is around it gcc keeps AVX2's sums in memory.
template <int rows>
[[gnu::noinline]] void multiply(const float* line, std::int64_t line_stride, std::int64_t folded, const float* weights,
                                float* output, TargetLines<vectors>& upcoming) noexcept {
  Vector sums[rows][vectors];
  clear(sums);
  for (int ky = 0; ky < StemKernels::kernel; ++ky) {
    upcoming.fetch();
    for (std::int64_t c = 0; c < folded; c += 2) {
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        Vector weight[vectors];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) weight[v] = Vector::load_unaligned(weights + i * width + v * lanes);
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
          for (int v = 0; v < vectors; ++v) add_product(Vector(line[r * cell + c + i]), weight[v], sums[r][v]);
      }
      weights += 2 * width;
    }
    line += line_stride;
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) sums[r][v].store_unaligned(output + r * width + v * lanes);
}

// ---- Outputs ----

[[gnu::always_inline]] inline void transform_sums(const float* sums, std::int64_t position_stride,
                                                  Vector (&y)[tile]) noexcept {
  Vector sum[pairs], difference[pairs];
#pragma GCC unroll 4
  for (int i = 0; i < pairs; ++i) {
    const Vector plus = Vector::load_unaligned(sums + 2 * i * position_stride);
    const Vector minus = Vector::load_unaligned(sums + (2 * i + 1) * position_stride);
    sum[i] = plus + minus;
    difference[i] = plus - minus;
  }
  float powers[pairs] = {1, 1, 1, 1};
#pragma GCC unroll 6
  for (int k = 0; k < tile; ++k) {
    const Vector(&part)[pairs] = k % 2 == 0 ? sum : difference;
    Vector value = k == tile - 1 ? Vector::load_unaligned(sums + 8 * position_stride) : Vector(0.0f);
#pragma GCC unroll 4
    for (int i = 0; i < pairs; ++i) {
      value = xsimd::fma(Vector(powers[i]), part[i], value);
      powers[i] *= points[i];
    }
    y[k] = value;
  }
}

// A tile at the image's right edge, or whose channels are no whole vector. Seldom: out of the others' way.
[[gnu::noinline]] void finish_part_of_tile(const float* sums, std::int64_t position_stride, int outputs,
                                           const ProductTarget& to) noexcept {
  Vector y[tile];
  transform_sums(sums, position_stride, y);
  float values[tile * lanes];
#pragma GCC unroll 6
  for (int k = 0; k < tile; ++k) y[k].store_unaligned(values + k * lanes);
  if (to.channels < lanes) {
    finish_part<1>(values, outputs, to);
    return;
  }
  const Vector bias = Vector::load_unaligned(to.bias);
  for (int k = 0; k < outputs; ++k) {
    const std::int64_t at = k * to.stride;
    finish(Vector::load_unaligned(values + k * lanes), bias, to.relu,
           to.residual != nullptr ? to.residual + at : nullptr, to.output + at);
  }
}

// `to` by value: the outputs might else be where it lies, and each store would have it read again.
[[gnu::noinline]] void finish_whole_tiles(const float* sums, std::int64_t position_stride, std::int64_t tiles,
                                          ProductTarget to) noexcept {
  const Vector bias = Vector::load_unaligned(to.bias);
  for (std::int64_t t = 0; t < tiles; ++t) {
    Vector y[tile];
    transform_sums(sums, position_stride, y);
#pragma GCC unroll 6
    for (int k = 0; k < tile; ++k)
      finish(y[k], bias, to.relu, to.residual != nullptr ? to.residual + k * to.stride : nullptr,
             to.output + k * to.stride);
    sums += width;
    to.output += tile * to.stride;
    if (to.residual != nullptr) to.residual += tile * to.stride;
  }
}

// `pixels`: outputs of the piece, fewer than its tiles have at the image's right edge.
void transform_outputs(const float* sums, std::int64_t tiles, std::int64_t pixels, ProductTarget to) noexcept {
  const std::int64_t position_stride = tiles * width;
  for (int v = 0; v < vectors && to.channels > 0; ++v) {
    ProductTarget rest = to;
    if (to.channels > lanes) rest.channels = lanes;
    const std::int64_t whole = rest.channels < lanes ? 0 : pixels / tile;
    finish_whole_tiles(sums + v * lanes, position_stride, whole, rest);
    for (std::int64_t t = whole; t < tiles; ++t) {
      const std::int64_t first = t * tile, left = pixels - first;
      ProductTarget of_tile = rest;
      of_tile.output += first * to.stride;
      if (to.residual != nullptr) of_tile.residual += first * to.stride;
      finish_part_of_tile(sums + t * width + v * lanes, position_stride, left < tile ? static_cast<int>(left) : tile,
                          of_tile);
    }
    to.output += lanes;
    if (to.residual != nullptr) to.residual += lanes;
    to.bias += lanes;
    to.channels -= lanes;
  }
}

// Two parts that fill the registers. A block's sums of a piece stay in the level 1 cache until they are outputs.
constexpr std::int64_t most_tiles = 2 * most_rows;

void convolve_row(const float* lines, const StemGeometry& g, const float* weights, float* sums,
                  const StemTarget& target) noexcept {
  constexpr int kernel = StemKernels::kernel;
  const std::int64_t tiles = StemKernels::tiles(g), folded = 2 * g.channels, line_stride = positions * tiles * cell;
  const std::int64_t pieces = divided_up(tiles, most_tiles);
  for (std::int64_t channel = 0; channel < g.output_channels; channel += width) {
    for (std::int64_t i = 0; i < pieces; ++i) {
      const std::int64_t first = tiles * i / pieces;
      const Piece piece{first, tiles * (i + 1) / pieces - first, channel};
      const std::int64_t parts = divided_up(piece.tiles, most_rows), left = g.output_width - first * tile,
                         pixels = left < piece.tiles * tile ? left : piece.tiles * tile;
      const ProductTarget to = target_of(g, piece, target);
      TargetLines<vectors> upcoming{to.output, to.residual, to.stride, static_cast<int>(pixels)};
      for (int p = 0; p < positions; ++p)
        for (std::int64_t part = 0; part < parts; ++part) {
          const std::int64_t at = piece.tiles * part / parts, end = piece.tiles * (part + 1) / parts;
          with_rows<most_rows>(static_cast<int>(end - at), [&]<int rows>() noexcept {
            multiply<rows>(lines + (p * tiles + first + at) * cell, line_stride, folded,
                           weights + p * kernel * folded * width, sums + (p * piece.tiles + at) * width, upcoming);
          });
        }
      transform_outputs(sums, piece.tiles, pixels, to);
    }
    weights += positions * kernel * folded * width;
  }
}

// ---- Weights ----

void pack_weights(const float* weights, const StemGeometry& g, std::int64_t block, float* packed) noexcept {
  constexpr int kernel = StemKernels::kernel, taps = StemKernels::folded_taps;
  const std::int64_t folded = 2 * g.channels;
  for (int p = 0; p < positions; ++p) {
    // Powers of the point over its distances to the others.
    double of[taps] = {0, 0, 0, 1};
    if (p < 2 * pairs) {
      const double x = static_cast<double>(points[p / 2]) * (p % 2 == 0 ? 1 : -1);
      double scale = 1 / (2 * x);
      for (int i = 0; i < pairs; ++i)
        if (i != p / 2) scale /= x * x - static_cast<double>(points[i]) * static_cast<double>(points[i]);
      for (int i = 0; i < taps; ++i) {
        of[i] = scale;
        scale *= x;
      }
    }
    for (int ky = 0; ky < kernel; ++ky)
      for (std::int64_t c = 0; c < folded; ++c)
        for (std::int64_t k = 0; k < width; ++k) {
          const std::int64_t output = block * width + k;
          double sum = 0;
          for (int i = 0; i < taps; ++i) {
            const std::int64_t kx = 2 * i + c / g.channels;
            if (output >= g.output_channels || kx >= kernel) continue;
            sum += of[i] *
                   static_cast<double>(weights[((output * g.channels + c % g.channels) * kernel + ky) * kernel + kx]);
          }
          *packed++ = static_cast<float>(sum);
        }
  }
}

constexpr StemKernels stem_kernels{width, most_tiles, transform_line, convolve_row, pack_weights};
