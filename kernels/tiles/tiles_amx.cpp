#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
#include "kernels/convolution/pixels.h"
#include "kernels/tiles/split.h"

constexpr std::int64_t cache_line = 64;         // bytes: of a cache line, and of a tile's row
constexpr std::int64_t tile = 16 * cache_line;  // bytes of a tile of weights
constexpr int lanes = 16;                       // floats of a vector
constexpr int column_width = 2 * lanes;
constexpr int groups = 6;  // of products of parts, in a chunk
// Weights of a chunk and a column, split, in the order in which they are read: high, low, middle.
constexpr std::int64_t low = 2 * tile, middle = 4 * tile, chunk_bytes = 6 * tile;
constexpr std::int64_t chunk_floats = TileSizes::chunk * column_width;
constexpr std::int64_t row_values = cache_line / static_cast<std::int64_t>(sizeof(Bfloat16));

// Compilers' own intrinsics for tiles do not say that they read memory (gcc 12). The "memory" here keeps stores before
// them.
template <int to>
[[gnu::always_inline]] inline void load_tile(const void* from, std::int64_t stride = cache_line) noexcept {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(to) : "memory");
}
template <int from>
[[gnu::always_inline]] inline void store_tile(void* to, std::int64_t stride) noexcept {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(from) : "memory");
}
template <int sum, int factor, int weight>
[[gnu::always_inline]] inline void multiply_add() noexcept {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sum), "i"(factor), "i"(weight));
}
[[gnu::always_inline]] inline void clear_sums() noexcept {
  asm volatile("tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\ttilezero %%tmm3" :::);
}

// Palette 1, from the architecture's manual.
struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1, start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

// Rows in the upper tiles of a block, and in the lower ones: 0 where a block has one tile's rows.
struct TileHeights {
  int upper, lower;
  explicit TileHeights(int rows_per_block)
      : upper(rows_per_block <= 16 ? rows_per_block : (rows_per_block + 1) / 2), lower(rows_per_block - upper) {}
};

void configure(int rows_per_block) noexcept {
  const TileHeights heights(rows_per_block);
  const auto upper = static_cast<std::uint8_t>(heights.upper);
  const auto lower = static_cast<std::uint8_t>(heights.lower > 0 ? heights.lower : heights.upper);
  TileConfiguration configuration;
  for (int i = 0; i < 8; ++i) configuration.row_bytes[i] = static_cast<std::uint16_t>(cache_line);
  const std::uint8_t rows[8] = {upper, upper, lower, lower, upper, lower, 16, 16};
  std::copy_n(rows, 8, configuration.rows);
  asm volatile("ldtilecfg %0" ::"m"(configuration));
}

void release() noexcept { asm volatile("tilerelease" :::); }

// One chunk of 32 rows by 32 channels: the six products of parts, `between` after each. `part`: bytes of a part of
// the panel; `lower`: bytes from its upper tile to its lower one.
template <class Between>
[[gnu::always_inline]] inline void multiply_square(const char* panel, std::int64_t part, std::int64_t lower,
                                                   const char* weights, const Between& between) noexcept {
  const auto load_factors = [=](int index) noexcept {
    load_tile<4>(panel + index * part);
    load_tile<5>(panel + index * part + lower);
  };
  const auto multiply = []() noexcept {
    multiply_add<0, 4, 6>();
    multiply_add<1, 4, 7>();
    multiply_add<2, 5, 6>();
    multiply_add<3, 5, 7>();
  };
  load_tile<6>(weights);
  load_tile<7>(weights + tile);
  for (int index = 0; index < 3; ++index) {  // high high, middle high, low high
    load_factors(index);
    multiply();
    between();
  }
  load_factors(0);
  load_tile<6>(weights + low);
  load_tile<7>(weights + low + tile);
  multiply();  // high low
  between();
  load_tile<6>(weights + middle);
  load_tile<7>(weights + middle + tile);
  multiply();  // high middle
  between();
  load_factors(1);
  multiply();  // middle middle
  between();
}

