// Winograd's minimal filtering for 3x3 convolutions with stride 1 (Winograd 1980; Lavin and Gray, arXiv:1509.09308).
//
// F(m x m, 3 x 3) cuts the output into tiles of m x m pixels. The (m+2) x (m+2) inputs under a tile and the 3x3
// weights are transformed; at each of the (m+2)^2 positions the transformed channels are multiplied as matrices; a last
// transform makes m x m outputs of the products. For m = 4 that is 36 multiplications where direct convolution has 144.
//
//   d [6][6] input tile --B--> V [36]            Y = A^T ((B^T d B) * (G g G^T)) A, for each tile,
//   g [3][3] weights ----G--> U [36]             summed over the channels between B and A
//   M = sum over channels of V * U  --A--> Y [4][4] outputs
//
// F(4x4) interpolates at 0, +-1/sqrt(2), +-sqrt(2), infinity: less error than at the usual 0, +-1, +-2, infinity
// (Barabasz et al., arXiv:1803.10986, on the choice of points). F(2x2) interpolates at 0, +-1, infinity.
//
// A NaN in the input makes every output NaN whose window covers it. It may also spoil the other outputs of the tiles
// whose inputs it is among, as may an infinity, which the transforms subtract from itself; it reaches no other tile.
#pragma once

#include <cstdint>

namespace residua::kernels {

// NHWC images, and the tiles that cover their outputs: row by row, image after image.
struct WinogradGeometry {
  std::int64_t height, width, channels;      // of the input
  std::int64_t output_height, output_width;  // height + padding above and below - 2, likewise
  std::int64_t output_channels;
  std::int64_t padding_top, padding_left;
  std::int64_t tiles_down, tiles_across;  // ceil(output_height / m), ceil(output_width / m)
};

// Where outputs go, and what is added on the way: bias, then residual, then ReLU (NaN stays NaN).
struct WinogradTarget {
  float* output;          // NHWC, all images
  const float* residual;  // nullptr: none; the same layout; may be `output`
  const float* bias;      // one an output channel, filled up to whole vectors with zeros
  bool relu;
};

// The kernels of one tier and tile size. They feed and empty the products of the same tier (kernels/products):
// positions * rows * depth panels, at most ProductKernels::rows tiles in each.
struct WinogradKernels {
  int tile;       // m: outputs on a side of a tile
  int positions;  // (m + 2)^2

  // Transforms input channels [first_channel, first_channel + channels) of tiles [first_tile, first_tile + rows) into
  // panels of chunks = ceil(channels / lanes); what lies outside the image, and channels of the last chunk that do not
  // exist, are zeros.
  //
  //   panels[p * position_stride + (chunk * rows + r) * lanes + lane]
  void (*transform_input)(const float* images, const WinogradGeometry& geometry, std::int64_t first_tile, int rows,
                          std::int64_t first_channel, std::int64_t channels, float* panels,
                          std::int64_t position_stride) noexcept;

  // Transforms the products of the same tiles, sums[p * position_stride + (r * vectors + v) * lanes + lane], for output
  // channels [first_channel, min(first_channel + vectors * lanes, output_channels)).
  void (*transform_output)(const float* sums, std::int64_t position_stride, const WinogradGeometry& geometry,
                           std::int64_t first_tile, int rows, std::int64_t first_channel, int vectors,
                           const WinogradTarget& target) noexcept;

  // Transforms the weights of output channels [first, first + width) as far as they exist, in double:
  // packed[(p * depth + c) * width + k], zeros for c >= channels and for channels beyond output_channels.
  // `weights`: [output_channels][channels][3][3].
  void (*transform_weights)(const float* weights, std::int64_t channels, std::int64_t output_channels,
                            std::int64_t first, std::int64_t width, std::int64_t depth, float* packed) noexcept;
};

}  // namespace residua::kernels
