// 3x3 convolutions on our Winograd kernels (kernels/winograd/winograd.h).

#include <algorithm>

#include "engine/caches.h"
#include "engine/layout.h"
#include "engine/steps/blocked_convolution.h"
#include "engine/steps/convolution_cost.h"
#include "engine/steps/onednn_convolution_step.h"

namespace residua::engine {
namespace {

using kernels::WinogradBlock;
using kernels::WinogradGeometry;
using kernels::WinogradKernels;
using kernels::WinogradScheme;
using kernels::WinogradTiling;

std::string reject(const StepRequest& request, const WinogradKernels& winograd) {
  if (std::string reason = reject_without_constant_weights(request); !reason.empty()) return reason;
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  const graph::Shape& weight = request.input(1).shape;
  if (weight[2] != 3 || weight[3] != 3) return "the kernel is not 3x3";
  const int stride = winograd.scheme.stride;
  if (node.strides[0] != stride || node.strides[1] != stride) return "the stride is not " + std::to_string(stride);
  if (node.dilations[0] != 1 || node.dilations[1] != 1) return "the kernel is dilated";
  std::string reason;
  static_cast<void>(make_channel_blocks(request, reason));
  return reason;
}

WinogradGeometry geometry_of(const StepRequest& request) {
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  const graph::Shape& x = request.input(0).shape;
  const graph::Shape& y = request.output().shape;
  return {.images = x[0],
          .height = x[2],
          .width = x[3],
          .channels = x[1],
          .output_height = y[2],
          .output_width = y[3],
          .output_channels = y[1],
          .padding_top = node.padding.top,
          .padding_left = node.padding.left};
}

std::string name_of(const WinogradScheme& scheme) {
  const std::string tile = std::to_string(scheme.tile);
  return "winograd " + tile + "x" + tile + (scheme.stride == 1 ? "" : " stride " + std::to_string(scheme.stride));
}

Step make(const StepRequest& request, const WinogradKernels& winograd) {
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  const kernels::ProductKernels products = request.kernels.products;
  const WinogradScheme& scheme = winograd.scheme;
  const WinogradGeometry g = geometry_of(request);
  const WinogradTiling tiling = make_winograd_tiling(scheme, g);
  std::string reason;
  const ChannelBlocks channels = make_channel_blocks(request, reason);
  const std::int64_t chunks = (channels.block_inputs + products.lanes - 1) / products.lanes;
  const std::int64_t depth = chunks * products.lanes, width = channels.width;
  const int vectors = static_cast<int>(channels.vectors);
  const bool relu = node.activation == graph::Activation::relu;

  BlockedConvolution convolution;
  convolution.implementation = name_of(scheme) + " " + std::string(name_of(request.kernels.instruction_set));
  convolution.layout = name_of(scheme);
  convolution.rows = tiling.tiles();
  convolution.panels = scheme.positions;
  convolution.weight_panels = scheme.weight_positions;
  convolution.depth = depth;
  convolution.sums = scheme.positions * width;
  convolution.channels = channels;
  convolution.pack = [=](std::span<const float> weights, std::int64_t block, float* packed) {
    const std::vector<float> values = weights_of_block(channels, weights, 9, block);
    winograd.transform_weights(values.data(), channels.block_inputs, width, 0, width, depth, packed);
  };
  convolution.gather = [=](const ConvolutionTensors& tensors, const RowBlock& block, std::int64_t channel_block) {
    winograd.transform_input(tensors.input, g, block_of_tiles(tiling, block.first, block.count),
                             channels.first_input(channel_block), channels.block_inputs, block.panels,
                             block.count * depth);
  };
  convolution.finish = [=](const ConvolutionTensors& tensors, std::span<const RowBlock> blocks,
                           std::int64_t channel_block, const float* weights, const float* bias, float* sums) {
    const int positions = tiling.scheme.positions;
    // Position by position, so that a position's weights serve all blocks from the level 1 cache.
    for (int p = 0; p < positions; ++p) {
      const float* const position_weights = weights + tiling.scheme.at[p].weights * depth * width;
      float* block_sums = sums;
      for (const RowBlock& block : blocks) {
        const auto [first, count] = rows_needing(tiling, p, block.first, block.count);
        if (count > 0)
          products.multiply(block.panels + p * block.count * depth, position_weights, chunks, count, vectors,
                            block_sums + (p * block.count + first) * width);
        block_sums += positions * block.count * width;
      }
    }
    // The target's bias starts at channel 0.
    const kernels::WinogradTarget target{tensors.output, tensors.residual, bias - channel_block * width, relu};
    for (const RowBlock& block : blocks) {
      winograd.transform_output(sums, block.count * width, g, block_of_tiles(tiling, block.first, block.count),
                                channel_block * width, vectors, target);
      sums += positions * block.count * width;
    }
  };
  return make_blocked_step(request, std::move(convolution));
}

Cost cost(const StepRequest& request, const WinogradKernels& winograd) {
  const WinogradTiling tiling = make_winograd_tiling(winograd.scheme, geometry_of(request));
  const graph::Shape& weight = request.input(1).shape;
  const std::int64_t lanes = request.kernels.products.lanes, images = request.input(0).shape[0];
  std::string reason;
  const ChannelBlocks channels = make_channel_blocks(request, reason);
  const std::int64_t depth = (channels.block_inputs + lanes - 1) / lanes * lanes;
  const auto bytes =
      static_cast<std::size_t>(channels.count() * channels.width * winograd.scheme.weight_positions * depth) *
      sizeof(float);
  return {.multiplications =
              static_cast<double>(count_products(tiling) / images) * static_cast<double>(weight[0] * weight[1]),
          .weight_bytes = bytes,
          .added_weight_bytes = bytes - std::min(bytes, own_weight_bytes(request))};
}

// Tiles of 4x4 have 36 transformed weights where 2x2 has 16 and direct convolution 9. With few tiles reading them from
// memory takes longer than the products that they save.
std::string discourage(const StepRequest& request, const WinogradKernels& winograd) {
  constexpr std::int64_t fewest_tiles = 8;
  if (winograd.scheme.tile < 4) return "";
  const std::int64_t tiles = make_winograd_tiling(winograd.scheme, geometry_of(request)).tiles() /
                             request.input(0).shape[0] * request.run_batch;
  const std::size_t bytes = float_count(request.input(1).shape) * 4 * sizeof(float);  // 36 for every 9
  if (tiles < fewest_tiles && bytes > caches().level2)
    return std::to_string(tiles) + " tiles are too few for " + std::to_string(bytes >> 20) + " MiB of weights";
  return "";
}

// One of the kernel table's schemes.
template <WinogradKernels kernels::KernelTable::*winograd>
Implementation implementation(const char* name) {
  return {graph::Op::convolution,
          name,
          [](const StepRequest& request) { return reject(request, request.kernels.*winograd); },
          [](const StepRequest& request) { return make(request, request.kernels.*winograd); },
          [](const StepRequest& request) { return cost(request, request.kernels.*winograd); },
          [](const StepRequest& request) { return discourage(request, request.kernels.*winograd); }};
}

}  // namespace

std::vector<Implementation> winograd_convolution_implementations() {
  using kernels::KernelTable;
  return {implementation<&KernelTable::winograd_4x4>("winograd 4x4"),
          implementation<&KernelTable::winograd_2x2>("winograd 2x2"),
          implementation<&KernelTable::winograd_4x4_stride_2>("winograd 4x4 stride 2"),
          implementation<&KernelTable::winograd_2x2_stride_2>("winograd 2x2 stride 2")};
}

}  // namespace residua::engine
