// Winograd's minimal filtering for small kernels (Winograd 1980; Lavin and Gray, arXiv:1509.09308).
//
// F(m x m, 3 x 3) cuts the output into tiles of m x m pixels. The inputs under a tile and the 3x3 weights are
// transformed; at each position of the result the transformed channels are multiplied as matrices; a last transform
// makes m x m outputs of the products. With stride 1 and m = 4 that is 36 multiplications where direct convolution has
// 144.
//
//   d [6][6] input tile --B--> V [36]            Y = A^T ((B^T d B) * (G g G^T)) A, for each tile,
//   g [3][3] weights ----G--> U [36]             summed over the channels between B and A
//   M = sum over channels of V * U  --A--> Y [4][4] outputs
//
// In one dimension a scheme has as many positions as a tile has inputs: a polynomial product evaluated at that many
// points. F(4x4) takes 0, +-1/sqrt(2), +-sqrt(2), infinity: less error than with the usual 0, +-1, +-2, infinity
// (Barabasz et al., arXiv:1803.10986, on the choice of points). F(2x2) takes 0, +-1, infinity, and F(6x6), of 64
// positions for 36 outputs, 0, +-1/2, +-1, +-2, infinity.
//
// Stride 2 falls into phases: output k reads inputs 2k and 2k + 2, which is a convolution of the even inputs with two
// taps, and 2k + 1, a product with the tap in the middle. F(4x4) with stride 2 has the points +-1/2, +-3/2, infinity
// for the even inputs and the four odd inputs as they are: 9 positions in a dimension where direct convolution has 12
// multiplications. All four odd ones have the same weight. F(2x2) with stride 2 has +-1, infinity and two odd inputs.
//
//   d0 d1 d2 d3 d4 d5 d6 d7 d8
//   |     |     |     |     |    F(4, 2 taps): 5 positions, 5 weights
//      |     |     |     |       the middle tap: 4 positions, 1 weight
//
// Compact weights: points come in pairs x and -x, whose weights share an even and an odd part, and the weights of 0 and
// infinity are made of even parts too. So three terms, as many as there are taps, give the weights of a row by one
// multiply-add each, on the way to the products. F(4x4) reads 18 floats for 9 where whole weights are 36, F(2x2) 12 for
// 16: that pays where few tiles meet weights that no cache holds.
//
//   g [3][3] --G--> [6][3] --T--> 6 rows of 3 terms, kept     weights of a position = term + factor * term
//
// Weights as terms: the rows are made of three terms in the same way, so that 9 floats are kept for 9. Each weight then
// costs more: that pays where very few tiles meet weights that no cache holds.
//
//   g [3][3] --T--> 3 rows of 3 terms, kept     terms of a row of positions = terms of a row + factor * those of
//   another
//
// Trimmed tiles: at the lower and right edge of an image a tile may have fewer than m outputs. It needs fewer inputs,
// and as many positions fewer: those of a subset of the points, whose weights are the same. F(6x6) trims its tiles by
// two outputs at a time, and computes one that nobody asks for where their number is odd.
//
// A NaN in the input makes every output NaN whose window covers it. It may also spoil the other outputs of the tiles
// whose inputs it is among, as may an infinity, which the transforms subtract from itself; it reaches no other tile.
#pragma once

#include <cstdint>

#include "kernels/products/products.h"

namespace residua::kernels {

// NHWC images and the tiles that cover their outputs.
struct WinogradGeometry {
  std::int64_t images;
  std::int64_t height, width, channels;      // of the input
  std::int64_t output_height, output_width;  // (height + padding above and below - taps) / stride + 1
  std::int64_t output_channels;
  std::int64_t padding_top, padding_left;
};

// One tile, by its outputs.
struct WinogradTile {
  std::int64_t image, y, x;  // the first output
  int height, width;         // 1 .. m
};

// Some tiles whose panels lie together, and which of them need each position: always neighbours.
struct WinogradBlock {
  static constexpr int most_rows = 16;  // of any tier's products
  static constexpr int most_positions = 81;
  struct Rows {
    int first, count;
  };

