// Bodies of the Winograd transforms, included once by each instruction set's file inside its anonymous namespace.

using Vector = xsimd::batch<float>;
constexpr int lanes = static_cast<int>(Vector::size);

// ---- The one-dimensional transforms; the matrices are in winograd.h's scheme, points in the order 0, +a, -a, ... ----

struct F4 {
  static constexpr int tile = 4, side = 6;
  static constexpr float a = 0.70710678118654752440f, b = 1.41421356237309504880f;  // the points +-a, +-b; a * b = 1
  // Row i: powers of point i over the product of its distances to the other finite points.
  static constexpr double weights[side][3] = {
      {1, 0, 0},
      {-2.0 / 3, -0.47140452079103168293, -1.0 / 3},
      {-2.0 / 3, 0.47140452079103168293, -1.0 / 3},
      {1.0 / 6, 0.23570226039551584147, 1.0 / 3},
      {1.0 / 6, -0.23570226039551584147, 1.0 / 3},
      {0, 0, 1},
  };

  // 12 operations: the even and the odd part of each pair of points are shared.
  [[gnu::always_inline]] static void input(const Vector (&d)[side], Vector (&t)[side]) noexcept {
    const Vector odd_a = xsimd::fnma(Vector(2.0f), d[1], d[3]);   // d3 - 2 d1
    const Vector even_a = xsimd::fnma(Vector(2.0f), d[2], d[4]);  // d4 - 2 d2
    const Vector odd_b = xsimd::fnma(Vector(0.5f), d[1], d[3]);
    const Vector even_b = xsimd::fnma(Vector(0.5f), d[2], d[4]);
    t[0] = xsimd::fnma(Vector(2.5f), d[2], d[0] + d[4]);
    t[1] = xsimd::fma(Vector(a), odd_a, even_a);
    t[2] = xsimd::fnma(Vector(a), odd_a, even_a);
    t[3] = xsimd::fma(Vector(b), odd_b, even_b);
    t[4] = xsimd::fnma(Vector(b), odd_b, even_b);
    t[5] = xsimd::fnma(Vector(2.5f), d[3], d[1] + d[5]);
  }
  [[gnu::always_inline]] static void output(const Vector (&m)[side], Vector (&y)[tile]) noexcept {
    const Vector sum_a = m[1] + m[2], difference_a = m[1] - m[2];
    const Vector sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    y[0] = m[0] + (sum_a + sum_b);
    y[1] = xsimd::fma(Vector(b), difference_b, Vector(a) * difference_a);
    y[2] = xsimd::fma(Vector(2.0f), sum_b, Vector(0.5f) * sum_a);
    y[3] = xsimd::fma(Vector(2 * b), difference_b, xsimd::fma(Vector(a / 2), difference_a, m[5]));
  }
};

struct F2 {
  static constexpr int tile = 2, side = 4;
  static constexpr double weights[side][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};

  [[gnu::always_inline]] static void input(const Vector (&d)[side], Vector (&t)[side]) noexcept {
    t[0] = d[0] - d[2];
    t[1] = d[1] + d[2];
    t[2] = d[2] - d[1];
    t[3] = d[3] - d[1];
  }
  [[gnu::always_inline]] static void output(const Vector (&m)[side], Vector (&y)[tile]) noexcept {
    y[0] = m[0] + (m[1] + m[2]);
    y[1] = (m[1] - m[2]) + m[3];
  }
};

// ---- Two dimensions ----

// Where a tile starts in the input, and which of its rows and columns lie inside the image.
struct Window {
  std::int64_t offset;  // of input (0, 0) of the tile, in floats; may lie outside the image
  int top, bottom, left, right;
};

struct Tile {
  std::int64_t image, y, x;  // of the tile in the grid
};

Tile tile_at(const WinogradGeometry& g, std::int64_t index) noexcept {
  const std::int64_t row = index / g.tiles_across;
  return {row / g.tiles_down, row % g.tiles_down, index % g.tiles_across};
}

int clamped(std::int64_t value, int most) noexcept {
  return value < 0 ? 0 : value > most ? most : static_cast<int>(value);
}

