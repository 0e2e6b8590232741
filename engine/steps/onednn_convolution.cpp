// Convolution on oneDNN: NHWC in, NHWC out, weights in the layout oneDNN likes best; bias, residual add and ReLU as
// post-operations of the same pass.

#include "engine/onednn.h"
#include "engine/steps/step.h"

namespace residua::engine {
namespace {

using dnnl::memory;
constexpr std::size_t weight_input = 1, bias_input = 2, residual_input = 3;

std::string reject(const StepRequest& request) {
  if (!request.input(weight_input).is_constant()) return "the weights are no constant";
  if (request.has_input(bias_input) && !request.input(bias_input).is_constant()) return "the bias is no constant";
  return "";
}

// The output may take the residual's memory when nobody reads it later and the convolution itself does not read it as
// x.
bool residual_in_place(const StepRequest& request) {
  const graph::TensorId residual = request.node.input(residual_input);
  return !request.graph.tensor(residual).is_constant() && request.may_overwrite(residual);
}

struct Weights {
  memory::dims dims;
  memory::desc plain;
};

Weights describe_weights(const graph::Shape& shape, std::int64_t groups) {
  memory::dims dims = dims_of(shape);  // OIHW
  if (groups > 1) {
    dims.insert(dims.begin(), groups);
    dims[1] /= groups;
  }
  const auto tag = groups > 1 ? memory::format_tag::goihw : memory::format_tag::oihw;
  return {dims, memory::desc(dims, memory::data_type::f32, tag)};
}

Step make(const StepRequest& request) {
  const auto& attributes = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  const graph::Tensor& weight = request.input(weight_input);
  const bool has_bias = request.has_input(bias_input);
  const bool has_residual = request.has_input(residual_input);
  const bool in_place = has_residual && residual_in_place(request);

  const memory::desc source = activation_desc(request.input(0).shape);
  const memory::desc destination = activation_desc(request.output().shape);
  const Weights weights = describe_weights(weight.shape, attributes.groups);
  const memory::desc any_weights(weights.dims, memory::data_type::f32, memory::format_tag::any);
  const memory::desc bias = has_bias ? row_major_desc({weight.shape[0]}) : memory::desc();

  dnnl::post_ops operations;
  if (has_residual && in_place) operations.append_sum(1.0f);
  if (has_residual && !in_place) operations.append_binary(dnnl::algorithm::binary_add, destination);
  if (attributes.activation == graph::Activation::relu)
    operations.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  dnnl::primitive_attr attr;
  attr.set_post_ops(operations);
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);

  const graph::Padding& padding = attributes.padding;
  const dnnl::convolution_forward::primitive_desc description(
      cpu_engine(), dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, source, any_weights, bias,
      destination, {attributes.strides[0], attributes.strides[1]},
      {attributes.dilations[0] - 1, attributes.dilations[1] - 1},  // oneDNN counts the gaps
      {padding.top, padding.left}, {padding.bottom, padding.right}, attr);

  Step step = request.make_step(std::string("onednn ") + description.impl_info_str());
  const auto output_elements = static_cast<double>(float_count(request.output().shape));
  step.gflop = 2e-9 * output_elements * static_cast<double>(weight.shape[1] * weight.shape[2] * weight.shape[3]);
  step.scratch_bytes = description.scratchpad_desc().get_size();
  if (in_place) step.overwrites = request.node.input(residual_input);

  const auto packed = request.packed.get(weight, weights.plain, description.weights_desc());
  const auto packed_bias = has_bias ? request.packed.get(request.input(bias_input), bias, bias) : nullptr;
  const auto locate_source = request.locate(0);
  const auto locate_residual =
      has_residual && !in_place ? request.locate(residual_input) : std::function<const float*(const Binding&)>();
  const int binary_argument = DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1;
  step.bind = [=, primitive = dnnl::convolution_forward(description),
               output = request.node.output](const Binding& binding) -> std::function<void()> {
    OnednnCall call(primitive, binding.stream);
    call.add(DNNL_ARG_SRC, source, locate_source(binding));
    call.add(DNNL_ARG_WEIGHTS, description.weights_desc(), packed.get());
    if (has_bias) call.add(DNNL_ARG_BIAS, bias, packed_bias.get());
    if (locate_residual) call.add(binary_argument, destination, locate_residual(binding));
    call.add(DNNL_ARG_DST, destination, binding.address(output));
    call.add(DNNL_ARG_SCRATCHPAD, description.scratchpad_desc(), binding.scratch);
    return [call, packed, packed_bias] { call(); };
  };
  return step;
}

}  // namespace

std::vector<Implementation> onednn_convolution_implementations() {
  return {{graph::Op::convolution, "onednn", reject, make}};
}

}  // namespace residua::engine
