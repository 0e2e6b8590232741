#include <immintrin.h>
#include <xsimd/xsimd.hpp>

#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
#include "kernels/convolution/pixels.h"
#include "kernels/tiles/split.h"
#include "kernels/winograd/winograd_schemes.h"

#include "kernels/tiles/tile_products.h"

#include "kernels/tiles/tile_outputs.h"
#include "kernels/tiles/tile_units.h"

// Unit by unit, block by block, piece by piece. The outputs of a block are finished while the next one is multiplied,
// so that vector units and tiles work at the same time.
template <class Outputs>
void convolve_blocks(const TileFactors& factors, const TileBlocks& blocks, const TileWeights& weights,
                     std::int64_t pixels, const ProductTarget& target, float* scratch) noexcept {
  const Shape shape(factors);
  const std::int64_t rows = blocks.count * factors.rows_per_block, pairs = divided_up(target.channels, pair_width);
  const Units units(factors.positions, weights.steps, pairs, rows, shape.alone());
  const std::int64_t stride = units.sums_pairs() * pair_width, position_stride = rows * stride;
  char* buffers[2] = {reinterpret_cast<char*>(scratch), reinterpret_cast<char*>(scratch + TileSizes::unit_floats)};
  float* const sums = scratch + 2 * TileSizes::unit_floats;

  SplitAhead ahead(weights.weights, shape.alone() ? pairs * factors.positions * weights.steps * 4 : 0, buffers[0]);
  const auto splitting_of = [&](const Units::Unit& unit, char* to) noexcept {
    if (!units.is_there(unit) || shape.alone()) return Splitting();
    return Splitting(weights.weights + units.weights(unit) * step_floats,
                     units.pairs(unit) * units.steps(unit) * step_floats, to);
  };
  Splitting splitting = splitting_of({0, 0, 0}, buffers[0]);
  splitting.advance(splitting.left());
  Outputs outputs;
  std::int64_t turn = 0;
  for (Units::Unit unit{0, 0, 0}, next{}; units.is_there(unit); unit = next) {
    next = units.after(unit);
    splitting = splitting_of(next, buffers[1]);
    const std::int64_t steps = units.steps(unit), first_channel = unit.pair * pair_width;
    const std::int64_t channels = least(target.channels - first_channel, units.pairs(unit) * pair_width);
    // Of a pair alone all weights are taken, to go on with the next one's.
    const int pieces = shape.pieces(shape.alone() ? pair_width : channels);
    const std::int64_t turns = groups * steps * pieces;  // of a block
    const std::int64_t pairs_a_turn = divided_up(splitting.left(), blocks.count * turns);
    const std::int64_t vectors_a_turn = divided_up(factors.rows_per_block * divided_up(channels, lanes), turns);
    for (std::int64_t i = 0; i < blocks.count; ++i) {
      const std::int64_t block = blocks.first + i;
      const auto rows_of = [&](std::int64_t of) noexcept {
        return factors.rows_of(of) + unit.position * factors.position_stride;
      };
      const Bfloat16* const rows_of_block = rows_of(block);
      const Bfloat16* const rows_of_next = i + 1 < blocks.count ? rows_of(block + 1) : rows_of_block;
      const std::int64_t row = units.wait() ? i * factors.rows_per_block : turn++ % 2 * TileSizes::most_rows;
      float* const block_sums = sums + row * stride + units.sums_pair(unit) * pair_width;
      // One block's sums are where the last ones' are.
      if (blocks.count == 1 && !shape.alone()) outputs.finish_all();
      for (int piece = 0; piece < pieces; ++piece) {
        float* const piece_sums = block_sums + unit.position * position_stride + piece * shape.piece_width();
        if (unit.step == 0)
          clear_sums();
        else
          shape.load(piece_sums, stride);
        const char* const split = buffers[0] + piece * shape.columns * steps * weight_tile;
        shape.multiply(
            rows_of_block, piece + 1 < pieces ? rows_of_block : rows_of_next, unit.step, steps,
            [&](std::int64_t step) noexcept { return shape.alone() ? ahead.take() : split + step * weight_tile; },
            [&]() noexcept {
              outputs.finish(vectors_a_turn);
              if (shape.alone())
                ahead.advance();
              else
                splitting.advance(pairs_a_turn);
            });
        shape.store(piece_sums, stride);
      }
      // Before its sums are written over, by the next block or by other columns.
      outputs.finish_all();
      if (units.is_last(unit))
        outputs =
            Outputs::of(factors, block, pixels, target, first_channel, channels, block_sums, stride, position_stride);
    }
    splitting.advance(splitting.left());
    char* const split_next = buffers[1];
    buffers[1] = buffers[0];
    buffers[0] = split_next;
  }
  outputs.finish_all();
}

template <template <bool, bool> class Outputs>
void convolve(const TileFactors& factors, const TileBlocks& blocks, const TileWeights& weights, std::int64_t pixels,
              const ProductTarget& target, float* scratch) noexcept {
  const bool residual = target.residual != nullptr;
  const auto run = residual
                       ? (target.relu ? convolve_blocks<Outputs<true, true>> : convolve_blocks<Outputs<true, false>>)
                       : (target.relu ? convolve_blocks<Outputs<false, true>> : convolve_blocks<Outputs<false, false>>);
  const std::int64_t at_once = Shape(factors).alone() ? 1 : blocks.count;
  for (std::int64_t i = 0; i < blocks.count; i += at_once)
    run(factors, {blocks.first + i, at_once}, weights, pixels, target, scratch);
}

