// Convolution whose outputs read few channels each: in many groups (ResNeXt, Xie et al., arXiv:1611.05431), or on an
// image of few channels. As matrix products such groups would be mostly zeros, and such images would have to be
// gathered float by float. Here every lane multiplies its own group's inputs only.
//
//   16 lanes, groups of 4      inputs     a0 a1 a2 a3 | b0 b1 b2 b3 | c0 ..      a tap is 4 multiply-adds:
//                              factor i   ai ai ai ai | bi bi bi bi | ci ..      outputs += factor i * weights
//
//   16 lanes of one group      factor i   ai ai ai ai | ai ai ai ai | ai ..      as many as the group has inputs
//
// The channels of a group or a few are copied out of the NHWC image first, with the padding beside them: in the image
// one pixel's lie kilobytes from the next one's, which is a page each and a handful of the level 1 cache's sets for
// all.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/convolution/convolution.h"

namespace residua::kernels {

// The columns of an image that a convolution reads, and its padding: columns [left, right) of [0, width) are the
// image's.
struct PaddedColumns {
  std::int64_t width, left, right;
};

// Some channels of some rows of an image, with zeros for padding: [rows][width][channels].
struct PaddedRows {
  std::int64_t first_row, rows;  // of the image
  std::int64_t first_channel, channels;
  PaddedColumns columns;
  float* values;
};

// What lies under the kernel for one row of outputs: rows [first, first + count) of the image, under the kernel's rows
// from first_kernel_row on. None where all is padding.
struct RowsUnder {
  std::int64_t first;
  int first_kernel_row, count;
};

// What a row of outputs of one block of channels reads.
struct GroupedInput {
  const float* rows;      // of row under.first: column 0, the block's first input
  std::int64_t channels;  // floats from column to column
  PaddedColumns columns;
  RowsUnder under;
  std::int64_t outputs;  // pixels of the row
  std::int64_t stride;   // 1 or 2
};

// Where a row of outputs goes, and what is added on the way: bias, then residual, then ReLU (NaN stays NaN).
struct GroupedTarget {
  std::int64_t stride;    // floats from pixel to pixel
  float* output;          // of the first pixel, the block's first channel
  const float* residual;  // nullptr: none; the same layout; may be `output`
  const float* bias;      // of the block's first channel
  bool relu;
};

// The channels of one group.
struct ChannelGroup {
  std::int64_t inputs, outputs;
};

// For `gather_rows` and `convolve_row` of a convolution.
inline PaddedColumns padded_columns(const ConvolutionGeometry& g) {
  const std::int64_t width = (g.output_width - 1) * g.stride_width + g.kernel_width;
  return {width, std::min(g.padding_left, width), std::min(g.padding_left + g.width, width)};
}

inline RowsUnder rows_under(const ConvolutionGeometry& g, std::int64_t output_row) {
  const std::int64_t top = output_row * g.stride_height - g.padding_top;
  const std::int64_t first = std::clamp<std::int64_t>(top, 0, g.height);
  const std::int64_t end = std::clamp<std::int64_t>(top + g.kernel_height, 0, g.height);
  return {first, static_cast<int>(std::clamp<std::int64_t>(first - top, 0, g.kernel_height)),
          static_cast<int>(end - first)};
}

// 3x3 convolutions with stride 1 or 2 across and no dilation. Output channels are a multiple of `lanes`; a group has
// either 4 or 8 inputs and as many outputs, or a multiple of `lanes` outputs.
struct GroupedKernels {
  static constexpr int kernel = 3;
  int lanes;  // output channels of a block

  // Fills `padded` from the NHWC image.
  void (*gather_rows)(const float* image, const ConvolutionGeometry& geometry, const PaddedRows& padded) noexcept;
  // One row of a block's outputs. `weights`: the block's, packed as below. Each output is one chain of multiply-adds
  // (fused from avx2 on), over rows of the kernel, then a group's inputs, then columns. Padding is left out or
  // multiplied as zeros: with an infinite weight it may or may not make a NaN.
  void (*convolve_row)(const GroupedInput& input, const ChannelGroup& channels, const float* weights,
                       const GroupedTarget& target) noexcept;
  // The weights of a block: packed[((ky * inputs + i) * 3 + kx) * lanes + lane], of a group's inputs. `weights`:
  // [output channels][inputs][3][3].
  void (*pack_weights)(const float* weights, std::int64_t inputs, std::int64_t block, float* packed) noexcept;
};

}  // namespace residua::kernels
