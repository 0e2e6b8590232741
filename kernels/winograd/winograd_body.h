// Bodies of the Winograd transforms, included once by each instruction set's file inside its anonymous namespace, after
// terms_body.h.

int clamped(std::int64_t value, int most) noexcept {
  return value < 0 ? 0 : (value > most ? most : static_cast<int>(value));
}

// The first `count` floats, zeros behind them.
Vector load_part(const float* from, int count) noexcept {
  float values[lanes] = {};
  std::memcpy(values, from, static_cast<std::size_t>(count) * sizeof(float));
  return Vector::load_unaligned(values);
}

// Calls run(height, width, first, end) for each run of tiles of which as many outputs are computed, rows [first, end)
// of the block.
template <class Scheme, class Run>
void for_each_size(const WinogradBlock& block, const Run& run) noexcept {
  for (int first = 0; first < block.rows;) {
    const WinogradTile& size = block.tiles[first];
    int end = first + 1;
    while (end < block.rows && block.tiles[end].height == size.height && block.tiles[end].width == size.width) ++end;
    run(computed<Scheme>(size.height), computed<Scheme>(size.width), first, end);
    first = end;
  }
}

// Calls body(i) for 0 .. count - 1, the columns or rows of a tile. A loop where the vectors `kept` between the
// transforms of columns and of rows are far more than 16 registers: it takes less to fetch and to decode.
template <int count, int kept, class Body>
[[gnu::always_inline]] inline void for_each_line(const Body& body) noexcept {
  if constexpr (kept <= 36 || has_32_registers) {
#pragma GCC unroll 9
    for (int i = 0; i < count; ++i) body(i);
  } else {
#pragma GCC unroll 1
    for (int i = 0; i < count; ++i) body(i);
  }
}

// ---- Inputs ----

struct InputTarget {
  const WinogradBlock& block;
  std::int64_t first_channel, channels;
  const WinogradPanels& to;
};

// Where a tile starts in the input, and which of its rows and columns lie inside the image.
struct Window {
  std::int64_t offset;  // of input (0, 0) of the tile, in floats; may lie outside the image
  int top, bottom, left, right;
};

template <class Scheme, int height, int width>
Window window_of(const WinogradGeometry& g, const WinogradTile& tile) noexcept {
  constexpr int down = span<Scheme>(height), across = span<Scheme>(width);
  const std::int64_t y = tile.y * Scheme::stride - g.padding_top, x = tile.x * Scheme::stride - g.padding_left;
  return {((tile.image * g.height + y) * g.width + x) * g.channels, clamped(-y, down), clamped(g.height - y, down),
          clamped(-x, across), clamped(g.width - x, across)};
}

// Where a vector of each input of a tile is read.
struct InputPixels {
  const float* first;
  std::int64_t row_stride, pixel_stride;
};

// A tile that lies across the image's edge, or has no whole vector of channels: copied, with zeros where nothing is.
template <int down, int across>
InputPixels copy_pixels(const InputPixels& from, const Window& window, int count,
                        float (&copy)[down * across * lanes]) noexcept {
  for (int y = 0; y < down; ++y)
    for (int x = 0; x < across; ++x) {
      const bool in_image = y >= window.top && y < window.bottom && x >= window.left && x < window.right;
      const float* pixel = from.first + y * from.row_stride + x * from.pixel_stride;
      const Vector vector = !in_image        ? Vector(0.0f)
                            : count == lanes ? Vector::load_unaligned(pixel)
                                             : load_part(pixel, count);
      vector.store_unaligned(copy + (y * across + x) * lanes);
    }
  return {copy, across * lanes, lanes};
}