// One chunk of up to 16 rows by both columns, whose weights are `column` bytes apart.
template <class Between>
[[gnu::always_inline]] inline void multiply_flat(const char* panel, std::int64_t part, const char* weights,
                                                 std::int64_t column, const Between& between) noexcept {
  const auto multiply = [&](std::int64_t weight_part) noexcept {
    const char* const first = weights + weight_part;
    load_tile<6>(first);
    multiply_add<0, 4, 6>();
    load_tile<7>(first + tile);
    multiply_add<1, 4, 7>();
    load_tile<6>(first + column);
    multiply_add<2, 4, 6>();
    load_tile<7>(first + column + tile);
    multiply_add<3, 4, 7>();
    between();
  };
  for (int index = 0; index < 3; ++index) {
    load_tile<4>(panel + index * part);
    multiply(0);
  }
  load_tile<4>(panel);
  multiply(low);
  multiply(middle);
  load_tile<4>(panel + part);
  multiply(middle);
}

const char* bytes(const Bfloat16* values) noexcept { return reinterpret_cast<const char*>(values); }
constexpr std::int64_t bytes(std::int64_t values) noexcept {
  return values * static_cast<std::int64_t>(sizeof(Bfloat16));
}

// How a block of rows is multiplied: column by column, or, of few rows, by two columns at once.
struct Shape {
  const TileFactors& factors;
  std::int64_t part, lower;  // bytes from a part to the next, from the upper tile to the lower one
  bool flat;

  explicit Shape(const TileFactors& of) noexcept
      : factors(of),
        part(bytes(of.part_stride)),
        lower(TileHeights(of.rows_per_block).upper * cache_line),
        flat(TileHeights(of.rows_per_block).lower == 0) {}

  int piece_columns() const noexcept { return flat ? 2 : 1; }
  int piece_width() const noexcept { return piece_columns() * column_width; }
  int pieces(std::int64_t channels) const noexcept {
    return static_cast<int>((channels + piece_width() - 1) / piece_width());
  }

  // Adds the products of `count` steps of the depth to the sums in the tiles. A column's weights, split, are those
  // steps. `block`: where the block's rows start.
  template <class Between>
  [[gnu::always_inline]] void multiply(const Bfloat16* block, std::int64_t step, std::int64_t count,
                                       const char* weights, const Between& between) const noexcept {
    const std::int64_t column = count * chunk_bytes;
    const Bfloat16* chunk = block + step / factors.tap_count * factors.chunk_stride;
    std::int64_t tap = step % factors.tap_count;
    for (std::int64_t i = 0; i < count; ++i) {
      const char* const at = bytes(chunk + factors.taps[tap]);
      if (flat)
        multiply_flat(at, part, weights, column, between);
      else
        multiply_square(at, part, lower, weights, between);
      weights += chunk_bytes;
      if (++tap < factors.tap_count) continue;
      tap = 0;
      chunk += factors.chunk_stride;
    }
  }
  // `stride`: floats of a row.
  float* rest_of(float* sums, std::int64_t stride) const noexcept {
    return flat ? sums + column_width : sums + lower / cache_line * stride;
  }
  void store(float* sums, std::int64_t stride) const noexcept {
    const std::int64_t row = stride * static_cast<std::int64_t>(sizeof(float));
    float* const rest = rest_of(sums, stride);
    store_tile<0>(sums, row);
    store_tile<1>(sums + lanes, row);
    store_tile<2>(rest, row);
    store_tile<3>(rest + lanes, row);
  }
  void load(float* sums, std::int64_t stride) const noexcept {
    const std::int64_t row = stride * static_cast<std::int64_t>(sizeof(float));
    float* const rest = rest_of(sums, stride);
    load_tile<0>(sums, row);
    load_tile<1>(sums + lanes, row);
    load_tile<2>(rest, row);
    load_tile<3>(rest + lanes, row);
  }
};