  int rows;
  WinogradTile tiles[most_rows];
  Rows rows_of[most_positions];  // by position
};

// Where transformed inputs go, from chunk `first_chunk` of the depth on.
struct WinogradPanels {
  float* panels;                 // of chunk 0, position 0
  std::int64_t position_stride;  // from position to position, in floats
  std::int64_t first_chunk;
};

// Where outputs go, and what is added on the way: bias, then residual, then ReLU (NaN stays NaN).
struct WinogradTarget {
  float* output;          // NHWC, all images
  const float* residual;  // nullptr: none; the same layout; may be `output`
  const float* bias;      // one an output channel, filled up to whole vectors with zeros
  bool relu;
};

// A position's place in both dimensions, and the transformed weights that it is multiplied by.
struct WinogradPosition {
  std::uint8_t row, column, weights;
};

// How transformed weights are kept.
enum class WinogradWeights { whole, compact, terms };

// The sizes of a scheme. Positions are in the order of their weights, so that those with equal weights are neighbours.
struct WinogradScheme {
  static constexpr int taps = 3;          // in a dimension of the convolution's kernel
  static constexpr int most_points = 9;   // in a dimension
  static constexpr int most_outputs = 6;  // in a dimension of a tile
  int tile;                               // m: outputs on a side of a tile
  int stride;                             // of the convolution
  int positions;                          // of a whole tile
  int weight_side;                        // different transformed weights in a dimension
  WinogradWeights kept;                   // how they are
  WinogradPosition at[WinogradBlock::most_positions];
  std::uint16_t needed[most_outputs];  // [n - 1]: bit i is set where n outputs in a dimension need point i
  ProductTerms terms[6];               // of each column of weights, where they are not whole
  // Points whose weights are sums of the same two terms, two by two; one by itself twice. Where weights are terms.
  struct Pair {
    std::uint8_t first, second;
  };
  Pair pairs[most_points];
  int pair_count;

  int points() const { return (tile - 1) * stride + taps; }  // in a dimension
  // For a pair of channels: in all, and as they are kept.
  int weight_positions() const { return weight_side * weight_side; }
  int kept_weights() const {
    if (kept == WinogradWeights::whole) return weight_positions();
    return (kept == WinogradWeights::compact ? weight_side : ProductTerms::terms) * ProductTerms::terms;
  }
};

// How a scheme's tiles cover the outputs of some images. Tiles are numbered by size, so that those that need a position
// are neighbours, and for each size row by row, image after image:
//
//   +------+------+---+
//   | whole| whole| r |    right-hand tiles, whole ones, lower ones, corners
//   | whole| whole| r |
//   +------+------+---+    needed by all: all of them      by whole heights only: right-hand and whole ones
//   | lower| lower| c |    by whole widths only: whole and lower ones     by neither: whole ones
//   +------+------+---+
struct WinogradTiling {
  WinogradScheme scheme;
  std::int64_t whole_down, whole_across;  // whole tiles of an image
  int rest_down, rest_across;             // outputs of the trimmed ones behind them, 0: there are none
  std::int64_t end[4];                    // of right-hand, whole and lower tiles and corners, all images together
  // Which tiles need a position: one of four ranges, by whether trimmed heights and widths do.
  struct Range {
    std::int64_t first, end;
  };
  Range ranges[4];
  std::uint8_t range_of[WinogradBlock::most_positions];  // by position

