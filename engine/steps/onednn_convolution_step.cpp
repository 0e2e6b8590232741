#include "engine/steps/onednn_convolution_step.h"

#include <algorithm>

#include "engine/onednn.h"
#include "engine/steps/clamp.h"

namespace residua::engine {
namespace {

using dnnl::memory;
constexpr std::size_t weight_input = 1, bias_input = 2, residual_input = 3;

enum class Residual { none, in_place, beside };

Residual residual_of(const StepRequest& request) {
  if (!request.has_input(residual_input)) return Residual::none;
  return request.may_overwrite(request.node.input(residual_input)) ? Residual::in_place : Residual::beside;
}

// Some output rows of one image, and the input rows under them.
struct Band {
  std::int64_t source_row, source_rows, row, rows;
  std::int64_t padding_before, padding_after;

  bool same_shape(const Band& other) const {
    return source_rows == other.source_rows && rows == other.rows && padding_before == other.padding_before &&
           padding_after == other.padding_after;
  }
};

// Bands are parts for threads. How many there are depends on the shape alone, so that the bits do not depend on the
// number of threads; a band keeps some hundred pixels, so that a call of oneDNN's pays.
std::vector<Band> bands_of(const OnednnConvolution& convolution) {
  constexpr std::int64_t fewest_pixels = 196, most_bands = 8;
  const std::int64_t height = convolution.source[2], outputs = convolution.destination[2];
  const std::int64_t pixels = outputs * convolution.destination[3];
  const std::int64_t count = std::clamp<std::int64_t>(pixels / fewest_pixels, 1, std::min(most_bands, outputs));
  const std::int64_t stride = convolution.strides[0], padding = convolution.padding_before[0];
  const std::int64_t reach = (convolution.plain_weights.get_dims().end()[-2] - 1) * (convolution.dilations[0] + 1) + 1;
  std::vector<Band> bands;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = outputs * i / count, end = outputs * (i + 1) / count;
    const std::int64_t first = row * stride - padding, last = (end - 1) * stride - padding + reach;  // last: exclusive
    const std::int64_t source_row = std::clamp<std::int64_t>(first, 0, height - 1);
    const std::int64_t source_end = std::clamp<std::int64_t>(last, source_row + 1, height);
    bands.push_back({source_row, source_end - source_row, row, end - row, source_row - first, last - source_end});
  }
  return bands;
}

// Post-operations run on each sum, before it is stored. ReLU is none of them: oneDNN's makes 0 of NaN.
dnnl::primitive_attr attributes_of(Residual residual, const memory::desc& destination) {
  dnnl::post_ops operations;
  if (residual == Residual::in_place) operations.append_sum(1.0f);
  if (residual == Residual::beside) operations.append_binary(dnnl::algorithm::binary_add, destination);
  dnnl::primitive_attr attributes = make_attributes();
  attributes.set_post_ops(operations);
  return attributes;
}

using Description = dnnl::convolution_forward::primitive_desc;

Description describe(const OnednnConvolution& convolution, const Band& band, Residual residual,
                     const memory::desc& weights, const memory::desc& bias) {
  graph::Shape source = convolution.source, destination = convolution.destination;
  source[0] = destination[0] = 1;
  source[2] = band.source_rows;
  destination[2] = band.rows;
  const memory::desc destination_desc = activation_desc(destination);
  return {cpu_engine(),
          dnnl::prop_kind::forward_inference,
          dnnl::algorithm::convolution_direct,
          activation_desc(source),
          weights,
          bias,
          destination_desc,
          convolution.strides,
          convolution.dilations,
          {band.padding_before, convolution.padding_before[1]},
          {band.padding_after, convolution.padding_after[1]},
          attributes_of(residual, destination_desc)};
}

}  // namespace

std::string reject_without_constant_weights(const StepRequest& request) {
  if (!request.input(weight_input).is_constant()) return "the weights are no constant";
  if (request.has_input(bias_input) && !request.input(bias_input).is_constant()) return "the bias is no constant";
  return "";
}