// Weights that are split next, some pairs of vectors at a time: `count` chunks of some columns, which lie `column`
// floats apart.
class Splitting {
 public:
  Splitting() = default;
  Splitting(const float* weights, std::int64_t column, std::int64_t columns, std::int64_t count, char* to) noexcept
      : from_(weights),
        to_(to),
        jump_(column - count * chunk_floats),
        left_(columns * count * pairs),
        in_column_(count * pairs) {
    column_ = in_column_;
  }
  std::int64_t left() const noexcept { return left_; }
  void advance(std::int64_t count) noexcept {
    for (count = std::min(count, left_), left_ -= count; count > 0; --count) {
      const Parts parts = split(_mm512_loadu_ps(from_), _mm512_loadu_ps(from_ + lanes));
      _mm512_storeu_si512(to_, parts.high);
      _mm512_storeu_si512(to_ + low, parts.low);
      _mm512_storeu_si512(to_ + middle, parts.middle);
      from_ += 2 * lanes;
      to_ += cache_line;
      if (--in_column_ % pairs != 0) continue;
      to_ += chunk_bytes - low;
      if (in_column_ > 0) continue;
      in_column_ = column_;
      from_ += jump_;
    }
  }

 private:
  static constexpr std::int64_t pairs = chunk_floats / (2 * lanes);
  const float* from_ = nullptr;
  char* to_ = nullptr;
  std::int64_t jump_ = 0, left_ = 0, in_column_ = 0, column_ = 0;
};

std::int64_t divided_up(std::int64_t value, std::int64_t by) noexcept { return (value + by - 1) / by; }

// Sums on their way to the outputs: those of a block of rows, row by row from the first to the last, so that the cache
// sees it coming. Rows behind the end of a line are passed over.
template <bool residual, bool relu>
struct Outputs {
  const float* sums = nullptr;
  std::int64_t sums_stride = 0;
  ProductTarget target{};                          // of the next row that is an output
  std::int64_t rows = 0;                           // left in the block
  std::int64_t line_left = 0, width = 0, gap = 0;  // outputs left in the line, of a line, rows between two
  std::int64_t column = 0;

  // `count` vectors of outputs.
  void finish(std::int64_t count) noexcept {
    for (; count > 0 && rows > 0; --count) {
      const std::int64_t left = target.channels - column;
      const auto mask = static_cast<__mmask16>(left >= lanes ? 0xFFFFU : 0xFFFFU >> (lanes - left));
      __m512 value = _mm512_add_ps(_mm512_loadu_ps(sums + column), _mm512_loadu_ps(target.bias + column));
      if (residual) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, target.residual + column));
      // In this order the instruction hands a NaN on.
      if (relu) value = _mm512_max_ps(_mm512_setzero_ps(), value);
      _mm512_mask_storeu_ps(target.output + column, mask, value);
      if ((column += lanes) < target.channels) continue;
      column = 0;
      target.output += target.stride;
      if (residual) target.residual += target.stride;
      pass(1);
      if (--line_left > 0) continue;
      line_left = width;
      pass(gap);
    }
  }
  void finish_all() noexcept { finish(rows * divided_up(target.channels, lanes)); }
  void pass(std::int64_t count) noexcept {
    rows -= count;
    sums += count * sums_stride;
  }
};

// The outputs of a block, of some channels.
template <bool residual, bool relu>
Outputs<residual, relu> outputs_of(const TileFactors& factors, std::int64_t block, std::int64_t outputs,
                                   const ProductTarget& target, std::int64_t channel, std::int64_t channels,
                                   const float* sums, std::int64_t sums_stride) noexcept {
  const std::int64_t of_image = factors.blocks_of_image(), image = block / of_image;
  const std::int64_t row = block % of_image * factors.rows_per_block;
  const std::int64_t y = row / factors.pitch, x = row % factors.pitch;
  const std::int64_t pixel = image * outputs + y * factors.width + std::min(x, factors.width);
  const std::int64_t offset = pixel * target.stride + channel;
  Outputs<residual, relu> result{.sums = sums,
                                 .sums_stride = sums_stride,
                                 .target = target,
                                 .rows = std::min<std::int64_t>(factors.rows - row, factors.rows_per_block),
                                 .line_left = x < factors.width ? factors.width - x : factors.width,
                                 .width = factors.width,
                                 .gap = factors.pitch - factors.width};
  result.target.output += offset;
  if (residual) result.target.residual += offset;
  result.target.bias += channel;
  result.target.channels = channels;
  if (x >= factors.width) result.pass(factors.pitch - x);
  return result;
}

