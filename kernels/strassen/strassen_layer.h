// A whole 1x1 convolution with Strassen's products, by one thread: what tests check and kernel_bench times. No part of
// the library.
#pragma once

#include <cstdint>

#include "kernels/products/products.h"
#include "kernels/strassen/strassen.h"

namespace residua::kernels {

// Without padding, over NHWC images of `geometry`.
struct StrassenLayer {
  ProductKernels products;
  StrassenKernels strassen;
  PairGeometry geometry;
  std::int64_t images;
  std::int64_t output_channels;  // a multiple of 2 * half
  int vectors;                   // half = vectors * lanes output channels of a product
  int rows;                      // pairs of a panel, at most the products' rows
  std::int64_t panels;           // gathered together, so that each block of weights is read once for all of them

  std::int64_t half() const { return std::int64_t{vectors} * products.lanes; }
  std::int64_t blocks() const { return output_channels / (2 * half()); }
};

PairGeometry make_pair_geometry(std::int64_t height, std::int64_t width, std::int64_t channels,
                                std::int64_t stride_height, std::int64_t stride_width);

// Floats that each buffer needs.
struct StrassenSizes {
  std::int64_t packed, panels, sums;
};
StrassenSizes sizes_of(const StrassenLayer& layer);

// `weights`: [output_channels][channels].
void pack_strassen_weights(const StrassenLayer& layer, const float* weights, float* packed);

// `target`: of output channel 0. `panels` and `sums` are scratch.
void run_strassen_layer(const StrassenLayer& layer, const float* input, const float* packed, float* panels, float* sums,
                        const PairTarget& target);

}  // namespace residua::kernels