// `to`: where each position's vector goes, `offset` floats further.
template <class Scheme, int height, int width>
[[gnu::always_inline]] inline void transform_and_store(const InputPixels& pixels,
                                                       float* const (&to)[span<Scheme>(height)][span<Scheme>(width)],
                                                       std::int64_t offset) noexcept {
  constexpr int down = span<Scheme>(height), across = span<Scheme>(width);
  Vector t[across][down];  // transposed: t[x][y]
  for_each_line<across, down * across>([&](int x) noexcept {
    Vector column[down];
#pragma GCC unroll 9
    for (int y = 0; y < down; ++y)
      column[y] = Vector::load_unaligned(pixels.first + y * pixels.row_stride + x * pixels.pixel_stride);
    Scheme::template input<height>(column, t[x]);
  });
  for_each_line<down, down * across>([&](int y) noexcept {
    Vector row[across], result[across];
#pragma GCC unroll 9
    for (int x = 0; x < across; ++x) row[x] = t[x][y];
    Scheme::template input<width>(row, result);
#pragma GCC unroll 9
    for (int x = 0; x < across; ++x) result[x].store_unaligned(to[y][x] + offset);
  });
}

// Rows [first, end) of the block, all of one size.
template <class Scheme, int height, int width>
void transform_input_tiles(const float* images, const WinogradGeometry& g, int first, int end,
                           const InputTarget& target) noexcept {
  constexpr int down = span<Scheme>(height), across = span<Scheme>(width);
  static constexpr Positions<Scheme, height, width> positions;
  Window windows[WinogradBlock::most_rows];
  for (int r = first; r < end; ++r) windows[r] = window_of<Scheme, height, width>(g, target.block.tiles[r]);
  float* to[down][across];
  for (int y = 0; y < down; ++y)
    for (int x = 0; x < across; ++x) {
      const int p = positions.of[y][x];
      const WinogradBlock::Rows rows = target.block.rows_of[p];
      to[y][x] = target.to.panels +
                 (p * target.to.position_stride + (target.to.first_chunk * rows.count - rows.first) * lanes);
    }
  // Chunk by chunk, not tile by tile: neighbouring tiles share a third of their pixels and write neighbouring lines.
  for (std::int64_t channel = 0; channel < target.channels; channel += lanes) {
    const int count = clamped(target.channels - channel, lanes);
    for (int r = first; r < end; ++r) {
      const Window& window = windows[r];
      InputPixels pixels{images + (window.offset + target.first_channel + channel), g.width * g.channels, g.channels};
      float copy[down * across * lanes];
      const bool inside = window.top == 0 && window.left == 0 && window.bottom == down && window.right == across;
      if (!inside || count != lanes) pixels = copy_pixels<down, across>(pixels, window, count, copy);
      transform_and_store<Scheme, height, width>(pixels, to, r * lanes);
    }
    for (int y = 0; y < down; ++y)
      for (int x = 0; x < across; ++x) to[y][x] += target.block.rows_of[positions.of[y][x]].count * lanes;
  }
}

// ---- Outputs ----

struct OutputSource {
  const float* sums;
  std::int64_t position_stride;
  const WinogradBlock& block;
  std::int64_t first_channel;
  int vectors;
};

// Where a vector of each output of a tile goes, and the residual comes from.
struct OutputPixels {
  float* output;
  const float* residual;  // nullptr: none
  std::int64_t row_stride, pixel_stride;
};

// `from`: the tile's sums at position 0. Adds, clamps and stores.
template <class Scheme, int height, int width>
[[gnu::always_inline]] inline void transform_sums(const float* from, std::int64_t position_stride, const float* bias,
                                                  bool relu, const OutputPixels& pixels) noexcept {
  constexpr int down = span<Scheme>(height), across = span<Scheme>(width);
  static constexpr Positions<Scheme, height, width> positions;
  Vector t[height][across];
  for_each_line<across, height * across>([&](int x) noexcept {
    Vector column[down], result[height];
#pragma GCC unroll 9
    for (int y = 0; y < down; ++y) column[y] = Vector::load_unaligned(from + positions.of[y][x] * position_stride);
    Scheme::template output<height>(column, result);
#pragma GCC unroll 9
    for (int y = 0; y < height; ++y) t[y][x] = result[y];
  });
  const Vector added = Vector::load_unaligned(bias);
  for_each_line<height, height * across>([&](int y) noexcept {
    Vector row[width];
    Scheme::template output<width>(t[y], row);
#pragma GCC unroll 9
    for (int x = 0; x < width; ++x) {
      const std::int64_t at = y * pixels.row_stride + x * pixels.pixel_stride;
      Vector value = row[x] + added;
      if (pixels.residual != nullptr) value += Vector::load_unaligned(pixels.residual + at);
      // In this order the instruction hands a NaN on.
      if (relu) value = xsimd::max(Vector(0.0f), value);
      value.store_unaligned(pixels.output + at);
    }
  });
}