// The work is done in units: a slice of the depth of some columns, whose weights, split, stay in the level 2 cache
// while all rows pass by. Meanwhile the vector units split the next unit's weights and finish the last block's outputs.
//
//   one slice:  as many columns as fit               more: some columns one after another, for each slice, whose
//                                                    factors stay in the cache; the sums of all rows wait meanwhile
class Units {
 public:
  struct Unit {
    std::int64_t column, chunk;
  };

  Units(const Shape& shape, std::int64_t steps, std::int64_t all_columns, std::int64_t rows) noexcept
      : all_columns_(all_columns), all_chunks_(steps), step_(shape.piece_columns()) {
    slices_ = divided_up(all_chunks_, TileSizes::slice_chunks);
    slice_ = divided_up(all_chunks_, slices_);
    range_ = all_columns;
    if (slices_ > 1) {
      columns_ = step_;
      range_ = whole_steps(TileSizes::waiting_sums / column_width / rows);
    } else {
      columns_ = whole_steps(TileSizes::unit_chunks / all_chunks_);
    }
  }
  bool is_deep() const noexcept { return slices_ > 1; }
  std::int64_t columns(const Unit& unit) const noexcept { return std::min(columns_, range_end(unit) - unit.column); }
  std::int64_t chunks(const Unit& unit) const noexcept { return std::min(slice_, all_chunks_ - unit.chunk); }
  bool is_last_slice(const Unit& unit) const noexcept { return unit.chunk + slice_ >= all_chunks_; }
  bool is_there(const Unit& unit) const noexcept { return unit.column < all_columns_; }
  // Columns of the sums that are kept together, and which of them the unit's first is.
  std::int64_t sums_columns() const noexcept { return is_deep() ? range_ : columns_; }
  std::int64_t sums_column(const Unit& unit) const noexcept { return is_deep() ? unit.column % range_ : 0; }
  Unit after(Unit unit) const noexcept {
    const std::int64_t first = unit.column / range_ * range_, end = range_end(unit);
    unit.column += columns_;
    if (unit.column < end || is_last_slice(unit)) return {unit.column, unit.column < end ? unit.chunk : 0};
    return {first, unit.chunk + slice_};
  }

 private:
  std::int64_t whole_steps(std::int64_t columns) const noexcept {
    return std::clamp(columns / step_ * step_, step_, all_columns_);
  }
  std::int64_t range_end(const Unit& unit) const noexcept {
    return std::min(unit.column / range_ * range_ + range_, all_columns_);
  }
  std::int64_t all_columns_, all_chunks_, step_, slices_, slice_, columns_, range_;
};

