// The first convolution of most networks, 7x7 with stride 2 on an image of few channels, by Winograd's algorithm along
// its rows (Winograd 1980; kernels/winograd/winograd.h on the algorithm).
//
// Two neighbouring pixels of a row are one folded pixel, which makes 4 taps with stride 1 of the 7 with stride 2:
//
//   taps of a row of the kernel:  |0 1|2 3|4 5|6 .|   one folded pixel for two taps; the eighth tap is zero
//
// F(6, 4) makes 6 outputs of 9 folded pixels with 9 multiplications in place of 24, for each row of the kernel and each
// channel of a folded pixel: 63 an output where direct convolution of three channels has 147. Points +-1/4, +-5/8,
// +-5/4, +-2, infinity: all coefficients of the inputs' transform are exact. The rows of the kernel are depth like the
// channels: products are seven times as deep as a folded pixel, and a line of the image is transformed once for all
// outputs that read it.
//
//   image row --B--> line [9 positions][tiles][8]     sums of a position = over kernel rows and channels of
//   weights   --G--> [9 positions][7][channels]       line of that row * weights
//   sums [9 positions][tiles] --A--> 6 outputs a tile
//
// A NaN or an infinity in the input may spoil the outputs of the tiles whose inputs it is among, and reaches no other
// tile.
#pragma once

#include <cstdint>

namespace residua::kernels {

// One NHWC image and its outputs.
struct StemGeometry {
  std::int64_t height, width, channels;  // channels: 1 .. most_channels
  std::int64_t output_height, output_width, output_channels;
  std::int64_t padding_top, padding_left;
};

// Where a row of outputs goes, and what is added on the way: bias, then residual, then ReLU (NaN stays NaN).
struct StemTarget {
  float* output;          // of the row's first pixel, all channels
  const float* residual;  // nullptr: none; the same layout; may be `output`
  const float* bias;      // one an output channel, filled up to whole blocks with zeros
  bool relu;
};

struct StemKernels {
  static constexpr int kernel = 7, stride = 2, most_channels = 4;
  static constexpr int tile = 6, positions = 9, folded_taps = 4;
  static constexpr int cell = 2 * most_channels;  // floats of a position of a tile
  int width;                                      // output channels of a block
  std::int64_t most_tiles;                        // whose sums are scratch memory at once

  static std::int64_t tiles(const StemGeometry& g) { return (g.output_width + tile - 1) / tile; }
  static std::int64_t line_floats(const StemGeometry& g) { return positions * tiles(g) * cell; }
  // Of the scratch memory of `convolve_row`.
  std::int64_t sum_floats() const { return positions * most_tiles * width; }
  std::int64_t blocks(const StemGeometry& g) const { return (g.output_channels + width - 1) / width; }
  std::int64_t block_weights(const StemGeometry& g) const { return positions * kernel * 2 * g.channels * width; }

  // Transforms row `y` of the image, which may lie outside of it: zeros. line[(p * tiles + tile) * cell + channel of
  // the folded pixel].
  void (*transform_line)(const float* image, const StemGeometry& geometry, std::int64_t y, float* line) noexcept;
  // A row of outputs, from the lines of its first kernel row and the six following.
  void (*convolve_row)(const float* lines, const StemGeometry& geometry, const float* weights, float* sums,
                       const StemTarget& target) noexcept;
  // Transforms the weights of block `block` in double: packed[((p * kernel + ky) * 2 * channels + c) * width + k],
  // zeros for channels that do not exist. `weights`: [output_channels][channels][7][7].
  void (*pack_weights)(const float* weights, const StemGeometry& geometry, std::int64_t block, float* packed) noexcept;
};

}  // namespace residua::kernels
