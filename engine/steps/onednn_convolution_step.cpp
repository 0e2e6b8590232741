#include "engine/steps/onednn_convolution_step.h"

#include "engine/onednn.h"

namespace residua::engine {
namespace {

using dnnl::memory;
constexpr std::size_t weight_input = 1, bias_input = 2, residual_input = 3;

enum class Residual { none, in_place, beside };

Residual residual_of(const StepRequest& request) {
  if (!request.has_input(residual_input)) return Residual::none;
  return request.may_overwrite(request.node.input(residual_input)) ? Residual::in_place : Residual::beside;
}

// Post-operations run in this order on each sum, before it is stored.
dnnl::primitive_attr attributes_of(const OnednnConvolution& convolution, Residual residual) {
  dnnl::post_ops operations;
  if (residual == Residual::in_place) operations.append_sum(1.0f);
  if (residual == Residual::beside) operations.append_binary(dnnl::algorithm::binary_add, convolution.destination);
  if (convolution.relu) operations.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  dnnl::primitive_attr attributes = make_attributes();
  attributes.set_post_ops(operations);
  return attributes;
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
  const memory::desc any_weights(convolution.plain_weights.get_dims(), memory::data_type::f32, memory::format_tag::any);
  const memory::desc bias = has_bias ? row_major_desc({weight.shape[0]}) : memory::desc();
  const dnnl::convolution_forward::primitive_desc description(
      cpu_engine(), dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, convolution.source,
      any_weights, bias, convolution.destination, convolution.strides, convolution.dilations,
      convolution.padding_before, convolution.padding_after, attributes_of(convolution, residual));

  Step step = request.make_step(std::string("onednn ") + description.impl_info_str());
  const auto outputs = static_cast<double>(float_count(request.output().shape));
  step.gflop = 2e-9 * outputs * static_cast<double>(float_count(weight.shape)) / static_cast<double>(weight.shape[0]);
  step.scratch_bytes = description.scratchpad_desc().get_size();
  if (residual == Residual::in_place) step.overwrites = request.node.input(residual_input);

  const auto packed = pack_for_onednn(request.packed, weight, convolution.plain_weights, description.weights_desc());
  const auto packed_bias = has_bias ? pack_for_onednn(request.packed, request.input(bias_input), bias, bias) : nullptr;
  const auto locate_source = request.locate(0);
  const auto locate_residual =
      residual == Residual::beside ? request.locate(residual_input) : std::function<const float*(const Binding&)>();
  step.bind = [=, destination = convolution.destination, source = convolution.source,
               primitive = dnnl::convolution_forward(description),
               output = request.node.output](const Binding& binding) -> std::function<void()> {
    OnednnCall call(primitive, binding.stream);
    call.add(DNNL_ARG_SRC, source, locate_source(binding));
    call.add(DNNL_ARG_WEIGHTS, description.weights_desc(), packed.get());
    if (packed_bias) call.add(DNNL_ARG_BIAS, bias, packed_bias.get());
    if (locate_residual)
      call.add(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, destination, locate_residual(binding));
    call.add(DNNL_ARG_DST, destination, binding.address(output));
    call.add(DNNL_ARG_SCRATCHPAD, description.scratchpad_desc(), binding.scratch);
    return [call, packed, packed_bias, locate_source, locate_residual] { call(); };
  };
  return step;
}

}  // namespace residua::engine
