// Winograd's algorithm along lines, on tile registers (kernels/tiles/tiles.h).

#include <algorithm>
#include <array>

#include "engine/layout.h"
#include "engine/steps/convolution_cost.h"
#include "engine/steps/convolution_geometry.h"
#include "engine/steps/tile_step.h"

namespace residua::engine {
namespace {

using kernels::LineSizes;
using kernels::TileLines;
using kernels::TileSizes;

std::string reject(const StepRequest& request) {
  if (std::string reason = reject_on_tiles(request); !reason.empty()) return reason;
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  const graph::Shape& weight = request.input(1).shape;
  if (weight[2] != LineSizes::taps || weight[3] != LineSizes::taps) return "the kernel is not 3x3";
  if (node.strides[0] != 1 || node.strides[1] != 1) return "the stride is not 1";
  if (node.dilations[0] != 1 || node.dilations[1] != 1) return "the kernel is dilated";
  return "";
}

Step make(const StepRequest& request) {
  TileLayer layer = make_tile_layer(request);
  const TileLines lines(layer.geometry);
  const std::int64_t images = request.output().shape[0];
  layer.steps = LineSizes::positions * LineSizes::taps * lines.chunks;
  layer.positions = LineSizes::positions;
  layer.arrange = [transform = layer.tiles.transform_line_weights, channels = layer.channels.inputs,
                   width = layer.channels.width](const float* weights, float* by_step) {
    transform(weights, channels, width, by_step);
  };
  const std::int64_t line = lines.cells * TileSizes::chunk;
  const std::array<std::int64_t, LineSizes::taps> taps{0, line, 2 * line};

  BlockedConvolution convolution = blocked_tiles(layer);
  convolution.implementation = "winograd lines amx";
  convolution.layout = "winograd lines, tile by tile";
  // Counted by half: only one position's factors of six are read at a time.
  convolution.row_footprint = split_floats(LineSizes::positions * layer.channels.inputs) / 2;
  convolution.prepare_parts = images * lines.lines;
  convolution.prepare = [layer, lines](const float* input, std::int64_t part, float* prepared) {
    const std::int64_t image = part / lines.lines;
    const kernels::ConvolutionGeometry& of = layer.geometry;
    layer.tiles.transform_line(input + image * of.height * of.width * of.channels, of, part % lines.lines,
                               split_values(prepared) + image * lines.image_stride());
  };
  read_copies(
      convolution, layer, images, [&](std::int64_t count) { return lines.size(count); },
      [=](const kernels::Bfloat16* copies, int rows_per_block) {
        return kernels::lines_of(lines, layer.geometry, copies, taps.data(), rows_per_block);
      });
  return make_blocked_step(request, std::move(convolution));
}

Cost cost(const StepRequest& request) {
  const graph::Shape& weight = request.input(1).shape;
  const graph::Shape& y = request.output().shape;
  const std::int64_t cells = y[2] * ((y[3] + LineSizes::tile - 1) / LineSizes::tile);
  const ChannelBlocks channels = make_tile_layer(request).channels;
  const std::size_t own = own_weight_bytes(request);
  const auto bytes = static_cast<std::size_t>(channels.count() * channels.width * channels.inputs *
                                              LineSizes::positions * LineSizes::taps) *
                     sizeof(float);
  return {
      .multiplications = static_cast<double>(cells * LineSizes::positions * LineSizes::taps * weight[0] * weight[1]),
      .weight_bytes = bytes,
      .added_weight_bytes = bytes - std::min(bytes, own)};
}

// Each position has products of its own to begin and to end: of few channels these are short.
std::string discourage(const StepRequest& request) {
  constexpr std::int64_t fewest_channels = 64;
  const graph::Shape& weight = request.input(1).shape;
  if (weight[1] < fewest_channels)
    return std::to_string(weight[1]) + " channels are less than the " + std::to_string(fewest_channels) +
           " that it pays with";
  if (std::string reason = against_few_pixels(request); !reason.empty()) return reason;
  const kernels::ConvolutionGeometry g = convolution_geometry(request);
  const TileLines lines(g);
  // A block has the rows of one image or of two.
  constexpr std::int64_t fewest_rows = 14;
  const std::int64_t rows = g.output_height * lines.cells;
  if (rows < fewest_rows) return std::to_string(rows) + " cells of an image are too few for a block";
  if (std::string reason = tiles_or_vectors(request).against_tiles; !reason.empty()) return reason;
  // Twice the weights are read and split.
  constexpr std::int64_t enough_cells = 56;
  if (const std::int64_t cells = request.run_batch * rows; cells < enough_cells)
    return "for " + std::to_string(cells) + " cells of four outputs direct products on tile registers are faster";
  return "";
}

std::string too_large(const StepRequest& request) {
  if (TileLines(convolution_geometry(request)).image_stride() <= largest_copy) return "";
  return "the transformed image is too large to keep";
}

}  // namespace

std::vector<Implementation> tile_winograd_implementations() {
  return {{graph::Op::convolution, "winograd lines", reject, make, cost, discourage, true, too_large}};
}

}  // namespace residua::engine
