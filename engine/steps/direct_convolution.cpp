// Convolutions and fully connected layers as matrix products of gathered pixels (kernels/convolution/convolution.h).

#include "engine/layout.h"
#include "engine/steps/blocked_convolution.h"
#include "engine/steps/convolution_cost.h"
#include "engine/steps/convolution_geometry.h"
#include "engine/steps/onednn_convolution_step.h"

namespace residua::engine {
namespace {

using kernels::ConvolutionGeometry;

std::string reject(const StepRequest& request) {
  std::string reason = reject_without_constant_weights(request);
  if (reason.empty()) static_cast<void>(make_channel_blocks(request, reason));
  return reason;
}

// A fully connected layer is a convolution whose window is the whole image; x without pixels, [N, K], is N images of
// one pixel.
ConvolutionGeometry fully_connected_geometry(const StepRequest& request) {
  const graph::Shape& x = request.input(0).shape;
  const bool pixels = x.size() == 4;
  const std::int64_t height = pixels ? x[2] : 1, width = pixels ? x[3] : 1;
  return {.height = height,
          .width = width,
          .channels = pixels ? x[1] : request.input(1).shape[1],
          .output_height = 1,
          .output_width = 1,
          .kernel_height = height,
          .kernel_width = width,
          .stride_height = 1,
          .stride_width = 1,
          .padding_top = 0,
          .padding_left = 0,
          .dilation_height = 1,
          .dilation_width = 1};
}

Step make_direct(const StepRequest& request, const ConvolutionGeometry& g, const ChannelBlocks& channels, bool relu) {
  const kernels::ProductKernels products = request.kernels.products;
  const kernels::ConvolutionKernels kernels = request.kernels.convolution;
  const std::int64_t taps = g.kernel_height * g.kernel_width, width = channels.width, outputs = channels.outputs;
  const std::int64_t chunks = (taps * channels.block_inputs + products.lanes - 1) / products.lanes;
  const std::int64_t depth = chunks * products.lanes;
  const int vectors = static_cast<int>(channels.vectors);

  BlockedConvolution convolution;
  convolution.implementation = "direct " + std::string(name_of(request.kernels.vector_set()));
  convolution.layout = "direct";
  convolution.rows = request.output().shape[0] * g.output_height * g.output_width;
  convolution.row_floats = depth;
  convolution.row_products = depth * width;
  convolution.block_weights = depth * width;
  convolution.channels = channels;
  convolution.pack = [=](std::span<const float> weights, std::int64_t block, float* packed) {
    const std::vector<float> values = weights_of_block(channels, weights, taps, block);
    kernels.pack_weights(values.data(), channels.block_inputs, taps, width, 0, width, depth, packed);
  };
  convolution.gather = [=](const ConvolutionTensors& tensors, const RowBlock& block, std::int64_t channel_block,
                           const PanelPieces&) {
    kernels.gather_pixels(tensors.input, g, block.first, block.count, channels.first_input(channel_block),
                          channels.block_inputs, block.panels);
  };
  convolution.finish = [=](const ConvolutionTensors& tensors, std::span<const RowBlock> blocks,
                           const ColumnBlock& column, float*) {
    const std::int64_t channel = column.index * width;
    UpcomingLines lines(column.upcoming, depth * width, depth, static_cast<std::int64_t>(blocks.size()));
    for (const RowBlock& block : blocks) {
      const std::int64_t at = block.first * outputs + channel;
      products.convolve({.panel = block.panels, .weights = column.weights, .chunks = chunks, .upcoming = lines.next()},
                        block.count, vectors,
                        {.output = tensors.output + at,
                         .residual = tensors.residual ? tensors.residual + at : nullptr,
                         .bias = column.bias,
                         .stride = outputs,
                         .channels = std::min(width, outputs - channel),
                         .relu = relu});
    }
  };
  return make_blocked_step(request, std::move(convolution));
}

Step make_convolution(const StepRequest& request) {
  std::string reason;
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  return make_direct(request, convolution_geometry(request), make_channel_blocks(request, reason),
                     node.activation == graph::Activation::relu);
}

Step make_fully_connected(const StepRequest& request) {
  std::string reason;
  const ConvolutionGeometry g = fully_connected_geometry(request);
  ChannelBlocks channels = make_channel_blocks(request, reason);
  channels.inputs = channels.block_inputs = g.channels;
  return make_direct(request, g, channels, false);
}

}  // namespace

std::vector<Implementation> direct_convolution_implementations() {
  return {{graph::Op::convolution, "direct", reject, make_convolution, direct_cost, against_few_channels},
          {graph::Op::fully_connected, "direct", reject, make_fully_connected}};
}

}  // namespace residua::engine
