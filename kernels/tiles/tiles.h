// Matrix products in full precision on the tile registers of AMX, which multiply bf16 alone (8 significant bits).
//
// A float has 24 significant bits, so it is the sum of three bf16, exactly:
//
//   x = high + middle + low        |middle| <= 2^-7 |x|,  |low| <= 2^-16 |x|
//
// and a product of two floats the sum of nine products, which bf16 inputs and a float sum hold without an error. The
// three smallest are left out (below 2^-22 of the product together, and of either sign), which leaves less than the
// rounding of a sum of floats does (Henry, Tang, Heinecke, arXiv:1904.06376; the way of fp32 on matrix units in several
// math libraries):
//
//   x * y  =  high high + middle high + low high + high low + high middle + middle middle
//
// A tile instruction does 16 x 16 x 32 multiply-adds in the time of 16 of AVX-512's, with two units for those: six take
// 0.42 of the time. What the parts cost is memory: 6 bytes a factor for 4; weights stay
// floats, and are split on the way to the products.
//
// Rows of factors (pixels, or Winograd's cells) and output channels are multiplied 32 by 32:
//
//              weights, 16 channels each, in turns
//              [ tmm6 ] [ tmm6 ]            a chunk is 32 floats of the depth, one tile row of bf16: floats k and
//   rows  tmm4 [ tmm0 ] [ tmm1 ]            k + 16 of a chunk stand side by side, as a pair that an instruction
//   rows  tmm5 [ tmm2 ] [ tmm3 ]            multiplies together
//
// with at most 16 rows 16 by 64, and with more than 32 64 by 16, in tmm0 to tmm3. Either way each sum is one chain in
// the same order, so equal inputs give equal bits in any blocking. Denormal numbers count as zero, an infinity as NaN.
#pragma once

#include <cstdint>

#include "kernels/convolution/convolution.h"
#include "kernels/products/products.h"

namespace residua::kernels {

using Bfloat16 = std::uint16_t;

// Of panels, and of blocks of output channels.
struct TileSizes {
  static constexpr int most_rows = 32;        // of a block whose weights others share, split
  static constexpr int most_rows_alone = 64;  // of one whose weights nobody shares
  static constexpr int chunk = 32;            // floats of the depth
  static constexpr int column = 32;           // output channels; they come in pairs of columns
  static constexpr int parts = 3;             // bf16 of a float

  // Steps of the depth (chunks) of a pair of columns whose weights are split at a time, and floats in the place of
  // those: 108 KiB.
  static constexpr std::int64_t unit_steps = 9, unit_floats = unit_steps * chunk * 2 * column * parts / 2;
  // As many slices of the depth as that takes, as even as may be: steps of each but the last.
  static constexpr std::int64_t slice(std::int64_t steps) {
    const std::int64_t slices = (steps + unit_steps - 1) / unit_steps;
    return (steps + slices - 1) / slices;
  }
  // Sums that wait between slices of the depth or between positions, unless those of one pair are more: a quarter of a
  // megabyte, or a whole one where the factors that are read meanwhile are one position's of six.
  static constexpr std::int64_t waiting_sums(int positions) { return (positions > 1 ? 256 : 64) * 1024; }
  // Of scratch memory, for so many rows, of all positions together.
  static constexpr std::int64_t scratch_floats(std::int64_t rows, int positions) {
    constexpr std::int64_t two_blocks = 2 * most_rows * unit_steps * 2 * column;
    const std::int64_t waiting = waiting_sums(positions);
    // Those of two pairs of a block alone.
    static_assert(waiting_sums(1) >= most_rows_alone * 4 * column &&
                  waiting_sums(6) >= 6 * most_rows_alone * 4 * column);
    return 2 * unit_floats + (two_blocks > waiting ? two_blocks : waiting) + (rows + most_rows) * 2 * column;
  }
};

// Where factors lie, split, and which outputs they make. Either gathered into panels, block by block, so that the rows
// of a block are its outputs one after another:
//
//   panels [block][steps][parts][rows_per_block][chunk]        steps: chunks, and the taps of each
//
// or an image's channels in planes (TilePlanes), in which the rows that a tap of the kernel reads are those that the
// first tap reads, further on. There a row behind the end of the outputs' own is no output.
struct TileFactors {
  const Bfloat16* first;
  std::int64_t image_stride, block_stride, chunk_stride, part_stride;  // from one to the next, in Bfloat16
  const std::int64_t* taps;                                            // where each tap starts
  int tap_count;                                                       // a step of the depth is a tap of a chunk
  int rows_per_block;                                                  // 1 .. TileSizes::most_rows_alone, as configured
  std::int64_t rows, pitch, width;  // of an image; of these, as many as lie between two lines, and are outputs
  // Of Winograd's algorithm along lines.
  int positions = 1;
  std::int64_t position_stride = 0, line_outputs = 0;
  // Where a block is a pair of images. Of an odd number of images in all the last is alone, but memory behind it is
  // read.
  bool pairs_of_images = false;
  std::int64_t images = 1;