  std::int64_t tiles() const { return end[3]; }
};
WinogradTiling make_winograd_tiling(const WinogradScheme& scheme, const WinogradGeometry& geometry);

// The number of positions that all tiles together need: multiplications for a pair of channels.
std::int64_t count_products(const WinogradTiling& tiling);
// Tiles [first, first + rows), and which of them need each position.
WinogradBlock block_of_tiles(const WinogradTiling& tiling, std::int64_t first, int rows);
// The latter alone. Asked before every product: inline.
[[gnu::always_inline]] inline WinogradBlock::Rows rows_needing(const WinogradTiling& tiling, int position,
                                                               std::int64_t first, int rows) {
  const WinogradTiling::Range& range = tiling.ranges[tiling.range_of[position]];
  const auto in_block = [&](std::int64_t tile) {
    const std::int64_t row = tile > first ? tile - first : 0;
    return row < rows ? static_cast<int>(row) : rows;
  };
  const int from = in_block(range.first);
  return {from, in_block(range.end) - from};
}

// A slice of the depth of panels, and of weights as terms, of one vector of output channels.
struct WinogradSlice {
  const float* terms;        // [chunks * lanes][3][3][lanes]
  std::int64_t first_chunk;  // of the panels; sums are added to from the second one on
  std::int64_t chunks;       // >= 1
};

// Terms that are wanted soon from memory: products tell the cache of some of their lines at every depth, and move
// `next` on.
struct WinogradUpcoming {
  const float *next, *end;  // equal: nothing is left to ask for
};

// The positions of points (row, 0 ...) in one block: operands of their products, laid out as for the transforms.
struct WinogradRowOfPositions {
  int row;
  WinogradBlock::Rows rows[WinogradScheme::most_points];  // of the block, by column: which need the position
  const float* panels;                                    // of position 0
  std::int64_t panel_stride;                              // from position to position, in floats
  float* sums;                                            // of position 0 and row 0, for one vector of output channels
  std::int64_t sum_stride, sum_row;                       // from position to position, and from row to row
};

// The kernels of one tier and scheme. They feed and empty the products of the same tier (kernels/products), at most
// ProductKernels::rows tiles at a time.
struct WinogradKernels {
  WinogradScheme scheme;

  // Transforms input channels [first_channel, first_channel + channels) of a block's tiles into panels of chunks =
  // ceil(channels / lanes); what lies outside the image, and channels of the last chunk that do not exist, are zeros.
  // Position p has a row for each tile that needs it:
  //
  //   panels[p * position_stride + ((first_chunk + chunk) * rows_of[p].count + r - rows_of[p].first) * lanes + lane]
  void (*transform_input)(const float* images, const WinogradGeometry& geometry, const WinogradBlock& block,
                          std::int64_t first_channel, std::int64_t channels, const WinogradPanels& to) noexcept;

  // Transforms the products of the same tiles, sums[p * position_stride + (r * vectors + v) * lanes + lane], for output
  // channels [first_channel, min(first_channel + vectors * lanes, output_channels)). What a tile does not need is not
  // read.
  void (*transform_output)(const float* sums, std::int64_t position_stride, const WinogradGeometry& geometry,
                           const WinogradBlock& block, std::int64_t first_channel, int vectors,
                           const WinogradTarget& target) noexcept;

  // Transforms the weights of output channels [first, first + width) as far as they exist, in double:
  // packed[(w * depth + c) * width + k] for w < weight_positions, zeros for c >= channels and for channels beyond
  // output_channels. Compact ones: packed[((row * depth + c) * terms + term) * width + k]. Terms, vector by vector:
  // packed[(((v * depth + c) * terms + row) * terms + term) * lanes + lane]. `weights`:
  // [output_channels][channels][taps][taps].
  void (*transform_weights)(const float* weights, std::int64_t channels, std::int64_t output_channels,
                            std::int64_t first, std::int64_t width, std::int64_t depth, float* packed) noexcept;

  // The products of a block at all positions of a row, with weights as terms; nullptr: they are kept otherwise.
  void (*multiply_row)(const WinogradRowOfPositions& row, const WinogradSlice& slice,
                       WinogradUpcoming& upcoming) noexcept;
};

}  // namespace residua::kernels
