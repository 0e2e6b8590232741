// Packing for the matrix products, and a whole 1x1 convolution on them by one thread: what tests check and kernel_bench
// times. No part of the library.
#pragma once

#include <cstdint>

#include "kernels/products/products.h"

namespace residua::kernels {

// Row r of the panel: `depth` floats from factors + r * stride on, zeros behind them up to whole chunks.
void pack_panel(const float* factors, std::int64_t stride, std::int64_t depth, int rows, int lanes, float* panel);

// Output channels [first, first + width) as far as they exist, zeros elsewhere. `weights`: [output_channels][depth].
void pack_product_weights(const float* weights, std::int64_t depth, std::int64_t output_channels, std::int64_t first,
                          std::int64_t width, int lanes, float* packed);

// A 1x1 convolution without padding over NHWC pixels.
struct PointwiseLayer {
  ProductKernels products;
  std::int64_t height, width, channels, output_channels, stride;  // of one image
  std::int64_t output_height() const { return (height - 1) / stride + 1; }
  std::int64_t output_width() const { return (width - 1) / stride + 1; }
};

// Floats that each buffer needs; bias likewise is filled up to whole blocks with zeros.
struct PointwiseSizes {
  std::int64_t packed, panels, bias;
};
PointwiseSizes sizes_of(const PointwiseLayer& layer);

void pack_pointwise_weights(const PointwiseLayer& layer, const float* weights, float* packed);

// Bias and ReLU, no residual. `panels` is scratch.
void run_pointwise_layer(const PointwiseLayer& layer, const float* input, const float* packed, const float* bias,
                         float* panels, float* output);

}  // namespace residua::kernels