template <class Scheme>
Window window_of(const WinogradGeometry& g, const Tile& tile) noexcept {
  const std::int64_t y = tile.y * Scheme::tile - g.padding_top, x = tile.x * Scheme::tile - g.padding_left;
  return {((tile.image * g.height + y) * g.width + x) * g.channels, clamped(-y, Scheme::side),
          clamped(g.height - y, Scheme::side), clamped(-x, Scheme::side), clamped(g.width - x, Scheme::side)};
}

// The first `count` floats, zeros behind them.
Vector load_part(const float* from, int count) noexcept {
  float values[lanes] = {};
  std::memcpy(values, from, static_cast<std::size_t>(count) * sizeof(float));
  return Vector::load_unaligned(values);
}

void store_part(Vector vector, float* to, int count) noexcept {
  float values[lanes];
  vector.store_unaligned(values);
  std::memcpy(to, values, static_cast<std::size_t>(count) * sizeof(float));
}

template <class Scheme>
[[gnu::always_inline]] inline void transform_and_store(Vector (&d)[Scheme::side][Scheme::side], float* panel,
                                                       std::int64_t position_stride) noexcept {
  constexpr int side = Scheme::side;
  Vector t[side][side];  // transposed: t[x][y]
#pragma GCC unroll 6
  for (int x = 0; x < side; ++x) {
    Vector column[side];
#pragma GCC unroll 6
    for (int y = 0; y < side; ++y) column[y] = d[y][x];
    Scheme::input(column, t[x]);
  }
#pragma GCC unroll 6
  for (int y = 0; y < side; ++y) {
    Vector row[side], result[side];
#pragma GCC unroll 6
    for (int x = 0; x < side; ++x) row[x] = t[x][y];
    Scheme::input(row, result);
#pragma GCC unroll 6
    for (int x = 0; x < side; ++x) result[x].store_unaligned(panel + (y * side + x) * position_stride);
  }
}

template <class Scheme>
void transform_input(const float* images, const WinogradGeometry& g, std::int64_t first_tile, int rows,
                     std::int64_t first_channel, std::int64_t channels, float* panels,
                     std::int64_t position_stride) noexcept {
  constexpr int side = Scheme::side;
  constexpr int most_rows = 16;  // of any tier's products
  Window windows[most_rows];
  for (int r = 0; r < rows; ++r) windows[r] = window_of<Scheme>(g, tile_at(g, first_tile + r));
  // Chunk by chunk, not tile by tile: neighbouring tiles share a third of their pixels and write neighbouring lines.
  for (std::int64_t channel = 0; channel < channels; channel += lanes) {
    const int count = clamped(channels - channel, lanes);
    for (int r = 0; r < rows; ++r) {
      const Window& window = windows[r];
      const float* origin = images + (window.offset + first_channel + channel);
      float* panel = panels + (channel * rows + r * lanes);
      Vector d[side][side];
      const bool inside = window.top == 0 && window.left == 0 && window.bottom == side && window.right == side;
      if (inside && count == lanes) {
#pragma GCC unroll 6
        for (int y = 0; y < side; ++y)
#pragma GCC unroll 6
          for (int x = 0; x < side; ++x) d[y][x] = Vector::load_unaligned(origin + (y * g.width + x) * g.channels);
        transform_and_store<Scheme>(d, panel, position_stride);
        continue;
      }
      for (int y = 0; y < side; ++y)
        for (int x = 0; x < side; ++x) {
          const bool in_image = y >= window.top && y < window.bottom && x >= window.left && x < window.right;
          const float* pixel = origin + (y * g.width + x) * g.channels;
          d[y][x] = !in_image ? Vector(0.0f) : count == lanes ? Vector::load_unaligned(pixel) : load_part(pixel, count);
        }
      transform_and_store<Scheme>(d, panel, position_stride);
    }
  }
}

