#include "kernels/strassen/strassen_layer.h"

#include <algorithm>

namespace residua::kernels {

PairGeometry make_pair_geometry(std::int64_t height, std::int64_t width, std::int64_t channels,
                                std::int64_t stride_height, std::int64_t stride_width) {
  const std::int64_t output_height = (height - 1) / stride_height + 1, output_width = (width - 1) / stride_width + 1;
  return {.height = height,
          .width = width,
          .channels = channels,
          .output_height = output_height,
          .output_width = output_width,
          .stride_height = stride_height,
          .stride_width = stride_width,
          .pairs = (output_height * output_width + 1) / 2};
}

StrassenSizes sizes_of(const StrassenLayer& layer) {
  const std::int64_t depth = layer.geometry.channels / 2;
  return {.packed = layer.blocks() * strassen_products * depth * layer.half(),
          .panels = layer.panels * strassen_products * layer.rows * depth,
          .sums = strassen_products * layer.rows * layer.half()};
}

void pack_strassen_weights(const StrassenLayer& layer, const float* weights, float* packed) {
  const std::int64_t channels = layer.geometry.channels, half = layer.half();
  for (std::int64_t block = 0; block < layer.blocks(); ++block)
    layer.strassen.pack_weights(weights + block * 2 * half * channels, channels, half,
                                packed + block * strassen_products * channels / 2 * half);
}

void run_strassen_layer(const StrassenLayer& layer, const float* input, const float* packed, float* panels, float* sums,
                        const PairTarget& target) {
  const std::int64_t pairs = layer.images * layer.geometry.pairs, half = layer.half();
  const std::int64_t depth = layer.geometry.channels / 2, panel = strassen_products * layer.rows * depth;
  const std::int64_t together = layer.panels * layer.rows;
  for (std::int64_t first = 0; first < pairs; first += together) {
    const std::int64_t end = std::min(first + together, pairs);
    // Calls visit(pair, rows, its panels) for each panel.
    const auto for_each_panel = [&](const auto& visit) {
      for (std::int64_t pair = first; pair < end; pair += layer.rows)
        visit(pair, static_cast<int>(std::min<std::int64_t>(layer.rows, end - pair)),
              panels + (pair - first) / layer.rows * panel);
    };
    for_each_panel([&](std::int64_t pair, int rows, float* to) {
      layer.strassen.gather_pairs(input, layer.geometry, pair, rows, to);
    });
    for (std::int64_t block = 0; block < layer.blocks(); ++block) {
      const std::int64_t channel = block * 2 * half;
      PairTarget block_target = target;
      block_target.output += channel;
      block_target.bias += channel;
      if (target.residual != nullptr) block_target.residual += channel;
      const float* weights = packed + block * strassen_products * depth * half;
      for_each_panel([&](std::int64_t pair, int rows, const float* from) {
        for (std::int64_t p = 0; p < strassen_products; ++p)
          layer.products.multiply({from + p * rows * depth, weights + p * depth * half, depth / layer.products.lanes},
                                  rows, layer.vectors, sums + p * rows * half);
        layer.strassen.combine(sums, layer.geometry, pair, rows, layer.vectors, block_target);
      });
    }
  }
}

}  // namespace residua::kernels
