// The classifier on oneDNN's inner product.

#include "engine/onednn.h"
#include "engine/steps/step.h"

namespace residua::engine {
namespace {

using dnnl::memory;
constexpr std::size_t weight_input = 1, bias_input = 2;

std::string reject(const StepRequest& request) {
  if (!request.input(weight_input).is_constant()) return "the weights are no constant";
  if (request.has_input(bias_input) && !request.input(bias_input).is_constant()) return "the bias is no constant";
  return "";
}

Step make(const StepRequest& request) {
  const graph::Tensor& weight = request.input(weight_input);
  const graph::Shape& x = request.input(0).shape;
  const bool has_bias = request.has_input(bias_input);

  // x of more than two dimensions is flattened in logical order, [N, C, H, W] -> [N, C * H * W]. The weights take the
  // same dimensions instead, so that x is read as it lies.
  graph::Shape weight_shape = x;
  weight_shape[0] = weight.shape[0];
  const memory::desc source = activation_desc(x);
  const memory::desc plain = row_major_desc(weight_shape);
  const memory::desc any(dims_of(weight_shape), memory::data_type::f32, memory::format_tag::any);
  const memory::desc bias = has_bias ? row_major_desc({weight.shape[0]}) : memory::desc();
  const memory::desc destination = row_major_desc(request.output().shape);

  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const dnnl::inner_product_forward::primitive_desc description(cpu_engine(), dnnl::prop_kind::forward_inference,
                                                                source, any, bias, destination, attr);

  Step step = request.make_step(std::string("onednn ") + description.impl_info_str());
  step.gflop = 2e-9 * static_cast<double>(x[0]) * static_cast<double>(weight.shape[0] * weight.shape[1]);
  step.scratch_bytes = description.scratchpad_desc().get_size();
  const auto packed = request.packed.get(weight, plain, description.weights_desc());
  const auto packed_bias = has_bias ? request.packed.get(request.input(bias_input), bias, bias) : nullptr;
  const auto locate_source = request.locate(0);
  step.bind = [=, primitive = dnnl::inner_product_forward(description),
               output = request.node.output](const Binding& binding) -> std::function<void()> {
    OnednnCall call(primitive, binding.stream);
    call.add(DNNL_ARG_SRC, source, locate_source(binding));
    call.add(DNNL_ARG_WEIGHTS, description.weights_desc(), packed.get());
    if (has_bias) call.add(DNNL_ARG_BIAS, bias, packed_bias.get());
    call.add(DNNL_ARG_DST, destination, binding.address(output));
    call.add(DNNL_ARG_SCRATCHPAD, description.scratchpad_desc(), binding.scratch);
    return [call, packed, packed_bias] { call(); };
  };
  return step;
}

}  // namespace

std::vector<Implementation> onednn_fully_connected_implementations() {
  return {{graph::Op::fully_connected, "onednn", reject, make}};
}

}  // namespace residua::engine
