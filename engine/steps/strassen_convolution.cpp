// 1x1 convolutions with seven products for eight (kernels/strassen/strassen.h).

#include <algorithm>

#include "engine/caches.h"
#include "engine/steps/blocked_convolution.h"
#include "engine/steps/convolution_cost.h"
#include "engine/steps/onednn_convolution_step.h"

namespace residua::engine {
namespace {

using kernels::PairGeometry;

std::string reject(const StepRequest& request) {
  if (std::string reason = reject_without_constant_weights(request); !reason.empty()) return reason;
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  const graph::Shape& weight = request.input(1).shape;
  const graph::Padding& padding = node.padding;
  if (weight[2] != 1 || weight[3] != 1) return "the kernel is not 1x1";
  if (padding.top != 0 || padding.left != 0 || padding.bottom != 0 || padding.right != 0) return "the image is padded";
  if (node.groups != 1) return "the channels are in groups";
  const kernels::ProductKernels& products = request.kernels.products;
  const std::int64_t inputs = 2 * products.lanes, outputs = 2 * products.vectors * products.lanes;
  if (weight[1] % inputs != 0)
    return std::to_string(weight[1]) + " input channels are no multiple of " + std::to_string(inputs);
  if (weight[0] % outputs != 0)
    return std::to_string(weight[0]) + " output channels are no multiple of " + std::to_string(outputs);
  return "";
}

PairGeometry geometry_of(const StepRequest& request) {
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  const graph::Shape& x = request.input(0).shape;
  const graph::Shape& y = request.output().shape;
  return {.height = x[2],
          .width = x[3],
          .channels = x[1],
          .output_height = y[2],
          .output_width = y[3],
          .stride_height = node.strides[0],
          .stride_width = node.strides[1],
          .pairs = (y[2] * y[3] + 1) / 2};
}

// Of two halves.
ChannelBlocks blocks_of(const StepRequest& request) {
  std::string reason;
  ChannelBlocks channels = make_channel_blocks(request, reason);
  channels.vectors *= 2;
  channels.width *= 2;
  return channels;
}

Step make(const StepRequest& request) {
  const kernels::ProductKernels products = request.kernels.products;
  const kernels::StrassenKernels strassen = request.kernels.strassen;
  const PairGeometry g = geometry_of(request);
  const ChannelBlocks channels = blocks_of(request);
  const std::int64_t depth = channels.inputs / 2, half = channels.width / 2, chunks = depth / products.lanes;
  const int vectors = static_cast<int>(channels.vectors / 2);
  const bool relu =
      graph::attributes_of<graph::ConvolutionAttributes>(request.node).activation == graph::Activation::relu;

  BlockedConvolution convolution;
  convolution.implementation = "strassen " + std::string(name_of(request.kernels.vector_set()));
  convolution.layout = "strassen";
  convolution.rows = request.output().shape[0] * g.pairs;
  convolution.row_floats = kernels::strassen_products * depth;
  convolution.row_sums = kernels::strassen_products * half;
  convolution.row_products = kernels::strassen_products * depth * half;
  convolution.block_weights = kernels::strassen_products * depth * half;
  convolution.channels = channels;
  convolution.pack = [=](std::span<const float> weights, std::int64_t block, float* packed) {
    strassen.pack_weights(weights.data() + block * channels.width * channels.inputs, channels.inputs, half, packed);
  };
  convolution.gather = [=](const ConvolutionTensors& tensors, const RowBlock& block, std::int64_t, const PanelPieces&) {
    strassen.gather_pairs(tensors.input, g, block.first, block.count, block.panels);
  };
  convolution.finish = [=](const ConvolutionTensors& tensors, std::span<const RowBlock> blocks,
                           const ColumnBlock& column, float* sums) {
    const std::int64_t channel = column.index * channels.width;
    const kernels::PairTarget target{.output = tensors.output + channel,
                                     .residual = tensors.residual ? tensors.residual + channel : nullptr,
                                     .bias = column.bias,
                                     .stride = channels.outputs,
                                     .relu = relu};
    // Of the first product's; the other ones ask for the same part of theirs.
    UpcomingLines lines(column.upcoming, depth * half, depth, static_cast<std::int64_t>(blocks.size()));
    // Block by block, so that the seven sums are combined in the level 1 cache.
    for (const RowBlock& block : blocks) {
      kernels::UpcomingWeights upcoming = lines.next();
      for (std::int64_t p = 0; p < kernels::strassen_products; ++p) {
        products.multiply({.panel = block.panels + p * block.count * depth,
                           .weights = column.weights + p * depth * half,
                           .chunks = chunks,
                           .upcoming = upcoming},
                          block.count, vectors, sums + p * block.count * half);
        if (upcoming.first != nullptr) upcoming.first += depth * half;
      }
      strassen.combine(sums, g, block.first, block.count, vectors, target);
    }
  };
  return make_blocked_step(request, std::move(convolution));
}

Cost cost(const StepRequest& request) {
  const PairGeometry g = geometry_of(request);
  const graph::Shape& weight = request.input(1).shape;
  const std::size_t own = own_weight_bytes(request), bytes = own / 4 * kernels::strassen_products;
  return {.multiplications = static_cast<double>(kernels::strassen_products * g.pairs) *
                             static_cast<double>(weight[0] * weight[1]) / 4,
          .weight_bytes = bytes,
          .added_weight_bytes = bytes - own};
}

// Products of little depth are bound by their stores. And seven quarters of the weights: with few pixels reading them
// takes longer than the products that they save; likewise, for any number of pixels, where loads bind
// and, as measured, with AVX2 (docs/decisions/convolutions.md).
std::string discourage(const StepRequest& request) {
  if (request.kernels.instruction_set == kernels::InstructionSet::avx2)
    return "with AVX2 the additions around the products take longer than the eighth of them that is saved";
  if (request.kernels.loads_bind_products)
    return "loads bind products on this CPU, and seven quarters are more to load";
  constexpr std::int64_t fewest_channels = 128, fewest_pixels = 128;
  const std::int64_t channels = request.input(1).shape[1];
  if (channels < fewest_channels)
    return std::to_string(channels) + " input channels are too few for products of half of them";
  const graph::Shape& y = request.output().shape;
  const std::int64_t pixels = y[2] * y[3] * request.run_batch;
  const std::size_t bytes = cost(request).weight_bytes;
  if (pixels < fewest_pixels && bytes > caches().level2)
    return std::to_string(pixels) + " pixels are too few for " + std::to_string(bytes >> 20) + " MiB of weights";
  return "";
}

}  // namespace

std::vector<Implementation> strassen_convolution_implementations() {
  return {{graph::Op::convolution, "strassen", reject, make, cost, discourage, true}};
}

}  // namespace residua::engine
