#include "kernels/winograd/winograd_layer.h"

#include <algorithm>

namespace residua::kernels {
namespace {

std::int64_t divided_up(std::int64_t count, std::int64_t unit) { return (count + unit - 1) / unit; }

std::int64_t tiles_of(const WinogradGeometry& geometry, std::int64_t images) {
  return images * geometry.tiles_down * geometry.tiles_across;
}

// What the loops count with.
struct Units {
  std::int64_t chunks, depth, width, blocks;
};
Units units_of(const WinogradLayer& layer) {
  const std::int64_t lanes = layer.products.lanes, width = layer.blocking.vectors * lanes;
  const std::int64_t chunks = divided_up(layer.geometry.channels, lanes);
  return {chunks, chunks * lanes, width, divided_up(layer.geometry.output_channels, width)};
}

}  // namespace

WinogradGeometry make_winograd_geometry(std::int64_t height, std::int64_t width, std::int64_t channels,
                                        std::int64_t output_channels, const Padding& padding, int tile) {
  const std::int64_t output_height = height + padding.top + padding.bottom - 2;
  const std::int64_t output_width = width + padding.left + padding.right - 2;
  return {.height = height,
          .width = width,
          .channels = channels,
          .output_height = output_height,
          .output_width = output_width,
          .output_channels = output_channels,
          .padding_top = padding.top,
          .padding_left = padding.left,
          .tiles_down = divided_up(output_height, tile),
          .tiles_across = divided_up(output_width, tile)};
}

WinogradBlocking usual_winograd_blocking(const ProductKernels& products, const WinogradKernels& winograd,
                                         const WinogradGeometry& geometry, std::int64_t images) {
  constexpr std::int64_t cache_floats = 128 * 1024;  // half of a megabyte
  const std::int64_t tiles = tiles_of(geometry, images);
  const std::int64_t rows = divided_up(tiles, divided_up(tiles, products.rows));
  const std::int64_t chunks = divided_up(geometry.channels, products.lanes);
  const std::int64_t panel = winograd.positions * rows * chunks * products.lanes;
  const std::int64_t panels = std::clamp<std::int64_t>(cache_floats / panel, 1, divided_up(tiles, rows));
  const bool narrow = geometry.output_channels <= products.lanes;
  return {static_cast<int>(rows), narrow ? 1 : products.vectors, panels, chunks, 16};
}

WinogradSizes sizes_of(const WinogradLayer& layer) {
  const Units units = units_of(layer);
  const std::int64_t rows = layer.blocking.panels * layer.blocking.rows, positions = layer.winograd.positions;
  const std::int64_t panel_stride = rows * units.depth + layer.blocking.gap;
  const std::int64_t sum_stride = rows * units.width + layer.blocking.gap;
  return {.packed = units.blocks * positions * units.depth * units.width,
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
                                     packed + block * layer.winograd.positions * units.depth * units.width);
}

void run_winograd_layer(const WinogradLayer& layer, const float* input, const float* packed, float* panels, float* sums,
                        const WinogradTarget& target) {
  const WinogradGeometry& g = layer.geometry;
  const WinogradBlocking& blocking = layer.blocking;
  const Units units = units_of(layer);
  const WinogradSizes sizes = sizes_of(layer);
  const std::int64_t tiles = tiles_of(g, layer.images), lanes = layer.products.lanes;
  const std::int64_t panel_size = blocking.rows * units.depth, sum_size = blocking.rows * units.width;
  for (std::int64_t first = 0; first < tiles; first += blocking.panels * blocking.rows) {
    const std::int64_t count = std::min(blocking.panels, divided_up(tiles - first, blocking.rows));
    const auto tile_of = [&](std::int64_t panel) { return first + panel * blocking.rows; };
    const auto rows_of = [&](std::int64_t panel) {
      return static_cast<int>(std::min<std::int64_t>(blocking.rows, tiles - tile_of(panel)));
    };
    for (std::int64_t panel = 0; panel < count; ++panel)
      for (std::int64_t chunk = 0; chunk < units.chunks; chunk += blocking.chunks) {
        const std::int64_t channel = chunk * lanes;
        layer.winograd.transform_input(
            input, g, tile_of(panel), rows_of(panel), channel, std::min(blocking.chunks * lanes, g.channels - channel),
            panels + panel * panel_size + channel * rows_of(panel), sizes.panel_position_stride);
      }
    for (std::int64_t block = 0; block < units.blocks; ++block) {
      for (std::int64_t position = 0; position < layer.winograd.positions; ++position)
        for (std::int64_t panel = 0; panel < count; ++panel)
          layer.products.multiply(panels + position * sizes.panel_position_stride + panel * panel_size,
                                  packed + (block * layer.winograd.positions + position) * units.depth * units.width,
                                  units.chunks, rows_of(panel), blocking.vectors,
                                  sums + position * sizes.sum_position_stride + panel * sum_size);
      for (std::int64_t panel = 0; panel < count; ++panel)
        layer.winograd.transform_output(sums + panel * sum_size, sizes.sum_position_stride, g, tile_of(panel),
                                        rows_of(panel), block * units.width, blocking.vectors, target);
    }
  }
}

}  // namespace residua::kernels
