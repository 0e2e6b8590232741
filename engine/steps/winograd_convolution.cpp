// 3x3 convolutions with stride 1 on our Winograd kernels (kernels/winograd/winograd.h).

#include <algorithm>

#include "engine/caches.h"
#include "engine/layout.h"
#include "engine/steps/blocked_convolution.h"
#include "engine/steps/convolution_cost.h"
#include "engine/steps/onednn_convolution_step.h"

namespace residua::engine {
namespace {

using kernels::WinogradGeometry;
using kernels::WinogradKernels;

std::string reject(const StepRequest& request) {
  if (std::string reason = reject_without_constant_weights(request); !reason.empty()) return reason;
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  const graph::Shape& weight = request.input(1).shape;
  if (weight[2] != 3 || weight[3] != 3) return "the kernel is not 3x3";
  if (node.strides[0] != 1 || node.strides[1] != 1) return "the stride is not 1";
  if (node.dilations[0] != 1 || node.dilations[1] != 1) return "the kernel is dilated";
  std::string reason;
  static_cast<void>(make_channel_blocks(request, reason));
  return reason;
}

WinogradGeometry geometry_of(const StepRequest& request, std::int64_t tile) {
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  const graph::Shape& x = request.input(0).shape;
  const graph::Shape& y = request.output().shape;
  return {.height = x[2],
          .width = x[3],
          .channels = x[1],
          .output_height = y[2],
          .output_width = y[3],
          .output_channels = y[1],
          .padding_top = node.padding.top,
          .padding_left = node.padding.left,
          .tiles_down = (y[2] + tile - 1) / tile,
          .tiles_across = (y[3] + tile - 1) / tile};
}

Step make(const StepRequest& request, const WinogradKernels& winograd) {
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  const kernels::ProductKernels products = request.kernels.products;
  const WinogradGeometry g = geometry_of(request, winograd.tile);
  const std::string size = std::to_string(winograd.tile) + "x" + std::to_string(winograd.tile);
  std::string reason;
  const ChannelBlocks channels = make_channel_blocks(request, reason);
  const std::int64_t chunks = (channels.block_inputs + products.lanes - 1) / products.lanes;
  const std::int64_t depth = chunks * products.lanes, width = channels.width;
  const int vectors = static_cast<int>(channels.vectors), positions = winograd.positions;
  const bool relu = node.activation == graph::Activation::relu;

  BlockedConvolution convolution;
  convolution.implementation = "winograd " + size + " " + std::string(name_of(request.kernels.instruction_set));
  convolution.layout = "winograd " + size;
  convolution.rows = request.output().shape[0] * g.tiles_down * g.tiles_across;
  convolution.positions = positions;
  convolution.depth = depth;
  convolution.sums = positions * width;
  convolution.channels = channels;
  convolution.pack = [=](std::span<const float> weights, std::int64_t block, float* packed) {
    const std::vector<float> values = weights_of_block(channels, weights, 9, block);
    winograd.transform_weights(values.data(), channels.block_inputs, width, 0, width, depth, packed);
  };
  convolution.gather = [=](const ConvolutionTensors& tensors, const RowBlock& block, std::int64_t channel_block) {
    winograd.transform_input(tensors.input, g, block.first, block.count, channels.first_input(channel_block),
                             channels.block_inputs, block.panels, block.count * depth);
  };
  convolution.finish = [=](const ConvolutionTensors& tensors, std::span<const RowBlock> blocks,
                           std::int64_t channel_block, const float* weights, const float* bias, float* sums) {
    // Position by position, so that a position's weights serve all blocks from the level 1 cache.
    for (std::int64_t p = 0; p < positions; ++p) {
      float* block_sums = sums;
      for (const RowBlock& block : blocks) {
        const std::int64_t row_floats = block.count * width;
        products.multiply(block.panels + p * block.count * depth, weights + p * depth * width, chunks, block.count,
                          vectors, block_sums + p * row_floats);
        block_sums += positions * row_floats;
      }
    }
    // The target's bias starts at channel 0.
    const kernels::WinogradTarget target{tensors.output, tensors.residual, bias - channel_block * width, relu};
    for (const RowBlock& block : blocks) {
      winograd.transform_output(sums, block.count * width, g, block.first, block.count, channel_block * width, vectors,
                                target);
      sums += positions * block.count * width;
    }
  };
  return make_blocked_step(request, std::move(convolution));
}

Cost cost(const StepRequest& request, const WinogradKernels& winograd) {
  const WinogradGeometry g = geometry_of(request, winograd.tile);
  const graph::Shape& weight = request.input(1).shape;
  const std::int64_t lanes = request.kernels.products.lanes;
  std::string reason;
  const ChannelBlocks channels = make_channel_blocks(request, reason);
  const std::int64_t depth = (channels.block_inputs + lanes - 1) / lanes * lanes;
  const auto bytes =
      static_cast<std::size_t>(channels.count() * channels.width * winograd.positions * depth) * sizeof(float);
  return {.multiplications = static_cast<double>(g.tiles_down * g.tiles_across * winograd.positions) *
                             static_cast<double>(weight[0] * weight[1]),
          .weight_bytes = bytes,
          .added_weight_bytes = bytes - std::min(bytes, own_weight_bytes(request))};
}

// 4x4 has 36 transformed weights where 2x2 has 16. With few tiles an image reading them from memory takes longer than
// the products that they save.
std::string discourage_4x4(const StepRequest& request) {
  constexpr std::int64_t fewest_tiles = 8;
  const WinogradGeometry g = geometry_of(request, request.kernels.winograd_4x4.tile);
  const std::int64_t tiles = g.tiles_down * g.tiles_across * request.run_batch;
  const std::size_t bytes = float_count(request.input(1).shape) * 4 * sizeof(float);  // 36 for every 9
  if (tiles < fewest_tiles && bytes > caches().level2)
    return std::to_string(tiles) + " tiles are too few for " + std::to_string(bytes >> 20) + " MiB of weights";
  return "";
}

Step make_4x4(const StepRequest& request) { return make(request, request.kernels.winograd_4x4); }
Step make_2x2(const StepRequest& request) { return make(request, request.kernels.winograd_2x2); }
Cost cost_4x4(const StepRequest& request) { return cost(request, request.kernels.winograd_4x4); }
Cost cost_2x2(const StepRequest& request) { return cost(request, request.kernels.winograd_2x2); }

}  // namespace

std::vector<Implementation> winograd_convolution_implementations() {
  return {{graph::Op::convolution, "winograd 4x4", reject, make_4x4, cost_4x4, discourage_4x4},
          {graph::Op::convolution, "winograd 2x2", reject, make_2x2, cost_2x2}};
}

}  // namespace residua::engine