template <class Scheme>
void transform_output(const float* sums, std::int64_t position_stride, const WinogradGeometry& g,
                      std::int64_t first_tile, int rows, std::int64_t first_channel, int vectors,
                      const WinogradTarget& target) noexcept {
  constexpr int side = Scheme::side, m = Scheme::tile;
  for (int r = 0; r < rows; ++r) {
    const Tile tile = tile_at(g, first_tile + r);
    const std::int64_t y0 = tile.y * m, x0 = tile.x * m;
    const int valid_rows = clamped(g.output_height - y0, m), valid_columns = clamped(g.output_width - x0, m);
    const std::int64_t offset =
        ((tile.image * g.output_height + y0) * g.output_width + x0) * g.output_channels + first_channel;
    for (int v = 0; v < vectors; ++v) {
      const int count = clamped(g.output_channels - first_channel - v * lanes, lanes);
      if (count == 0) break;
      const float* from = sums + (r * vectors + v) * lanes;
      Vector t[m][side];
#pragma GCC unroll 6
      for (int x = 0; x < side; ++x) {
        Vector column[side], result[m];
#pragma GCC unroll 6
        for (int y = 0; y < side; ++y) column[y] = Vector::load_unaligned(from + (y * side + x) * position_stride);
        Scheme::output(column, result);
#pragma GCC unroll 4
        for (int y = 0; y < m; ++y) t[y][x] = result[y];
      }
      const Vector bias = Vector::load_unaligned(target.bias + first_channel + v * lanes);
#pragma GCC unroll 4
      for (int y = 0; y < m; ++y) {
        if (y >= valid_rows) break;
        Vector row[m];
        Scheme::output(t[y], row);
#pragma GCC unroll 4
        for (int x = 0; x < m; ++x) {
          if (x >= valid_columns) break;
          const std::int64_t at = offset + (y * g.output_width + x) * g.output_channels + v * lanes;
          Vector value = row[x] + bias;
          if (target.residual != nullptr)
            value +=
                count == lanes ? Vector::load_unaligned(target.residual + at) : load_part(target.residual + at, count);
          // In this order the instruction hands a NaN on.
          if (target.relu) value = xsimd::max(Vector(0.0f), value);
          if (count == lanes)
            value.store_unaligned(target.output + at);
          else
            store_part(value, target.output + at, count);
        }
      }
    }
  }
}

// Some output channels at a time, so that the inner loops are over neighbours.
template <class Scheme>
void transform_weights(const float* weights, std::int64_t channels, std::int64_t output_channels, std::int64_t first,
                       std::int64_t width, std::int64_t depth, float* packed) noexcept {
  constexpr int side = Scheme::side;
  constexpr int group = 8;  // doubles of an AVX-512 vector
  for (std::int64_t c = 0; c < depth; ++c)
    for (std::int64_t k0 = 0; k0 < width; k0 += group) {
      const int count = clamped(width - k0, group);
      double g[3][3][group] = {};
      if (c < channels)
        for (int k = 0; k < clamped(output_channels - first - k0, count); ++k)
          for (int i = 0; i < 9; ++i)
            g[i / 3][i % 3][k] = static_cast<double>(weights[((first + k0 + k) * channels + c) * 9 + i]);
      double rows[side][3][group];  // G g
      for (int y = 0; y < side; ++y)
        for (int j = 0; j < 3; ++j)
          for (int k = 0; k < group; ++k)
            rows[y][j][k] = Scheme::weights[y][0] * g[0][j][k] + Scheme::weights[y][1] * g[1][j][k] +
                            Scheme::weights[y][2] * g[2][j][k];
      for (int y = 0; y < side; ++y)
        for (int x = 0; x < side; ++x) {
          float result[group];
          for (int k = 0; k < group; ++k)
            result[k] =
                static_cast<float>(Scheme::weights[x][0] * rows[y][0][k] + Scheme::weights[x][1] * rows[y][1][k] +
                                   Scheme::weights[x][2] * rows[y][2][k]);
          std::memcpy(packed + ((y * side + x) * depth + c) * width + k0, result,
                      static_cast<std::size_t>(count) * sizeof(float));
        }
    }
}

template <class Scheme>
constexpr WinogradKernels winograd_kernels{Scheme::tile, Scheme::side* Scheme::side, transform_input<Scheme>,
                                           transform_output<Scheme>, transform_weights<Scheme>};
