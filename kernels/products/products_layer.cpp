#include "kernels/products/products_layer.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace residua::kernels {
namespace {

std::int64_t divided_up(std::int64_t count, std::int64_t unit) { return (count + unit - 1) / unit; }

struct Blocking {
  std::int64_t rows, panels;           // pixels of a panel; panels packed together
  std::int64_t chunks, width, blocks;  // of the depth; of output channels
};

// Even panels, as many together as stay in a second-level cache beside a block of weights.
Blocking blocking_of(const PointwiseLayer& layer) {
  constexpr std::int64_t cache_floats = 64 * 1024;  // a quarter of a megabyte
  const std::int64_t pixels = layer.output_height() * layer.output_width(), lanes = layer.products.lanes;
  const std::int64_t rows = divided_up(pixels, divided_up(pixels, layer.products.rows));
  const std::int64_t chunks = divided_up(layer.channels, lanes), width = layer.products.vectors * lanes;
  return {rows, std::clamp<std::int64_t>(cache_floats / (rows * chunks * lanes), 1, divided_up(pixels, rows)), chunks,
          width, divided_up(layer.output_channels, width)};
}

void pack_row(const float* factors, std::int64_t depth, std::int64_t rows, int lanes, float* panel) {
  for (std::int64_t first = 0; first < depth; first += lanes) {
    const auto count = static_cast<std::size_t>(std::min<std::int64_t>(lanes, depth - first));
    std::memcpy(panel + first * rows, factors + first, count * sizeof(float));
    std::fill(panel + first * rows + count, panel + first * rows + lanes, 0.0f);
  }
}

}  // namespace

void pack_panel(const float* factors, std::int64_t stride, std::int64_t depth, int rows, int lanes, float* panel) {
  for (std::int64_t r = 0; r < rows; ++r) pack_row(factors + r * stride, depth, rows, lanes, panel + r * lanes);
}

void pack_product_weights(const float* weights, std::int64_t depth, std::int64_t output_channels, std::int64_t first,
                          std::int64_t width, int lanes, float* packed) {
  const std::int64_t padded_depth = divided_up(depth, lanes) * lanes;
  for (std::int64_t d = 0; d < padded_depth; ++d)
    for (std::int64_t k = 0; k < width; ++k)
      packed[d * width + k] = d < depth && first + k < output_channels ? weights[(first + k) * depth + d] : 0;
}

PointwiseSizes sizes_of(const PointwiseLayer& layer) {
  const Blocking b = blocking_of(layer);
  const std::int64_t depth = b.chunks * layer.products.lanes;
  return {b.blocks * depth * b.width, b.panels * b.rows * depth, b.blocks * b.width};
}

void pack_pointwise_weights(const PointwiseLayer& layer, const float* weights, float* packed) {
  const Blocking b = blocking_of(layer);
  for (std::int64_t block = 0; block < b.blocks; ++block)
    pack_product_weights(weights, layer.channels, layer.output_channels, block * b.width, b.width, layer.products.lanes,
                         packed + block * b.chunks * layer.products.lanes * b.width);
}

void run_pointwise_layer(const PointwiseLayer& layer, const float* input, const float* packed, const float* bias,
                         float* panels, float* output) {
  const Blocking b = blocking_of(layer);
  const int lanes = layer.products.lanes;
  const std::int64_t depth = b.chunks * lanes, pixels = layer.output_height() * layer.output_width();
  for (std::int64_t first = 0; first < pixels; first += b.panels * b.rows) {
    const std::int64_t last = std::min(first + b.panels * b.rows, pixels);
    const auto rows_from = [&](std::int64_t pixel) { return std::min(b.rows, last - pixel); };
    for (std::int64_t pixel = first; pixel < last; pixel += b.rows)
      for (std::int64_t r = 0; r < rows_from(pixel); ++r) {
        const std::int64_t y = (pixel + r) / layer.output_width(), x = (pixel + r) % layer.output_width();
        pack_row(input + (y * layer.width + x) * layer.stride * layer.channels, layer.channels, rows_from(pixel), lanes,
                 panels + (pixel - first) * depth + r * lanes);
      }
    for (std::int64_t block = 0; block < b.blocks; ++block)
      for (std::int64_t pixel = first; pixel < last; pixel += b.rows) {
        const std::int64_t channel = block * b.width;
        float* const first_output = output + pixel * layer.output_channels + channel;
        const ProductTarget target{.output = first_output,
                                   .residual = nullptr,
                                   .bias = bias + channel,
                                   .stride = layer.output_channels,
                                   .channels = std::min(b.width, layer.output_channels - channel),
                                   .relu = true};
        layer.products.convolve({panels + (pixel - first) * depth, packed + block * depth * b.width, b.chunks},
                                static_cast<int>(rows_from(pixel)), layer.products.vectors, target);
      }
  }
}

}  // namespace residua::kernels