// Copies `count` floats of each output of a tile.
void copy_outputs(const float* from, std::int64_t from_row, std::int64_t from_pixel, int height, int width, int count,
                  float* to, std::int64_t to_row, std::int64_t to_pixel) noexcept {
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      std::memcpy(to + y * to_row + x * to_pixel, from + y * from_row + x * from_pixel,
                  static_cast<std::size_t>(count) * sizeof(float));
}

template <class Scheme, int height, int width>
void transform_output_tiles(const OutputSource& source, const WinogradGeometry& g, int first, int end,
                            const WinogradTarget& target) noexcept {
  const std::int64_t row_stride = g.output_width * g.output_channels, pixel_stride = g.output_channels;
  for (int r = first; r < end; ++r) {
    const WinogradTile& tile = source.block.tiles[r];
    const std::int64_t tile_offset =
        ((tile.image * g.output_height + tile.y) * g.output_width + tile.x) * g.output_channels + source.first_channel;
    for (int v = 0; v < source.vectors; ++v) {
      const int count = clamped(g.output_channels - source.first_channel - v * lanes, lanes);
      if (count == 0) break;
      const std::int64_t offset = tile_offset + v * lanes;
      float* const output = target.output + offset;
      const float* const residual = target.residual != nullptr ? target.residual + offset : nullptr;
      OutputPixels pixels{output, residual, row_stride, pixel_stride};
      float copy[height * width * lanes];
      const bool is_part = count < lanes || tile.height < height || tile.width < width;
      if (is_part) {  // whole vectors of all that is computed, on the side
        std::memset(copy, 0, sizeof copy);
        if (residual != nullptr)
          copy_outputs(residual, row_stride, pixel_stride, tile.height, tile.width, count, copy, width * lanes, lanes);
        pixels = {copy, residual != nullptr ? copy : nullptr, width * lanes, lanes};
      }
      transform_sums<Scheme, height, width>(source.sums + (r * source.vectors + v) * lanes, source.position_stride,
                                            target.bias + source.first_channel + v * lanes, target.relu, pixels);
      if (is_part)
        copy_outputs(copy, width * lanes, lanes, tile.height, tile.width, count, output, row_stride, pixel_stride);
    }
  }
}

// ---- All sizes of tiles ----

// Calls run.template operator()<height, width>() for the sizes given, of what is computed of a tile.
template <class Scheme, int h = Scheme::tile, int w = Scheme::tile, class Run>
[[gnu::always_inline]] inline void with_size(int height, int width, const Run& run) noexcept {
  constexpr int step = Scheme::granularity;
  if (height == h && width == w)
    run.template operator()<h, w>();
  else if constexpr (w > step)
    with_size<Scheme, h, w - step>(height, width, run);
  else if constexpr (h > step)
    with_size<Scheme, h - step>(height, width, run);
}

template <class Scheme>
void transform_input(const float* images, const WinogradGeometry& g, const WinogradBlock& block,
                     std::int64_t first_channel, std::int64_t channels, const WinogradPanels& to) noexcept {
  const InputTarget target{block, first_channel, channels, to};
  for_each_size<Scheme>(block, [&](int height, int width, int first, int end) noexcept {
    with_size<Scheme>(height, width, [&]<int h, int w>() noexcept {
      transform_input_tiles<Scheme, h, w>(images, g, first, end, target);
    });
  });
}