  // Where a block is no pair of images.
  std::int64_t blocks_of_image() const { return (rows + rows_per_block - 1) / rows_per_block; }
  // Where the rows of a block start, counted over all images.
  const Bfloat16* rows_of(std::int64_t block) const {
    if (pairs_of_images) return first + 2 * block * image_stride;
    return first + block / blocks_of_image() * image_stride + block % blocks_of_image() * block_stride;
  }
};
// Rows in panels, one after another, all outputs.
inline TileFactors panels_of(const Bfloat16* panels, std::int64_t rows, int rows_per_block, std::int64_t chunks) {
  static constexpr std::int64_t no_taps[1] = {0};
  const std::int64_t part = rows_per_block * TileSizes::chunk, chunk = TileSizes::parts * part;
  return {panels, 0, chunks * chunk, chunk, part, no_taps, 1, rows_per_block, rows, rows, rows};
}

// Of several images whose rows, all of them outputs, fill a tile at most, and more than half of it, two make a block,
// an upper tile and a lower one, so that weights are read half as often.
inline bool go_in_pairs(const TileFactors& factors, std::int64_t images) {
  return images > 1 && factors.pitch == factors.width && factors.rows <= TileSizes::most_rows / 2 &&
         factors.rows > TileSizes::most_rows / 4;
}
// Images that memory must have room for.
inline std::int64_t images_with_room(const TileFactors& factors, std::int64_t images) {
  return go_in_pairs(factors, images) ? images + images % 2 : images;
}
inline TileFactors in_pairs(TileFactors factors, std::int64_t images) {
  factors.pairs_of_images = true;
  factors.images = images;
  factors.rows_per_block = static_cast<int>(2 * factors.rows);
  return factors;
}

// The blocks that are multiplied, counted over all images.
struct TileBlocks {
  std::int64_t first, count;
};

// An image in planes: [chunks][parts][stride][stride][cells][chunk]. With a stride, rows and columns fall into phases,
// so that the outputs side by side read neighbours:
//
//   image, padded     a b c d e f      phase 0: a c e     phase 1: b d f
//
// A plane's lines lie `pitch` cells apart. Where an image is padded left and right, a line's right-hand padding is the
// next one's left-hand one.
struct TilePlanes {
  static constexpr int most_taps = 49;

  std::int64_t stride, lines, pitch, shared_padding;
  std::int64_t chunks, taps;

  explicit TilePlanes(const ConvolutionGeometry& geometry);
  std::int64_t cells() const { return lines * pitch + shared_padding; }
  std::int64_t part_stride() const { return stride * stride * cells() * TileSizes::chunk; }
  std::int64_t image_stride() const { return chunks * TileSizes::parts * part_stride(); }
  // Where the rows that a tap reads start.
  std::int64_t tap(std::int64_t ky, std::int64_t kx) const {
    return ((ky % stride * stride + kx % stride) * cells() + ky / stride * pitch + kx / stride) * TileSizes::chunk;
  }
  // Of so many images, and of what a last block may read behind them.
  std::int64_t size(std::int64_t images) const {
    return images * image_stride() + TileSizes::most_rows_alone * TileSizes::chunk;
  }
};

// An image's planes, and those of the images behind it. `taps`: TilePlanes::tap of each.
inline TileFactors planes_of(const TilePlanes& planes, const ConvolutionGeometry& geometry, const Bfloat16* first,
                             const std::int64_t* taps, int rows_per_block) {
  return {.first = first,
          .image_stride = planes.image_stride(),
          .block_stride = rows_per_block * TileSizes::chunk,
          .chunk_stride = TileSizes::parts * planes.part_stride(),
          .part_stride = planes.part_stride(),
          .taps = taps,
          .tap_count = static_cast<int>(planes.taps),
          .rows_per_block = rows_per_block,
          .rows = (geometry.output_height - 1) * planes.pitch + geometry.output_width,
          .pitch = planes.pitch,
          .width = geometry.output_width};
}

// Winograd's algorithm along lines: F(4, 3) of kernels/winograd/winograd.h in one dimension, half of the
// multiplications of a 3x3 convolution with stride 1. A row of factors is a cell of 4 outputs side by side, at each of
// 6 positions; the taps are the kernel's three lines. (In both dimensions it is a quarter, for four times as many
// weights and twice the factors, and moving those takes longer than tile registers take to multiply.)
//
//   input    a b c d e f g h i j       cell 0: a .. f -> 6 positions     weights: 6 for a line of 3
//            |--- 0 ---|               cell 1: e .. j
//                    |--- 1 ---|
struct LineSizes {
  static constexpr int tile = 4, taps = 3, positions = 6;
};

// An image transformed: [chunks][parts][positions][lines][cells][chunk].
struct TileLines {
  std::int64_t lines, cells, chunks;