void pack_weights(const float* weights, int positions, std::int64_t steps, int columns, float* packed) noexcept {
  const std::int64_t stride = columns * column_width, slice = TileSizes::slice(steps);
  const auto pack_tile = [&](const float* from) noexcept {
    for (int row = 0; row < lanes; ++row, from += stride) {
      _mm512_storeu_ps(packed, _mm512_loadu_ps(from));
      _mm512_storeu_ps(packed + lanes, _mm512_loadu_ps(from + lanes * stride));
      packed += 2 * lanes;
    }
  };
  for (std::int64_t pair = 0; pair < stride; pair += pair_width)
    for (int position = 0; position < positions; ++position)
      for (std::int64_t first = 0; first < steps; first += slice)
        for (std::int64_t tile = pair; tile < pair + pair_width; tile += lanes)
          for (std::int64_t step = first; step < least(first + slice, steps); ++step)
            pack_tile(weights + (position * steps + step) * TileSizes::chunk * stride + tile);
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

void gather_pixels(const float* images, const ConvolutionGeometry& g, std::int64_t first_pixel, int rows,
                   std::int64_t first_channel, std::int64_t channels, int rows_per_block, Bfloat16* panel) noexcept {
  const std::int64_t part = rows_per_block * row_values;
  if (is_pointwise(g)) {
    gather_whole_pixels(images + first_pixel * g.channels + first_channel, g.channels, rows, channels, part, panel);
    return;
  }
  const Parts nothing = split(_mm512_setzero_ps(), _mm512_setzero_ps());
  const std::int64_t step = TileSizes::parts * part, taps = g.kernel_height * g.kernel_width;
  OutputPixel pixel(g, first_pixel);
  for (int r = 0; r < rows; ++r, pixel.advance(g)) {
    Bfloat16* of_tap = panel + r * row_values;
    for (std::int64_t ky = 0; ky < g.kernel_height; ++ky)
      for (std::int64_t kx = 0; kx < g.kernel_width; ++kx, of_tap += step) {
        const float* const from = pixel_under(images, g, pixel.origin, ky, kx);
        Bfloat16* to = of_tap;
        for (std::int64_t c = first_channel; c < first_channel + channels; c += TileSizes::chunk, to += taps * step)
          store_parts(from != nullptr ? split(_mm512_loadu_ps(from + c), _mm512_loadu_ps(from + c + lanes)) : nothing,
                      to, part);
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
        Parts parts = nothing;
        if (in_image && x >= 0 && x < g.width) {
          const float* const pixel = image + (y * g.width + x) * g.channels + c;
          parts = split(_mm512_loadu_ps(pixel), _mm512_loadu_ps(pixel + lanes));
        }
        store_parts(parts, to + cell * TileSizes::chunk, part);
      }
  }
}

// The transform of Winograd's algorithm along a line, of two halves of a chunk.
[[gnu::always_inline]] inline void transform_cell(const float* line, const ConvolutionGeometry& g, std::int64_t first,
                                                  std::int64_t channel, Vector (&to)[LineSizes::positions]) noexcept {
  Vector d[LineSizes::positions];
#pragma GCC unroll 6
  for (int i = 0; i < LineSizes::positions; ++i) {
    const std::int64_t x = first + i;
    const bool is_pixel = line != nullptr && x >= 0 && x < g.width;
    d[i] = is_pixel ? Vector::load_unaligned(line + x * g.channels + channel) : Vector(0.0f);
  }
  F4::input<LineSizes::tile>(d, to);
}

void transform_line(const float* image, const ConvolutionGeometry& g, std::int64_t line,
                    Bfloat16* image_planes) noexcept {
  const TileLines lines(g);
  const std::int64_t y = line - g.padding_top, part = lines.part_stride(), position = lines.position_stride();
  const float* const pixels = y >= 0 && y < g.height ? image + y * g.width * g.channels : nullptr;
  Bfloat16* to = image_planes + line * lines.cells * TileSizes::chunk;
  for (std::int64_t c = 0; c < g.channels; c += TileSizes::chunk, to += TileSizes::parts * part)
    for (std::int64_t cell = 0; cell < lines.cells; ++cell) {
      const std::int64_t first = cell * LineSizes::tile - g.padding_left;
      Vector low_half[LineSizes::positions], high_half[LineSizes::positions];
      transform_cell(pixels, g, first, c, low_half);
      transform_cell(pixels, g, first, c + lanes, high_half);
#pragma GCC unroll 6
      for (int p = 0; p < LineSizes::positions; ++p)
        store_parts(split(low_half[p], high_half[p]), to + p * position + cell * TileSizes::chunk, part);
    }
}

// `weights` [channels of the output][channels][3][3] -> [positions][chunks][3 lines][chunk][channels of the output].
void transform_line_weights(const float* weights, std::int64_t channels, std::int64_t outputs,
                            float* transformed) noexcept {
  for (int p = 0; p < LineSizes::positions; ++p)
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t ky = 0; ky < LineSizes::taps; ++ky) {
        const std::int64_t step = (p * (channels / TileSizes::chunk) + c / TileSizes::chunk) * LineSizes::taps + ky;
        float* const to = transformed + (step * TileSizes::chunk + c % TileSizes::chunk) * outputs;
        for (std::int64_t k = 0; k < outputs; ++k) {
          const float* const from = weights + ((k * channels + c) * LineSizes::taps + ky) * LineSizes::taps;
          double sum = 0;
          for (int kx = 0; kx < LineSizes::taps; ++kx) sum += F4::weights[p][kx] * static_cast<double>(from[kx]);
          to[k] = static_cast<float>(sum);
        }
      }
}

}  // namespace

void fill_tiles_amx(KernelTable& table) noexcept {
  table.tiles = {configure,         release,        gather_pixels,          split_line,           pack_weights,
                 convolve<Outputs>, transform_line, transform_line_weights, convolve<LineOutputs>};
}

}  // namespace residua::kernels