Step make_onednn_convolution_step(const StepRequest& request, const OnednnConvolution& convolution) {
  const graph::Tensor& weight = request.input(weight_input);
  const bool has_bias = request.has_input(bias_input);
  const Residual residual = residual_of(request);
  const memory::desc bias = has_bias ? row_major_desc({weight.shape[0]}) : memory::desc();
  const std::vector<Band> bands = bands_of(convolution);

  // One primitive a shape of band: the first, the last and those between. All read the weights in the first one's
  // favourite layout.
  std::vector<Description> descriptions;
  std::vector<std::size_t> description_of;
  std::vector<Band> shapes;
  for (const Band& band : bands) {
    const auto known =
        std::find_if(shapes.begin(), shapes.end(), [&](const Band& shape) { return shape.same_shape(band); });
    description_of.push_back(static_cast<std::size_t>(known - shapes.begin()));
    if (known != shapes.end()) continue;
    const memory::desc weights = descriptions.empty() ? memory::desc(convolution.plain_weights.get_dims(),
                                                                     memory::data_type::f32, memory::format_tag::any)
                                                      : descriptions.front().weights_desc();
    shapes.push_back(band);
    descriptions.push_back(describe(convolution, band, residual, weights, bias));
  }

  Step step = request.make_step(std::string("onednn ") + descriptions.front().impl_info_str());
  for (const Description& description : descriptions)
    step.scratch_bytes = std::max(step.scratch_bytes, description.scratchpad_desc().get_size());
  if (residual == Residual::in_place) step.overwrites = request.node.input(residual_input);

  const auto packed =
      pack_for_onednn(request.packed, weight, convolution.plain_weights, descriptions.front().weights_desc());
  const auto packed_bias = has_bias ? pack_for_onednn(request.packed, request.input(bias_input), bias, bias) : nullptr;
  const auto locate_source = request.locate(0);
  const auto locate_residual =
      residual == Residual::beside ? request.locate(residual_input) : std::function<const float*(const Binding&)>();
  std::vector<dnnl::convolution_forward> primitives;
  primitives.reserve(descriptions.size());
  for (const Description& description : descriptions) primitives.emplace_back(description);

  step.bind = [=, source = convolution.source, target = convolution.destination, has_relu = convolution.relu,
               output_id = request.node.output](const Binding& binding) -> std::vector<Phase> {
    const float* const input = locate_source(binding);
    float* const output = binding.address(output_id);
    const float* const beside = locate_residual ? locate_residual(binding) : nullptr;
    // calls[worker][shape]; their addresses move to a part's image and band.
    std::vector<std::vector<OnednnCall>> calls(static_cast<std::size_t>(binding.workers()));
    for (int worker = 0; worker < binding.workers(); ++worker)
      for (std::size_t i = 0; i < primitives.size(); ++i) {
        const Description& description = descriptions[i];
        OnednnCall call(primitives[i], binding.streams[static_cast<std::size_t>(worker)]);
        call.add(DNNL_ARG_SRC, description.src_desc(), input);
        call.add(DNNL_ARG_DST, description.dst_desc(), output);
        if (beside) call.add(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, description.dst_desc(), beside);
        call.add(DNNL_ARG_WEIGHTS, description.weights_desc(), packed.get());
        if (packed_bias) call.add(DNNL_ARG_BIAS, bias, packed_bias.get());
        call.add(DNNL_ARG_SCRATCHPAD, description.scratchpad_desc(), binding.scratch_of(worker));
        calls[static_cast<std::size_t>(worker)].push_back(std::move(call));
      }
    const auto count = static_cast<std::int64_t>(bands.size());
    return {{source[0] * count, [=, calls = std::move(calls)](std::int64_t part, int worker) mutable {
               const std::int64_t image = part / count;
               const auto index = static_cast<std::size_t>(part % count);
               const Band& band = bands[index];
               OnednnCall& call = calls[static_cast<std::size_t>(worker)][description_of[index]];
               const std::int64_t from = (image * source[2] + band.source_row) * source[3] * source[1];
               const std::int64_t to = (image * target[2] + band.row) * target[3] * target[1];
               call.move(0, input + from);
               call.move(1, output + to);
               if (beside) call.move(2, beside + to);
               call();
               if (has_relu) relu(output + to, band.rows * target[3] * target[1]);
             }}};
  };
  return step;
}

}  // namespace residua::engine
