// Direct convolutions on tile registers (kernels/tiles/tiles.h).

#include <algorithm>

#include "engine/layout.h"
#include "engine/steps/convolution_cost.h"
#include "engine/steps/tile_step.h"

namespace residua::engine {
namespace {

using kernels::ConvolutionGeometry;
using kernels::TilePlanes;
using kernels::TileSizes;

// Whether the taps of a kernel read the image's planes; elsewhere each pixel under a tap is gathered. The order of sums
// is the same.
bool reads_planes(const ConvolutionGeometry& g) {
  const std::int64_t taps = g.kernel_height * g.kernel_width;
  if (taps == 1 || taps > TilePlanes::most_taps || g.stride_height != g.stride_width || g.stride_height > 2 ||
      g.dilation_height != 1 || g.dilation_width != 1)
    return false;
  // Blocks lie in one image each, and rows between its lines are multiplied for nothing.
  constexpr std::int64_t fewest_rows = 16, most_waste = 2;
  const TilePlanes planes(g);
  const std::int64_t rows = kernels::planes_of(planes, g, nullptr, nullptr, 1).rows;
  return rows >= fewest_rows && rows <= most_waste * g.output_height * g.output_width &&
         planes.image_stride() <= largest_copy;
}

// Weights step by step, chunk by chunk and for each the taps.
std::function<void(const float*, float*)> arrange_steps(const StepRequest& request, const TileLayer& layer) {
  const std::int64_t taps = layer.geometry.kernel_height * layer.geometry.kernel_width;
  return [=, steps = layer.steps, channels = layer.channels.inputs, width = layer.channels.width,
          pack_weights = request.kernels.convolution.pack_weights](const float* weights, float* by_step) {
    constexpr std::int64_t chunk = TileSizes::chunk;
    std::vector<float> by_tap(static_cast<std::size_t>(steps * chunk * width));  // [taps][channels][width]
    pack_weights(weights, channels, taps, width, 0, width, steps * chunk, by_tap.data());
    for (std::int64_t step = 0; step < steps; ++step)
      std::copy_n(by_tap.data() + (step % taps * channels + step / taps * chunk) * width, chunk * width,
                  by_step + step * chunk * width);
  };
}

// Pixels are gathered into panels, block by block.
BlockedConvolution by_panels(const StepRequest& request, const TileLayer& layer) {
  const ConvolutionGeometry& g = layer.geometry;
  BlockedConvolution convolution = blocked_tiles(layer);
  convolution.rows = request.output().shape[0] * g.output_height * g.output_width;
  convolution.most_rows = most_rows(convolution, layer, convolution.rows);
  convolution.row_floats = split_floats(layer.steps * TileSizes::chunk);
  convolution.gather = [layer](const ConvolutionTensors& tensors, const RowBlock& block, std::int64_t,
                               const PanelPieces&) {
    layer.tiles.gather_pixels(tensors.input, layer.geometry, block.first, block.count, 0, layer.channels.inputs,
                              block.room, split_values(block.panels));
  };
  convolution.finish = [layer](const ConvolutionTensors& tensors, std::span<const RowBlock> blocks,
                               const ColumnBlock& column, float* scratch) {
    const RowBlock &first = blocks.front(), &last = blocks.back();
    const std::int64_t at = first.first * layer.channels.outputs, rows = last.first + last.count - first.first;
    multiply_tiles(layer, kernels::panels_of(split_values(first.panels), rows, first.room, layer.steps),
                   {0, static_cast<std::int64_t>(blocks.size())}, tensors.output + at,
                   tensors.residual ? tensors.residual + at : nullptr, column, scratch);
  };
  return convolution;
}

// Each image is split once, into planes that all taps read.
BlockedConvolution by_planes(const StepRequest& request, const TileLayer& layer) {
  const ConvolutionGeometry& g = layer.geometry;
  const TilePlanes planes(g);
  const std::int64_t images = request.output().shape[0];
  std::vector<std::int64_t> taps;
  for (std::int64_t ky = 0; ky < g.kernel_height; ++ky)
    for (std::int64_t kx = 0; kx < g.kernel_width; ++kx) taps.push_back(planes.tap(ky, kx));

  BlockedConvolution convolution = blocked_tiles(layer);
  convolution.row_footprint = split_floats(layer.channels.inputs);
  convolution.prepare_parts = images * planes.lines * planes.stride;
  convolution.prepare = [layer, planes](const float* input, std::int64_t part, float* prepared) {
    const std::int64_t of_image = planes.lines * planes.stride, image = part / of_image;
    const ConvolutionGeometry& of = layer.geometry;
    layer.tiles.split_line(input + image * of.height * of.width * of.channels, of, planes, part % planes.stride,
                           part % of_image / planes.stride, split_values(prepared) + image * planes.image_stride());
  };
  read_copies(
      convolution, layer, images, [&](std::int64_t count) { return planes.size(count); },
      [=](const kernels::Bfloat16* copies, int rows_per_block) {
        return kernels::planes_of(planes, layer.geometry, copies, taps.data(), rows_per_block);
      });
  return convolution;
}

Step make(const StepRequest& request) {
  TileLayer layer = make_tile_layer(request);
  layer.arrange = arrange_steps(request, layer);
  BlockedConvolution convolution = reads_planes(layer.geometry) ? by_planes(request, layer) : by_panels(request, layer);
  convolution.implementation = "tiles amx";
  convolution.layout = "tiles, tile by tile";
  return make_blocked_step(request, std::move(convolution));
}

}  // namespace

std::vector<Implementation> tile_convolution_implementations() {
  return {{graph::Op::convolution, "tiles", reject_on_tiles, make, direct_cost, against_few_pixels, true}};
}

}  // namespace residua::engine
