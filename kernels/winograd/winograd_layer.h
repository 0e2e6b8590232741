// A whole convolution on the Winograd kernels, by one thread and without a plan of memory: what tests check and
// kernel_bench times. No part of the library.
#pragma once

#include <cstdint>

#include "kernels/products/products.h"
#include "kernels/winograd/winograd.h"

namespace residua::kernels {

struct Padding {
  std::int64_t top, left, bottom, right;  // 0 or 1
};

WinogradGeometry make_winograd_geometry(std::int64_t images, std::int64_t height, std::int64_t width,
                                        std::int64_t channels, std::int64_t output_channels, const Padding& padding,
                                        int stride);

// How a layer is cut. No choice changes a bit of the outputs.
struct WinogradBlocking {
  int rows;             // tiles of a panel, at most the products' rows
  int vectors;          // of a block of output channels, at most the products' vectors
  std::int64_t panels;  // transformed together, so that each block of weights is read once for all of them
  std::int64_t gap;     // floats between two positions of panels and sums
};

struct WinogradLayer {
  ProductKernels products;
  WinogradKernels winograd;
  WinogradGeometry geometry;
  WinogradBlocking blocking;
};

// Even panels, as many together as stay in a second-level cache, and positions that do not fall into one cache set.
WinogradBlocking usual_winograd_blocking(const ProductKernels& products, const WinogradKernels& winograd,
                                         const WinogradGeometry& geometry);

// Floats that each buffer needs, and between the positions of panels and sums.
struct WinogradSizes {
  std::int64_t packed, panels, sums;
  std::int64_t panel_position_stride, sum_position_stride;
};
WinogradSizes sizes_of(const WinogradLayer& layer);

// `weights`: [output_channels][channels][taps][taps].
void pack_winograd_weights(const WinogradLayer& layer, const float* weights, float* packed);

// Transforms, multiplies, transforms back. `panels` and `sums` are scratch.
void run_winograd_layer(const WinogradLayer& layer, const float* input, const float* packed, float* panels, float* sums,
                        const WinogradTarget& target);

}  // namespace residua::kernels
