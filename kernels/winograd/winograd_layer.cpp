#include "kernels/winograd/winograd_layer.h"

#include <algorithm>
#include <vector>

namespace residua::kernels {
namespace {

std::int64_t divided_up(std::int64_t count, std::int64_t unit) { return (count + unit - 1) / unit; }

// What the loops count with.
struct Units {
  std::int64_t chunks, depth, width, blocks;
};
Units units_of(const WinogradLayer& layer) {
  const std::int64_t lanes = layer.products.lanes, width = layer.blocking.vectors * lanes;
  const std::int64_t chunks = divided_up(layer.geometry.channels, lanes);
  return {chunks, chunks * lanes, width, divided_up(layer.geometry.output_channels, width)};
}

// The products of a block, position by position.
void multiply_by_positions(const WinogradLayer& layer, const WinogradBlock& block, const float* weights,
                           const float* panels, float* sums) {
  const Units units = units_of(layer);
  const WinogradSizes sizes = sizes_of(layer);
  const WinogradScheme& scheme = layer.winograd.scheme;
  for (int p = 0; p < scheme.positions; ++p) {
    const auto [first, count] = block.rows_of[p];
    if (count == 0) continue;
    const bool compact = scheme.kept == WinogradWeights::compact;
    const int at = scheme.at[p].weights, side = scheme.weight_side;
    const ProductSlice slice{panels + p * sizes.panel_position_stride,
                             weights + (compact ? at / side * ProductTerms::terms : at) * units.depth * units.width,
                             units.chunks};
    float* const position_sums = sums + p * sizes.sum_position_stride + first * units.width;
    if (compact)
      layer.products.multiply_terms(slice, scheme.terms[at % side], count, layer.blocking.vectors, position_sums);
    else
      layer.products.multiply(slice, count, layer.blocking.vectors, position_sums);
  }
}

void multiply_by_rows(const WinogradLayer& layer, const WinogradBlock& block, const float* weights, const float* panels,
                      float* sums) {
  const WinogradScheme& scheme = layer.winograd.scheme;
  const Units units = units_of(layer);
  const WinogradSizes sizes = sizes_of(layer);
  const std::int64_t lanes = layer.products.lanes;
  for (int v = 0; v < layer.blocking.vectors; ++v)
    for (int row = 0; row < scheme.points(); ++row) {
      WinogradRowOfPositions operands{
          row, {}, panels, sizes.panel_position_stride, sums + v * lanes, sizes.sum_position_stride, units.width};
      for (int p = 0; p < scheme.positions; ++p)
        if (scheme.at[p].row == row) operands.rows[scheme.at[p].column] = block.rows_of[p];
      WinogradUpcoming nothing{};
      layer.winograd.multiply_row(
          operands, {weights + v * units.depth * scheme.kept_weights() * lanes, 0, units.chunks}, nothing);
    }
}

}  // namespace

WinogradGeometry make_winograd_geometry(std::int64_t images, std::int64_t height, std::int64_t width,
                                        std::int64_t channels, std::int64_t output_channels, const Padding& padding,
                                        int stride) {
  constexpr int taps = WinogradScheme::taps;
  return {.images = images,
          .height = height,
          .width = width,
          .channels = channels,
          .output_height = (height + padding.top + padding.bottom - taps) / stride + 1,
          .output_width = (width + padding.left + padding.right - taps) / stride + 1,
          .output_channels = output_channels,
          .padding_top = padding.top,
          .padding_left = padding.left};
}

WinogradBlocking usual_winograd_blocking(const ProductKernels& products, const WinogradKernels& winograd,
                                         const WinogradGeometry& geometry) {
  constexpr std::int64_t cache_floats = 128 * 1024;  // half of a megabyte
  const std::int64_t tiles = make_winograd_tiling(winograd.scheme, geometry).tiles();
  const std::int64_t rows = divided_up(tiles, divided_up(tiles, products.rows));
  const std::int64_t chunks = divided_up(geometry.channels, products.lanes);
  const std::int64_t panel = winograd.scheme.positions * rows * chunks * products.lanes;
  const std::int64_t panels = std::clamp<std::int64_t>(cache_floats / panel, 1, divided_up(tiles, rows));
  const bool narrow = geometry.output_channels <= products.lanes;
  return {static_cast<int>(rows), narrow ? 1 : products.vectors, panels, 16};
}

WinogradSizes sizes_of(const WinogradLayer& layer) {
  const Units units = units_of(layer);
  const std::int64_t rows = layer.blocking.panels * layer.blocking.rows, positions = layer.winograd.scheme.positions;
  const std::int64_t panel_stride = rows * units.depth + layer.blocking.gap;
  const std::int64_t sum_stride = rows * units.width + layer.blocking.gap;
  return {.packed = units.blocks * layer.winograd.scheme.kept_weights() * units.depth * units.width,
          .panels = positions * panel_stride,
          .sums = positions * sum_stride,
          .panel_position_stride = panel_stride,
          .sum_position_stride = sum_stride};
}

void pack_winograd_weights(const WinogradLayer& layer, const float* weights, float* packed) {
  const Units units = units_of(layer);
  for (std::int64_t block = 0; block < units.blocks; ++block)
    layer.winograd.transform_weights(weights, layer.geometry.channels, layer.geometry.output_channels,
                                     block * units.width, units.width, units.depth,
                                     packed + block * layer.winograd.scheme.kept_weights() * units.depth * units.width);
}

void run_winograd_layer(const WinogradLayer& layer, const float* input, const float* packed, float* panels, float* sums,
                        const WinogradTarget& target) {
  const WinogradGeometry& g = layer.geometry;
  const WinogradBlocking& blocking = layer.blocking;
  const Units units = units_of(layer);
  const WinogradSizes sizes = sizes_of(layer);
  const WinogradScheme& scheme = layer.winograd.scheme;
  const WinogradTiling tiling = make_winograd_tiling(scheme, g);
  const std::int64_t tiles = tiling.tiles();
  const std::int64_t panel_size = blocking.rows * units.depth, sum_size = blocking.rows * units.width;
  std::vector<WinogradBlock> blocks;
  for (std::int64_t first = 0; first < tiles; first += blocking.panels * blocking.rows) {
    blocks.clear();
    for (std::int64_t tile = first; tile < std::min(first + blocking.panels * blocking.rows, tiles);
         tile += blocking.rows)
      blocks.push_back(
          block_of_tiles(tiling, tile, static_cast<int>(std::min<std::int64_t>(blocking.rows, tiles - tile))));
    float* panel = panels;
    for (const WinogradBlock& block : blocks) {
      layer.winograd.transform_input(input, g, block, 0, g.channels, {panel, sizes.panel_position_stride, 0});
      panel += panel_size;
    }
    for (std::int64_t channel_block = 0; channel_block < units.blocks; ++channel_block) {
      const float* const weights = packed + channel_block * scheme.kept_weights() * units.depth * units.width;
      for (std::size_t i = 0; i < blocks.size(); ++i) {
        const auto block = static_cast<std::int64_t>(i);
        const auto multiply = scheme.kept == WinogradWeights::terms ? multiply_by_rows : multiply_by_positions;
        multiply(layer, blocks[i], weights, panels + block * panel_size, sums + block * sum_size);
      }
      for (std::size_t i = 0; i < blocks.size(); ++i)
        layer.winograd.transform_output(sums + static_cast<std::int64_t>(i) * sum_size, sizes.sum_position_stride, g,
                                        blocks[i], channel_block * units.width, blocking.vectors, target);
    }
  }
}

}  // namespace residua::kernels
