#include "engine/steps/tile_convolution.h"

#include <algorithm>

#include "engine/caches.h"
#include "engine/layout.h"
#include "engine/steps/blocked_convolution.h"
#include "engine/steps/convolution_cost.h"
#include "engine/steps/convolution_geometry.h"
#include "engine/steps/onednn_convolution_step.h"

namespace residua::engine {
namespace {

using kernels::Bfloat16;
using kernels::ConvolutionGeometry;
using kernels::TileFactors;
using kernels::TilePlanes;
using kernels::TileSizes;

std::string reject(const StepRequest& request) {
  if (request.kernels.tiles.convolve == nullptr) return "there are no tile registers here, or they are not to be used";
  if (std::string reason = reject_without_constant_weights(request); !reason.empty()) return reason;
  if (graph::attributes_of<graph::ConvolutionAttributes>(request.node).groups != 1) return "the channels are in groups";
  const graph::Shape& weight = request.input(1).shape;
  if (weight[1] % TileSizes::chunk != 0)
    return std::to_string(weight[1]) + " channels are no multiple of a tile's " + std::to_string(TileSizes::chunk);
  if (weight[0] < 2 * TileSizes::column)
    return std::to_string(weight[0]) + " output channels are fewer than two columns of tiles";
  return "";
}

// With few pixels all is reading weights, and splitting them comes on top.
std::string discourage(const StepRequest& request) {
  constexpr std::int64_t fewest_pixels = 16;
  const graph::Shape& y = request.output().shape;
  const std::int64_t pixels = request.run_batch * y[2] * y[3];
  if (pixels >= fewest_pixels || request.saves_memory) return "";  // one form of the weights is less than two
  return "for " + std::to_string(pixels) + " pixels splitting weights takes longer than multiplying by them";
}

// Some blocks for threads to share, of some columns each: a thread splits the first column's weights of a block before
// it multiplies, and the others' while it does.
ChannelBlocks channel_blocks(const StepRequest& request) {
  constexpr std::int64_t unit = 2 * TileSizes::column, blocks = 4, widest = 4 * unit;
  const graph::Shape& weight = request.input(1).shape;
  const std::int64_t width = std::clamp((weight[0] / blocks + unit - 1) / unit * unit, unit, widest);
  return {.inputs = weight[1],
          .outputs = weight[0],
          .groups = 1,
          .vectors = width / request.kernels.products.lanes,
          .width = width,
          .block_inputs = weight[1]};
}

// Whether the taps of a kernel read the image's planes; elsewhere each pixel under a tap is gathered.
bool reads_planes(const ConvolutionGeometry& g) {
  const std::int64_t taps = g.kernel_height * g.kernel_width;
  return taps > 1 && taps <= TilePlanes::most_taps && g.stride_height == g.stride_width && g.stride_height <= 2 &&
         g.dilation_height == 1 && g.dilation_width == 1;
}

Bfloat16* split_values(float* memory) { return reinterpret_cast<Bfloat16*>(memory); }
// Floats in which so many values lie, split.
constexpr std::int64_t split_floats(std::int64_t values) { return values * TileSizes::parts / 2; }

// What both ways have in common. `depth_of_step`: where in the weights of a block, [taps][channels], a step of the
// depth starts.
struct Layer {
  kernels::TileKernels tiles;
  ConvolutionGeometry geometry;
  ChannelBlocks channels;
  bool relu;
  std::int64_t taps, steps;
  std::function<std::int64_t(std::int64_t step)> depth_of_step;
};

BlockedConvolution make_layer(const StepRequest& request, const Layer& layer) {
  const ChannelBlocks& channels = layer.channels;
  const std::int64_t depth = layer.steps * TileSizes::chunk, width = channels.width;
  // Beside products of tiles, splitting a weight takes as long as so many of a vector unit's multiply-adds, and one of
  // the tiles' own 2/5 of one: docs/decisions.md, on tile registers.
  constexpr std::int64_t splitting = 10;
  BlockedConvolution convolution;
  convolution.implementation = "direct amx";
  convolution.row_sums = TileSizes::scratch_floats(1) - TileSizes::scratch_floats(0);
  convolution.worker_floats = TileSizes::scratch_floats(0);
  convolution.panel_bytes = caches().level2 * 3 / 4;
  convolution.takes_all_columns = true;
  convolution.row_products = depth * width * 2 / 5;
  convolution.weight_products = splitting;
  convolution.block_weights = depth * width;
  convolution.channels = channels;
  convolution.pack = [=, pack_weights = request.kernels.convolution.pack_weights](std::span<const float> weights,
                                                                                  std::int64_t block, float* packed) {
    const std::vector<float> values = weights_of_block(channels, weights, layer.taps, block);
    std::vector<float> by_tap(static_cast<std::size_t>(depth * width)), by_step(by_tap.size());
    pack_weights(values.data(), channels.inputs, layer.taps, width, 0, width, depth, by_tap.data());
    constexpr std::int64_t chunk = TileSizes::chunk;
    for (std::int64_t step = 0; step < layer.steps; ++step)
      std::copy_n(by_tap.data() + layer.depth_of_step(step) * width, chunk * width,
                  by_step.data() + step * chunk * width);
    layer.tiles.pack_weights(by_step.data(), layer.steps, static_cast<int>(width / TileSizes::column), packed);
  };
  return convolution;
}

// The thread's tile registers are its own while it multiplies, and given back.
void multiply(const Layer& layer, const TileFactors& factors, const kernels::TileBlocks& blocks, float* output,
              const float* residual, const ColumnBlock& column, float* scratch) {
  const std::int64_t outputs = layer.channels.outputs, width = layer.channels.width, channel = column.index * width;
  layer.tiles.configure(factors.rows_per_block);
  layer.tiles.convolve(factors, blocks,
                       {.weights = column.weights,
                        .steps = layer.steps,
                        .columns = static_cast<int>(column.count * width / TileSizes::column)},
                       layer.geometry.output_height * layer.geometry.output_width,
                       {.output = output + channel,
                        .residual = residual ? residual + channel : nullptr,
                        .bias = column.bias,
                        .stride = outputs,
                        .channels = std::min(column.count * width, outputs - channel),
                        .relu = layer.relu},
                       scratch);
  layer.tiles.release();
}

// Pixels are gathered into panels, block by block.
BlockedConvolution by_panels(const StepRequest& request, Layer layer) {
  const ConvolutionGeometry& g = layer.geometry;
  const std::int64_t depth = layer.steps * TileSizes::chunk;
  layer.depth_of_step = [](std::int64_t step) { return step * TileSizes::chunk; };
  BlockedConvolution convolution = make_layer(request, layer);
  convolution.layout = layer.taps == 1 ? "direct tiles" : "direct tiles by taps";
  convolution.rows = request.output().shape[0] * g.output_height * g.output_width;
  convolution.most_rows = TileSizes::most_rows;
  convolution.row_floats = split_floats(depth);
  convolution.gather = [layer](const ConvolutionTensors& tensors, const RowBlock& block, std::int64_t) {
    layer.tiles.gather_pixels(tensors.input, layer.geometry, block.first, block.count, 0, layer.channels.inputs,
                              block.room, split_values(block.panels));
  };
  convolution.finish = [layer](const ConvolutionTensors& tensors, std::span<const RowBlock> blocks,
                               const ColumnBlock& column, float* scratch) {
    const RowBlock &first = blocks.front(), &last = blocks.back();
    const std::int64_t at = first.first * layer.channels.outputs;
    multiply(
        layer,
        kernels::panels_of(split_values(first.panels), last.first + last.count - first.first, first.room, layer.steps),
        {0, static_cast<std::int64_t>(blocks.size())}, tensors.output + at,
        tensors.residual ? tensors.residual + at : nullptr, column, scratch);
  };
  return convolution;
}

// Each image is split once, into planes that all taps read. A block lies in one image.
BlockedConvolution by_planes(const StepRequest& request, Layer layer) {
  const ConvolutionGeometry& g = layer.geometry;
  const TilePlanes planes(g);
  const std::int64_t images = request.output().shape[0];
  layer.depth_of_step = [=, taps = layer.taps, channels = layer.channels.inputs](std::int64_t step) {
    return step % taps * channels + step / taps * TileSizes::chunk;
  };
  std::vector<std::int64_t> taps;
  for (std::int64_t ky = 0; ky < g.kernel_height; ++ky)
    for (std::int64_t kx = 0; kx < g.kernel_width; ++kx) taps.push_back(planes.tap(ky, kx));
  const std::int64_t rows = (g.output_height - 1) * planes.pitch + g.output_width;
  const std::int64_t blocks = (rows + TileSizes::most_rows - 1) / TileSizes::most_rows;
  const auto rows_per_block = static_cast<int>((rows + blocks - 1) / blocks);

  BlockedConvolution convolution = make_layer(request, layer);
  convolution.layout = "direct tiles by chunks";
  convolution.rows = images * blocks * rows_per_block;
  convolution.most_rows = rows_per_block;
  convolution.row_footprint = split_floats(layer.channels.inputs);
  convolution.prepared_floats = (planes.size(images) + 1) / 2;
  convolution.prepare_parts = images * planes.lines * planes.stride;
  convolution.prepare = [layer, planes](const float* input, std::int64_t part, float* prepared) {
    const std::int64_t of_image = planes.lines * planes.stride, image = part / of_image;
    const ConvolutionGeometry& of = layer.geometry;
    layer.tiles.split_line(input + image * of.height * of.width * of.channels, of, planes, part % planes.stride,
                           part % of_image / planes.stride, split_values(prepared) + image * planes.image_stride());
  };
  convolution.finish = [=](const ConvolutionTensors& tensors, std::span<const RowBlock> list, const ColumnBlock& column,
                           float* scratch) {
    const TileFactors factors = kernels::planes_of(
        planes, layer.geometry, reinterpret_cast<const Bfloat16*>(tensors.input), taps.data(), rows_per_block);
    multiply(layer, factors, {list.front().first / rows_per_block, static_cast<std::int64_t>(list.size())},
             tensors.output, tensors.residual, column, scratch);
  };
  return convolution;
}

Step make(const StepRequest& request) {
  const ConvolutionGeometry g = convolution_geometry(request);
  const std::int64_t taps = g.kernel_height * g.kernel_width;
  const Layer layer{
      .tiles = request.kernels.tiles,
      .geometry = g,
      .channels = channel_blocks(request),
      .relu = graph::attributes_of<graph::ConvolutionAttributes>(request.node).activation == graph::Activation::relu,
      .taps = taps,
      .steps = taps * g.channels / TileSizes::chunk,
      .depth_of_step = {}};
  return make_blocked_step(request, reads_planes(g) ? by_planes(request, layer) : by_panels(request, layer));
}

}  // namespace

std::string why_tiles_are_faster(const StepRequest& request) {
  if (!reject(request).empty() || !discourage(request).empty()) return "";
  const graph::Shape& weight = request.input(1).shape;
  const graph::Shape& y = request.output().shape;
  if (graph::attributes_of<graph::ConvolutionAttributes>(request.node).strides[0] > 1)
    return "with a stride it saves too few multiplications beside tile registers";
  // Of many tiles Winograd's algorithm reads its weights, four times as many, seldom enough; of few channels its panels
  // and sums stay in the cache.
  constexpr std::int64_t few_tiles = 96, enough_for_few = 256 * 256, enough = 512 * 512;
  const std::int64_t tiles = request.run_batch * ((y[2] + 3) / 4) * ((y[3] + 3) / 4);
  if (weight[0] * weight[1] < (tiles <= few_tiles ? enough_for_few : enough)) return "";
  return "for " + std::to_string(weight[1]) + " by " + std::to_string(weight[0]) + " channels and " +
         std::to_string(tiles) + " tiles of 4x4 tile registers are faster";
}

std::vector<Implementation> tile_convolution_implementations() {
  return {{graph::Op::convolution, "direct amx", reject, make, direct_cost, discourage, true}};
}

}  // namespace residua::engine
