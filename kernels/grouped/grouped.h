// Convolution whose outputs read few channels each: in many groups (ResNeXt, Xie et al., arXiv:1611.05431), or on an
// image of few channels. Directly on NHWC images: as matrix products such groups would be mostly zeros, and such images
// would have to be gathered float by float. Here every lane multiplies its own group's inputs only.
//
//   16 lanes, groups of 4      inputs     a0 a1 a2 a3 | b0 b1 b2 b3 | c0 ..      a tap is 4 multiply-adds:
//                              factor i   ai ai ai ai | bi bi bi bi | ci ..      outputs += factor i * weights
//
//   16 lanes of one group      factor i   ai ai ai ai | ai ai ai ai | ai ..      as many as the group has inputs
#pragma once

#include <cstdint>

#include "kernels/convolution/convolution.h"

namespace residua::kernels {

// Where the outputs of one image go, and what is added on the way: bias, then residual, then ReLU (NaN stays NaN).
struct GroupedTarget {
  std::int64_t channels;  // of all groups
  float* output;          // NHWC
  const float* residual;  // nullptr: none; the same layout; may be `output`
  const float* bias;      // one an output channel
  bool relu;
};

// The channels of one group.
struct ChannelGroup {
  std::int64_t inputs, outputs;
};

// 3x3 convolutions with stride 1 or 2 across and no dilation. Output channels are a multiple of `lanes`; a group has
// either 4 or 8 inputs and as many outputs, or a multiple of `lanes` outputs.
struct GroupedKernels {
  static constexpr int kernel = 3;
  int lanes;  // output channels of a block

  // Row `y` of output channels [block * lanes, (block + 1) * lanes). `weights`: the block's, packed as below. Inputs
  // outside the image are left out, which is the same as zeros. Each output is one chain of multiply-adds (fused from
  // avx2 on), over rows of the kernel, then a group's inputs, then columns.
  void (*convolve_row)(const float* image, const ConvolutionGeometry& geometry, const ChannelGroup& channels,
                       std::int64_t block, std::int64_t y, const float* weights, const GroupedTarget& target) noexcept;
  // The weights of a block: packed[((ky * inputs + i) * 3 + kx) * lanes + lane], of a group's inputs. `weights`:
  // [output channels][inputs][3][3].
  void (*pack_weights)(const float* weights, std::int64_t inputs, std::int64_t block, float* packed) noexcept;
};

}  // namespace residua::kernels
