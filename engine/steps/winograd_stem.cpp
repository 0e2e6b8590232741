// The first convolution of most networks, 7x7 with stride 2 on an image of few channels, by Winograd's algorithm: as a
// 4x4 convolution with stride 1 on an image whose pixels hold 2x2 of the input's.
//
//   taps of a row of the kernel:  |0 1|2 3|4 5|6 .|   one folded pixel for two taps; the eighth tap is zero

#include <algorithm>

#include "engine/steps/onednn_convolution_step.h"
#include "engine/steps/winograd_step.h"

namespace residua::engine {
namespace {

using kernels::WinogradGeometry;

constexpr std::int64_t kernel = 7, most_channels = 4;
constexpr std::int64_t folded_channels = 16, folded_taps = 4;  // KernelTable::space_to_depth_row's

std::string reject(const StepRequest& request) {
  if (std::string reason = reject_without_constant_weights(request); !reason.empty()) return reason;
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  const graph::Shape& weight = request.input(1).shape;
  if (weight[2] != kernel || weight[3] != kernel) return "the kernel is not 7x7";
  if (node.strides[0] != 2 || node.strides[1] != 2) return "the stride is not 2";
  if (node.dilations[0] != 1 || node.dilations[1] != 1) return "the kernel is dilated";
  if (node.groups != 1) return "the channels are in groups";
  if (weight[1] > most_channels)
    return std::to_string(weight[1]) + " channels are more than the " + std::to_string(most_channels) +
           " that fit half a folded pixel";
  return "";
}

// The folded image, padding included.
WinogradGeometry geometry_of(const StepRequest& request) {
  const graph::Shape& y = request.output().shape;
  return {.images = y[0],
          .height = y[2] + folded_taps - 1,
          .width = y[3] + folded_taps - 1,
          .channels = folded_channels,
          .output_height = y[2],
          .output_width = y[3],
          .output_channels = y[1],
          .padding_top = 0,
          .padding_left = 0};
}

// Of the convolution on the folded image.
ChannelBlocks folded_blocks(const StepRequest& request) {
  std::string reason;
  ChannelBlocks channels = make_channel_blocks(request, reason);
  channels.block_inputs = folded_channels;
  return channels;
}

// [width, folded_channels, 4, 4] for output channels [first, first + width) as far as they exist.
std::vector<float> folded_weights(const ChannelBlocks& channels, std::span<const float> weights, std::int64_t block) {
  std::vector<float> folded(static_cast<std::size_t>(channels.width * folded_channels * folded_taps * folded_taps),
                            0.0f);
  const std::int64_t first = block * channels.width;
  for (std::int64_t k = 0; k < std::min(channels.width, channels.outputs - first); ++k)
    for (std::int64_t c = 0; c < channels.inputs; ++c)
      for (std::int64_t ky = 0; ky < kernel; ++ky)
        for (std::int64_t kx = 0; kx < kernel; ++kx) {
          const std::int64_t folded_channel = ky % 2 * (folded_channels / 2) + kx % 2 * channels.inputs + c;
          const std::int64_t at =
              ((k * folded_channels + folded_channel) * folded_taps + ky / 2) * folded_taps + kx / 2;
          folded[static_cast<std::size_t>(at)] =
              weights[static_cast<std::size_t>((((first + k) * channels.inputs + c) * kernel + ky) * kernel + kx)];
        }
  return folded;
}

Step make(const StepRequest& request) {
  const WinogradGeometry g = geometry_of(request);
  const ChannelBlocks channels = folded_blocks(request);
  BlockedConvolution convolution = blocked_winograd(
      request, request.kernels.winograd_stem, g, channels,
      [=](std::span<const float> weights, std::int64_t block) { return folded_weights(channels, weights, block); });
  const auto& padding = graph::attributes_of<graph::ConvolutionAttributes>(request.node).padding;
  convolution.prepared_floats = g.images * g.height * g.width * folded_channels;
  convolution.prepare_parts = g.images * g.height;
  convolution.prepare = [g, top = padding.top, left = padding.left, x = request.input(0).shape,
                         fold = request.kernels.space_to_depth_row](const float* input, std::int64_t part,
                                                                    float* prepared) {
    const std::int64_t image = part / g.height, height = x[2], width = x[3], channels_of_x = x[1];
    fold(input + image * height * width * channels_of_x, height, width, channels_of_x, top, left, part % g.height,
         g.width, prepared + part * g.width * folded_channels);
  };
  return make_blocked_step(request, std::move(convolution));
}

Cost cost(const StepRequest& request) {
  return winograd_cost(request, request.kernels.winograd_stem, geometry_of(request), folded_blocks(request));
}

}  // namespace

std::vector<Implementation> winograd_stem_implementations() {
  return {{graph::Op::convolution, "winograd stem", reject, make, cost, nullptr, true}};
}

}  // namespace residua::engine
