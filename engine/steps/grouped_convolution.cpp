// Convolutions whose outputs read few channels each, in many groups or of an image, on their own kernels
// (kernels/grouped/grouped.h).

#include <algorithm>

#include "engine/arena.h"
#include "engine/caches.h"
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
  if (outputs == 0) return "there are no output channels";
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

// Channels that are copied and multiplied together: of all outputs, or of some groups.
struct Bundle {
  std::int64_t inputs, outputs;
};

// A group, or a vector's groups, but no less than a cache line of each pixel: half of one would be fetched twice.
Bundle bundle_of(const ChannelGroup& group, std::int64_t outputs, std::int64_t lanes) {
  constexpr std::int64_t line = 64 / sizeof(float);
  std::int64_t bundled = std::max(group.outputs, lanes);
  const auto inputs = [&] { return bundled / group.outputs * group.inputs; };
  while (inputs() < line && outputs % (2 * bundled) == 0) bundled *= 2;
  return {inputs(), bundled};
}

// What the parts of a step share.
struct Work {
  GroupedKernels kernels;
  kernels::ConvolutionGeometry geometry;
  kernels::PaddedColumns columns;
  ChannelGroup group;
  Bundle bundle;
  std::int64_t outputs, bundles;  // of all groups
  std::int64_t block_weights;     // floats of one block
  // A part is a band of rows of one bundle of one image.
  std::int64_t bands;
  bool relu;
  std::shared_ptr<const std::byte> weights;
  std::vector<float> bias;

  std::int64_t first_output_row(std::int64_t band) const { return geometry.output_height * band / bands; }
  std::int64_t row_floats() const { return columns.width * bundle.inputs; }
  std::int64_t most_band_floats() const {
    const std::int64_t rows = (geometry.output_height + bands - 1) / bands;
    return std::min((rows - 1) * geometry.stride_height + GroupedKernels::kernel, geometry.height) * row_floats();
  }

  void run(std::int64_t part, const float* input, const float* residual, float* output, float* rows) const {
    const std::int64_t band = part % bands, number = part / bands % bundles, image = part / bands / bundles;
    const std::int64_t first = first_output_row(band), end = first_output_row(band + 1);
    const kernels::RowsUnder last = rows_under(geometry, end - 1);
    const std::int64_t first_input = rows_under(geometry, first).first, end_input = last.first + last.count;
    kernels.gather_rows(input + image * geometry.height * geometry.width * geometry.channels, geometry,
                        {.first_row = first_input,
                         .rows = end_input - first_input,
                         .first_channel = number * bundle.inputs,
                         .channels = bundle.inputs,
                         .columns = columns,
                         .values = rows});
    // A block's weights stay in the level 1 cache, the rows in the second.
    for (std::int64_t channel = 0; channel < bundle.outputs; channel += kernels.lanes) {
      const std::int64_t first_channel = number * bundle.outputs + channel;
      const float* const packed =
          reinterpret_cast<const float*>(weights.get()) + first_channel / kernels.lanes * block_weights;
      for (std::int64_t y = first; y < end; ++y) {
        const kernels::RowsUnder under = rows_under(geometry, y);
        const std::int64_t at = (image * geometry.output_height + y) * geometry.output_width * outputs + first_channel;
        kernels.convolve_row(
            {.rows = rows + (under.first - first_input) * row_floats() + channel / group.outputs * group.inputs,
             .channels = bundle.inputs,
             .columns = columns,
             .under = under,
             .outputs = geometry.output_width,
             .stride = geometry.stride_width},
            group, packed,
            {.stride = outputs,
             .output = output + at,
             .residual = residual != nullptr ? residual + at : nullptr,
             .bias = bias.data() + first_channel,
             .relu = relu});
      }
    }
  }
};

// Enough bands that no thread waits long for another's last part, and that a band's rows stay in the level 2 cache.
std::int64_t bands_of(const Work& work, std::int64_t images, int threads) {
  constexpr std::int64_t parts_a_thread = 4;
  const std::int64_t columns = images * work.bundles, wanted = parts_a_thread * threads;
  const std::int64_t floats = work.geometry.height * work.row_floats();
  const auto room = static_cast<std::int64_t>(caches().level2 / 4 / sizeof(float));
  const auto divided_up = [](std::int64_t value, std::int64_t by) { return (value + by - 1) / by; };
  return std::clamp<std::int64_t>(std::max(divided_up(wanted, columns), divided_up(floats, room)), 1,
                                  std::max<std::int64_t>(work.geometry.output_height, 1));
}

Step make(const StepRequest& request) {
  const graph::Tensor& weight = request.input(weight_input);
  const GroupedKernels grouped = request.kernels.grouped;
  const auto work = std::make_shared<Work>();
  work->kernels = grouped;
  work->geometry = convolution_geometry(request);
  work->columns = kernels::padded_columns(work->geometry);
  work->group = channels_of(request);
  work->outputs = weight.shape[0];
  work->bundle = bundle_of(work->group, work->outputs, grouped.lanes);
  work->bundles = work->outputs / work->bundle.outputs;
  work->block_weights = GroupedKernels::kernel * GroupedKernels::kernel * weight.shape[1] * grouped.lanes;
  work->relu = graph::attributes_of<graph::ConvolutionAttributes>(request.node).activation == graph::Activation::relu;
  const std::int64_t blocks = work->outputs / grouped.lanes;
  work->weights = request.packed.get(weight,
                                     {"grouped " + std::string(name_of(request.kernels.vector_set())),
                                      static_cast<std::size_t>(blocks * work->block_weights) * sizeof(float), blocks},
                                     [=, inputs = work->group.inputs, floats = work->block_weights](
                                         std::span<const float> values, std::int64_t block, std::byte* packed) {
                                       grouped.pack_weights(values.data(), inputs, block,
                                                            reinterpret_cast<float*>(packed) + block * floats);
                                     });
  if (request.has_input(bias_input)) work->bias = graph::read_floats(request.input(bias_input));
  work->bias.resize(static_cast<std::size_t>(weight.shape[0]), 0.0f);
  const std::int64_t images = request.input(0).shape[0];
  work->bands = bands_of(*work, images, request.threads);

  Step step = request.make_step("grouped " + std::string(name_of(request.kernels.vector_set())));
  step.scratch_bytes = whole_cache_lines(static_cast<std::size_t>(work->most_band_floats()) * sizeof(float));
  if (request.has_input(residual_input) && request.may_overwrite(request.node.input(residual_input)))
    step.overwrites = request.node.input(residual_input);
  const auto locate_input = request.locate(0);
  const auto locate_residual = request.locate(residual_input);
  step.bind = [=, shared_work = std::shared_ptr<const Work>(work), parts = images * work->bundles * work->bands,
               output = request.node.output](const Binding& binding) -> std::vector<Phase> {
    const float* const input = locate_input(binding);
    const float* const residual = locate_residual(binding);
    return {{parts, [=, to = binding.address(output)](std::int64_t part, int worker) {
               shared_work->run(part, input, residual, to, reinterpret_cast<float*>(binding.scratch_of(worker)));
             }}};
  };
  return step;
}

}  // namespace

std::vector<Implementation> grouped_convolution_implementations() {
  return {{graph::Op::convolution, "grouped", reject, make, direct_cost, discourage}};
}

}  // namespace residua::engine
