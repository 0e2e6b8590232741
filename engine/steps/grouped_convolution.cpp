// Convolutions whose outputs read few channels each, in many groups or of an image, on their own kernels
// (kernels/grouped/grouped.h).

#include <algorithm>

#include "engine/steps/convolution_cost.h"
#include "engine/steps/convolution_geometry.h"
#include "engine/steps/onednn_convolution_step.h"

namespace residua::engine {
namespace {

using kernels::ChannelGroup;
using kernels::GroupedKernels;

constexpr std::size_t weight_input = 1, bias_input = 2, residual_input = 3;

ChannelGroup channels_of(const StepRequest& request) {
  const graph::Shape& weight = request.input(weight_input).shape;
  return {weight[1], weight[0] / graph::attributes_of<graph::ConvolutionAttributes>(request.node).groups};
}

std::string reject(const StepRequest& request) {
  if (std::string reason = reject_without_constant_weights(request); !reason.empty()) return reason;
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  const graph::Shape& weight = request.input(weight_input).shape;
  if (weight[2] != GroupedKernels::kernel || weight[3] != GroupedKernels::kernel) return "the kernel is not 3x3";
  if (node.strides[1] > 2) return "the stride is more than 2";
  if (node.dilations[0] != 1 || node.dilations[1] != 1) return "the kernel is dilated";
  const auto [inputs, outputs] = channels_of(request);
  const std::int64_t lanes = request.kernels.grouped.lanes;
  if (node.groups == 1 && inputs >= lanes) return "the channels are in one group and fill vectors";
  if (weight[0] % lanes != 0)
    return std::to_string(weight[0]) + " channels are no multiple of " + std::to_string(lanes);
  if (outputs % lanes != 0 && (inputs != outputs || (inputs != 4 && inputs != 8)))
    return "groups of " + std::to_string(inputs) + " inputs and " + std::to_string(outputs) +
           " outputs are neither of 4 nor of 8 channels, nor are the outputs a multiple of " + std::to_string(lanes);
  return "";
}

// Wide groups leave matrix products no zeros to multiply by, and Winograd's algorithm does less. Measured on ResNeXt:
// up to here these kernels take half to nine tenths of the others' time on one image, and about as long as they on
// many.
std::string discourage(const StepRequest& request) {
  constexpr std::int64_t most_inputs = 64;
  const std::int64_t inputs = channels_of(request).inputs;
  return inputs <= most_inputs ? "" : "groups of " + std::to_string(inputs) + " channels fill matrix products";
}

// What the parts of a step share.
struct Work {
  GroupedKernels kernels;
  kernels::ConvolutionGeometry geometry;
  ChannelGroup channels;
  std::int64_t outputs, blocks;  // of all groups
  std::int64_t block_weights;    // floats of one block
  // A part is some rows of one block of channels of one image: a block's weights stay in the level 1 cache, and so do
  // the rows that the next output row reads again.
  std::int64_t row_groups;
  bool relu;
  std::shared_ptr<const std::byte> weights;
  std::vector<float> bias;

  // NOLINTNEXTLINE(readability-non-const-parameter): written through `target`
  void run(std::int64_t part, const float* input, const float* residual, float* output) const {
    const std::int64_t rows = geometry.output_height, row_group = part % row_groups;
    const std::int64_t block = part / row_groups % blocks, image = part / row_groups / blocks;
    const std::int64_t at = image * rows * geometry.output_width * outputs;
    const kernels::GroupedTarget target{outputs, output + at, residual ? residual + at : nullptr, bias.data(), relu};
    const float* const first_pixel = input + image * geometry.height * geometry.width * geometry.channels;
    const float* const packed = reinterpret_cast<const float*>(weights.get()) + block * block_weights;
    for (std::int64_t y = rows * row_group / row_groups; y < rows * (row_group + 1) / row_groups; ++y)
      kernels.convolve_row(first_pixel, geometry, channels, block, y, packed, target);
  }
};

Step make(const StepRequest& request) {
  const graph::Tensor& weight = request.input(weight_input);
  const GroupedKernels kernels = request.kernels.grouped;
  const auto work = std::make_shared<Work>();
  work->kernels = kernels;
  work->geometry = convolution_geometry(request);
  work->channels = channels_of(request);
  work->outputs = weight.shape[0];
  work->blocks = work->outputs / kernels.lanes;
  work->block_weights = GroupedKernels::kernel * GroupedKernels::kernel * weight.shape[1] * kernels.lanes;
  work->relu = graph::attributes_of<graph::ConvolutionAttributes>(request.node).activation == graph::Activation::relu;
  work->weights = request.packed.get(
      weight,
      {"grouped " + std::string(name_of(request.kernels.instruction_set)),
       static_cast<std::size_t>(work->blocks * work->block_weights) * sizeof(float), work->blocks},
      [=, inputs = work->channels.inputs, floats = work->block_weights](std::span<const float> values,
                                                                        std::int64_t block, std::byte* packed) {
        kernels.pack_weights(values.data(), inputs, block, reinterpret_cast<float*>(packed) + block * floats);
      });
  if (request.has_input(bias_input)) work->bias = graph::read_floats(request.input(bias_input));
  work->bias.resize(static_cast<std::size_t>(weight.shape[0]), 0.0f);

  // Enough parts that no thread waits long for another's last one.
  constexpr std::int64_t parts_a_thread = 4;
  const std::int64_t columns = request.input(0).shape[0] * work->blocks, wanted = parts_a_thread * request.threads;
  work->row_groups = std::clamp<std::int64_t>((wanted + columns - 1) / columns, 1,
                                              std::max<std::int64_t>(work->geometry.output_height, 1));

  Step step = request.make_step("grouped " + std::string(name_of(request.kernels.instruction_set)));
  if (request.has_input(residual_input) && request.may_overwrite(request.node.input(residual_input)))
    step.overwrites = request.node.input(residual_input);
  const auto locate_input = request.locate(0);
  const auto locate_residual = request.locate(residual_input);
  step.bind = [=, shared_work = std::shared_ptr<const Work>(work), parts = columns * work->row_groups,
               output = request.node.output](const Binding& binding) -> std::vector<Phase> {
    const float* const input = locate_input(binding);
    const float* const residual = locate_residual(binding);
    return {{parts, [=, to = binding.address(output)](std::int64_t part, int) {
               shared_work->run(part, input, residual, to);
             }}};
  };
  return step;
}

}  // namespace

std::vector<Implementation> grouped_convolution_implementations() {
  return {{graph::Op::convolution, "grouped", reject, make, direct_cost, discourage}};
}

}  // namespace residua::engine