template <bool residual, bool relu>
void convolve_blocks(const TileFactors& factors, const TileBlocks& blocks, const TileWeights& weights,
                     std::int64_t pixels, const ProductTarget& target, float* scratch) noexcept {
  const Shape shape(factors);
  const std::int64_t needed_columns = divided_up(target.channels, shape.piece_width()) * shape.piece_columns();
  const Units units(shape, weights.steps, needed_columns, blocks.count * factors.rows_per_block);
  const std::int64_t stride = units.sums_columns() * column_width, column_floats = weights.steps * chunk_floats;
  constexpr std::int64_t buffer = 2 * TileSizes::unit_chunks * chunk_bytes;  // flat pieces have two columns
  char* buffers[2] = {reinterpret_cast<char*>(scratch), reinterpret_cast<char*>(scratch) + buffer};
  float* const sums = reinterpret_cast<float*>(buffers[1] + buffer);

  const auto splitting_of = [&](const Units::Unit& unit, char* to) noexcept {
    if (!units.is_there(unit)) return Splitting();
    return Splitting(weights.weights + unit.column * column_floats + unit.chunk * chunk_floats, column_floats,
                     units.columns(unit), units.chunks(unit), to);
  };
  Splitting splitting = splitting_of({0, 0}, buffers[0]);
  splitting.advance(splitting.left());
  Outputs<residual, relu> outputs;
  std::int64_t turn = 0;
  for (Units::Unit unit{0, 0}, next{}; units.is_there(unit); unit = next) {
    next = units.after(unit);
    splitting = splitting_of(next, buffers[1]);
    const std::int64_t steps = units.chunks(unit), first_channel = unit.column * column_width;
    const std::int64_t channels = std::min(target.channels - first_channel, units.columns(unit) * column_width);
    const int pieces = shape.pieces(channels);
    const std::int64_t turns = groups * steps * pieces;  // of a block
    const std::int64_t pairs_a_turn = divided_up(splitting.left(), blocks.count * turns);
    const std::int64_t vectors_a_turn = divided_up(factors.rows_per_block * divided_up(channels, lanes), turns);
    for (std::int64_t i = 0; i < blocks.count; ++i) {
      const std::int64_t block = blocks.first + i, of_image = factors.blocks_of_image();
      const Bfloat16* const rows =
          factors.first + block / of_image * factors.image_stride + block % of_image * factors.block_stride;
      const std::int64_t place = units.is_deep() ? i * factors.rows_per_block : turn++ % 2 * TileSizes::most_rows;
      float* const block_sums = sums + place * stride + units.sums_column(unit) * column_width;
      for (int piece = 0; piece < pieces; ++piece) {
        float* const piece_sums = block_sums + piece * shape.piece_width();
        if (unit.chunk == 0)
          clear_sums();
        else
          shape.load(piece_sums, stride);
        shape.multiply(rows, unit.chunk, steps, buffers[0] + piece * shape.piece_columns() * steps * chunk_bytes,
                       [&]() noexcept {
                         outputs.finish(vectors_a_turn);
                         splitting.advance(pairs_a_turn);
                       });
        shape.store(piece_sums, stride);
      }
      if (!units.is_last_slice(unit)) continue;
      outputs.finish_all();
      outputs = outputs_of<residual, relu>(factors, block, pixels, target, first_channel, channels, block_sums, stride);
    }
    splitting.advance(splitting.left());
    std::swap(buffers[0], buffers[1]);
  }
  outputs.finish_all();
}

void convolve(const TileFactors& factors, const TileBlocks& blocks, const TileWeights& weights, std::int64_t outputs,
              const ProductTarget& target, float* scratch) noexcept {
  const bool residual = target.residual != nullptr;
  const auto run = residual ? (target.relu ? convolve_blocks<true, true> : convolve_blocks<true, false>)
                            : (target.relu ? convolve_blocks<false, true> : convolve_blocks<false, false>);
  run(factors, blocks, weights, outputs, target, scratch);
}

void pack_weights(const float* weights, std::int64_t steps, int columns, float* packed) noexcept {
  const std::int64_t stride = columns * column_width;
  for (int column = 0; column < columns; ++column)
    for (std::int64_t first = 0; first < steps * TileSizes::chunk; first += TileSizes::chunk)
      for (int half = 0; half < 2; ++half)  // the column's two tiles
        for (int pair = 0; pair < lanes; ++pair) {
          const float* const from = weights + (first + pair) * stride + column * column_width + half * lanes;
          _mm512_storeu_ps(packed, _mm512_loadu_ps(from));
          _mm512_storeu_ps(packed + lanes, _mm512_loadu_ps(from + lanes * stride));
          packed += 2 * lanes;
        }
}

