// Convolution with many groups of few channels (ResNeXt, Xie et al., arXiv:1611.05431), directly on NHWC images. As
// matrix products such groups would be mostly zeros; here every lane multiplies its own group's inputs only.
//
//   a vector of 16 lanes, groups of 4:    inputs   a0 a1 a2 a3 | b0 b1 b2 b3 | c0 ..       four multiply-adds for a
//   tap:
//                                         factor i  ai ai ai ai | bi bi bi bi | ci ..       outputs += factor i *
//                                         weights
#pragma once

#include <cstdint>

#include "kernels/convolution/convolution.h"

namespace residua::kernels {

// Where the outputs of one image go, and what is added on the way: bias, then residual, then ReLU (NaN stays NaN).
struct GroupedTarget {
  float* output;          // NHWC
  const float* residual;  // nullptr: none; the same layout; may be `output`
  const float* bias;      // one an output channel
  bool relu;
};

// 3x3 convolutions with as many input as output channels in a group, stride 1 or 2 across and no dilation. Channels are
// a multiple of `lanes`; a group has 4 or 8 channels, or a multiple of `lanes`.
struct GroupedKernels {
  static constexpr int kernel = 3;
  int lanes;  // output channels of a block

  // Row `y` of output channels [block * lanes, (block + 1) * lanes). `weights`: the block's, packed as below. Inputs
  // outside the image are left out, which is the same as zeros. Each output is one chain of multiply-adds (fused from
  // avx2 on), over rows of the kernel, then a group's channels, then columns.
  void (*convolve_row)(const float* image, const ConvolutionGeometry& geometry, std::int64_t group_channels,
                       std::int64_t block, std::int64_t y, const float* weights, const GroupedTarget& target) noexcept;
  // The weights of a block: packed[((ky * group_channels + i) * 3 + kx) * lanes + lane]. `weights`:
  // [output channels][group_channels][3][3].
  void (*pack_weights)(const float* weights, std::int64_t group_channels, std::int64_t block, float* packed) noexcept;
};

}  // namespace residua::kernels