template <class Scheme>
void transform_output(const float* sums, std::int64_t position_stride, const WinogradGeometry& g,
                      const WinogradBlock& block, std::int64_t first_channel, int vectors,
                      const WinogradTarget& target) noexcept {
  const OutputSource source{sums, position_stride, block, first_channel, vectors};
  for_each_size<Scheme>(block, [&](int height, int width, int first, int end) noexcept {
    with_size<Scheme>(height, width, [&]<int h, int w>() noexcept {
      transform_output_tiles<Scheme, h, w>(source, g, first, end, target);
    });
  });
}

// ---- Weights ----

// What is kept of weights in a dimension: rows of G, or of T.
template <class Scheme, bool as_terms>
constexpr const auto& kept_in_a_dimension() noexcept {
  if constexpr (as_terms)
    return Scheme::kept;
  else
    return Scheme::weights;
}

// Some output channels at a time, so that the inner loops are over neighbours.
template <class Scheme>
void transform_weights(const float* weights, std::int64_t channels, std::int64_t output_channels, std::int64_t first,
                       std::int64_t width, std::int64_t depth, float* packed) noexcept {
  constexpr int taps = WinogradScheme::taps;
  constexpr WinogradWeights kept = kept_weights<Scheme>();
  constexpr const auto& down = kept_in_a_dimension<Scheme, kept == WinogradWeights::terms>();
  constexpr const auto& across = kept_in_a_dimension<Scheme, kept != WinogradWeights::whole>();
  constexpr int rows = static_cast<int>(sizeof down / sizeof down[0]);
  constexpr int columns = static_cast<int>(sizeof across / sizeof across[0]);
  constexpr int group = 8;  // doubles of an AVX-512 vector
  // result = a row of G, times `taps` vectors.
  const auto evaluate = [](const double(&of)[taps], const double(&g)[taps][group], double(&result)[group]) noexcept {
    for (int k = 0; k < group; ++k) result[k] = of[0] * g[0][k];
    for (int i = 1; i < taps; ++i)
      for (int k = 0; k < group; ++k) result[k] += of[i] * g[i][k];
  };
  for (std::int64_t c = 0; c < depth; ++c)
    for (std::int64_t k0 = 0; k0 < width; k0 += group) {
      const int count = clamped(width - k0, group);
      double g[taps][taps][group] = {};  // [column][row]
      if (c < channels)
        for (int k = 0; k < clamped(output_channels - first - k0, count); ++k)
          for (int i = 0; i < taps * taps; ++i)
            g[i % taps][i / taps][k] =
                static_cast<double>(weights[((first + k0 + k) * channels + c) * (taps * taps) + i]);
      for (int y = 0; y < rows; ++y) {
        double row[taps][group];  // G g
        for (int j = 0; j < taps; ++j) evaluate(down[y], g[j], row[j]);
        for (int x = 0; x < columns; ++x) {
          double sums[group];
          evaluate(across[x], row, sums);
          float result[group];
          for (int k = 0; k < group; ++k) result[k] = static_cast<float>(sums[k]);
          // Of narrow vectors a group fills two; their terms do not lie side by side.
          constexpr int together = kept == WinogradWeights::terms && lanes < group ? lanes : group;
          for (int k = 0; k < count; k += together) {
            const std::int64_t vector = (k0 + k) / lanes, lane = (k0 + k) % lanes;
            const std::int64_t at = kept == WinogradWeights::terms
                                        ? (((vector * depth + c) * rows + y) * columns + x) * lanes + lane
                                    : kept == WinogradWeights::compact ? ((y * depth + c) * columns + x) * width + k0
                                                                       : ((y * columns + x) * depth + c) * width + k0;
            std::memcpy(packed + at, result + k,
                        static_cast<std::size_t>(clamped(count - k, together)) * sizeof(float));
          }
        }
      }
    }
}

// A scheme whose weights are kept otherwise has the transforms of the one with whole weights.
template <class Scheme, class Transforms = Scheme>
constexpr WinogradKernels winograd_kernels{make_scheme<Scheme>(), transform_input<Transforms>,
                                           transform_output<Transforms>, transform_weights<Scheme>,
                                           product_of_rows<Scheme>()};
