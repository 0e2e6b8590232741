// What the Winograd kernels must compute, plainly and in double, and how exact they can be. For tests and kernel_bench:
// no part of the library.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/winograd/winograd.h"

namespace residua::kernels {

// A convolution and what is added to it; layouts as in winograd.h.
struct ReferenceConvolution {
  WinogradGeometry geometry;
  static constexpr int taps = WinogradScheme::taps;
  int stride;
  const float* input;
  const float* weights;   // [output_channels][channels][taps][taps]
  const float* bias;      // one an output channel
  const float* residual;  // nullptr: none
  bool relu;              // NaN stays NaN
};

// By the definition: each output is a sum over its window.
std::vector<double> convolve_directly(const ReferenceConvolution& convolution);

// By F(tile x tile, 3 x 3) with the convolution's stride, in whole tiles of 6, 4 or 2; with whole matrices and nothing
// shared: winograd.h's formula.
std::vector<double> convolve_by_winograd(const ReferenceConvolution& convolution, int tile);

// For each output, what its rounding errors are in proportion to when tiles of `tile` x `tile` are computed together:
//
//   |bias| + |residual| + sum over channels of (largest |input| under the tile) * (sum of its |weights|)
//
// The transforms mix all pixels under a tile, so an output whose own window is tiny still inherits the errors of large
// neighbours: a bound in the sum of |input * weight| of its own window cannot hold.
std::vector<double> winograd_error_scales(const ReferenceConvolution& convolution, int tile);

}  // namespace residua::kernels