// Pixels side by side, each one row of the panel: chunk by chunk, so that what is written lies together.
void gather_whole_pixels(const float* pixels, std::int64_t stride, int rows, std::int64_t channels, std::int64_t part,
                         Bfloat16* panel) noexcept {
  for (std::int64_t c = 0; c < channels; c += TileSizes::chunk, panel += TileSizes::parts * part) {
    const float* pixel = pixels + c;
    for (int r = 0; r < rows; ++r, pixel += stride)
      store_parts(split(_mm512_loadu_ps(pixel), _mm512_loadu_ps(pixel + lanes)), panel + r * row_values, part);
  }
}

// `panel`: at the row.
void split_channels(const float* pixel, std::int64_t channels, std::int64_t part, Bfloat16*& panel) noexcept {
  for (std::int64_t c = 0; c < channels; c += TileSizes::chunk, panel += TileSizes::parts * part)
    store_parts(split(_mm512_loadu_ps(pixel + c), _mm512_loadu_ps(pixel + c + lanes)), panel, part);
}

void gather_pixels(const float* images, const ConvolutionGeometry& g, std::int64_t first_pixel, int rows,
                   std::int64_t first_channel, std::int64_t channels, int rows_per_block, Bfloat16* panel) noexcept {
  const std::int64_t part = rows_per_block * row_values;
  if (is_pointwise(g)) {
    gather_whole_pixels(images + first_pixel * g.channels + first_channel, g.channels, rows, channels, part, panel);
    return;
  }
  const __m512 zero = _mm512_setzero_ps();
  OutputPixel pixel(g, first_pixel);
  for (int r = 0; r < rows; ++r, pixel.advance(g)) {
    Bfloat16* to = panel + r * row_values;
    for (std::int64_t ky = 0; ky < g.kernel_height; ++ky)
      for (std::int64_t kx = 0; kx < g.kernel_width; ++kx) {
        if (const float* from = pixel_under(images, g, pixel.origin, ky, kx)) {
          split_channels(from + first_channel, channels, part, to);
          continue;
        }
        for (std::int64_t c = 0; c < channels; c += TileSizes::chunk, to += TileSizes::parts * part)
          store_parts(split(zero, zero), to, part);
      }
  }
}

void split_line(const float* image, const ConvolutionGeometry& g, const TilePlanes& planes, std::int64_t phase,
                std::int64_t line, Bfloat16* image_planes) noexcept {
  const std::int64_t part = planes.part_stride(), plane = planes.cells() * TileSizes::chunk;
  const std::int64_t y = line * planes.stride + phase - g.padding_top;
  const bool last = line + 1 == planes.lines, in_image = y >= 0 && y < g.height;
  const std::int64_t cells = planes.pitch + (last ? planes.shared_padding : 0);
  const Parts nothing = split(_mm512_setzero_ps(), _mm512_setzero_ps());
  for (std::int64_t column_phase = 0; column_phase < planes.stride; ++column_phase) {
    Bfloat16* to =
        image_planes + (phase * planes.stride + column_phase) * plane + line * planes.pitch * TileSizes::chunk;
    for (std::int64_t c = 0; c < planes.chunks * TileSizes::chunk; c += TileSizes::chunk, to += TileSizes::parts * part)
      for (std::int64_t cell = 0; cell < cells; ++cell) {
        const std::int64_t x = cell * planes.stride + column_phase - g.padding_left;
        const float* const pixel = image + (y * g.width + x) * g.channels + c;
        const bool is_pixel = in_image && x >= 0 && x < g.width;
        store_parts(is_pixel ? split(_mm512_loadu_ps(pixel), _mm512_loadu_ps(pixel + lanes)) : nothing,
                    to + cell * TileSizes::chunk, part);
      }
  }
}

}  // namespace

void fill_tiles_amx(KernelTable& table) noexcept {
  table.tiles = {configure, release, gather_pixels, split_line, pack_weights, convolve};
}

}  // namespace residua::kernels