  explicit TileLines(const ConvolutionGeometry& geometry)
      : lines(geometry.output_height + LineSizes::taps - 1),
        cells((geometry.output_width + LineSizes::tile - 1) / LineSizes::tile),
        chunks(geometry.channels / TileSizes::chunk) {}
  std::int64_t position_stride() const { return lines * cells * TileSizes::chunk; }
  std::int64_t part_stride() const { return LineSizes::positions * position_stride(); }
  std::int64_t image_stride() const { return chunks * TileSizes::parts * part_stride(); }
  // Of so many images, and of what a last block may read behind them.
  std::int64_t size(std::int64_t images) const {
    return images * image_stride() + TileSizes::most_rows_alone * TileSizes::chunk;
  }
};

// `taps`: 0, 1 and 2 lines of cells.
inline TileFactors lines_of(const TileLines& lines, const ConvolutionGeometry& geometry, const Bfloat16* first,
                            const std::int64_t* taps, int rows_per_block) {
  return {.first = first,
          .image_stride = lines.image_stride(),
          .block_stride = rows_per_block * TileSizes::chunk,
          .chunk_stride = TileSizes::parts * lines.part_stride(),
          .part_stride = lines.part_stride(),
          .taps = taps,
          .tap_count = LineSizes::taps,
          .rows_per_block = rows_per_block,
          .rows = geometry.output_height * lines.cells,
          .pitch = lines.cells,
          .width = lines.cells,
          .positions = LineSizes::positions,
          .position_stride = lines.position_stride(),
          .line_outputs = geometry.output_width};
}

// The weights of one block of output channels, as floats: they are split on the way to the products.
//
//   weights [pairs of columns][positions][slices][4 tiles][steps of a slice][16 rows of a tile][2][16 channels]
//
// where a slice is TileSizes::slice(steps) of the steps of a position, or what is left, and a tile's row r has the
// floats r and r + 16 of a chunk.
struct TileWeights {
  const float* weights;
  std::int64_t steps;  // of the depth: chunks, or taps of chunks; at a position
};

// The kernels of the one tier that has tiles. All null pointers where there are none.
struct TileKernels {
  // Makes the calling thread's tile registers ready for blocks of so many rows, until `release`, which empties them: a
  // thread that is switched out or goes on to other work has nothing of them to save.
  void (*configure)(int rows_per_block) noexcept;
  void (*release)() noexcept;

  // Gathers and splits the pixels that ConvolutionKernels::gather_pixels gathers, into a panel for blocks of
  // `rows_per_block`, chunk by chunk and for each the taps. `channels` is a multiple of TileSizes::chunk.
  void (*gather_pixels)(const float* images, const ConvolutionGeometry& geometry, std::int64_t first_pixel, int rows,
                        std::int64_t first_channel, std::int64_t channels, int rows_per_block,
                        Bfloat16* panel) noexcept;
  // Writes line `line` of phase `phase` (of rows) of an image's planes, of all phases of columns.
  void (*split_line)(const float* image, const ConvolutionGeometry& geometry, const TilePlanes& planes,
                     std::int64_t phase, std::int64_t line, Bfloat16* image_planes) noexcept;
  // Packs the weights of one block of output channels, [positions][steps][TileSizes::chunk][columns *
  // TileSizes::column]; an even number of columns.
  void (*pack_weights)(const float* weights, int positions, std::int64_t steps, int columns, float* packed) noexcept;
  // Convolution outputs of some blocks, whose weights are split once for all of them, or, of more than
  // TileSizes::most_rows rows, for each. `target` is where the first image's first output goes; an image has `outputs`
  // pixels. Weights and bias are as many columns as target.channels need, an even number. `scratch`:
  // TileSizes::scratch_floats(blocks.count * rows_per_block, 1).
  void (*convolve)(const TileFactors& factors, const TileBlocks& blocks, const TileWeights& weights,
                   std::int64_t outputs, const ProductTarget& target, float* scratch) noexcept;

  // By Winograd's algorithm along lines. Writes line `line` of a transformed image.
  void (*transform_line)(const float* image, const ConvolutionGeometry& geometry, std::int64_t line,
                         Bfloat16* image_lines) noexcept;
  // `weights` [output_channels][channels][3][3] -> transformed [positions][steps][TileSizes::chunk][output_channels],
  // in double; a step is a line of the kernel and a chunk: chunks * 3.
  void (*transform_line_weights)(const float* weights, std::int64_t channels, std::int64_t output_channels,
                                 float* transformed) noexcept;
  // As `convolve`. `scratch`: TileSizes::scratch_floats(blocks.count * rows_per_block * LineSizes::positions,
  // LineSizes::positions).
  void (*convolve_lines)(const TileFactors& factors, const TileBlocks& blocks, const TileWeights& weights,
                         std::int64_t outputs, const ProductTarget& target, float* scratch) noexcept;
};

}  // namespace residua::kernels
