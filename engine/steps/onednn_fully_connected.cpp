// The classifier, as a convolution on oneDNN.
//
// oneDNN's inner product sums in another order for one image than for several; its convolutions do not, and equal
// images must give equal bits in whatever company they come. x with one pixel an image, [N, K], is an image of N pixels
// and K channels, 1 x N; x with more pixels is a convolution whose window is the whole image.

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

  const std::int64_t outputs = weight.shape[0];
  const bool one_pixel = x.size() != 4 || x[2] * x[3] == 1;
  const std::int64_t inputs = weight.shape[1], images = x[0];
  const graph::Shape source_shape = one_pixel ? graph::Shape{1, inputs, 1, images} : x;
  const graph::Shape weight_shape =
      one_pixel ? graph::Shape{outputs, inputs, 1, 1} : graph::Shape{outputs, x[1], x[2], x[3]};
  const memory::desc source = activation_desc(source_shape);
  const memory::desc plain = row_major_desc(weight_shape);
  const memory::desc any(dims_of(weight_shape), memory::data_type::f32, memory::format_tag::any);
  const memory::desc bias = has_bias ? row_major_desc({outputs}) : memory::desc();
  const memory::desc destination =
      activation_desc(one_pixel ? graph::Shape{1, outputs, 1, images} : graph::Shape{images, outputs, 1, 1});

  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const dnnl::convolution_forward::primitive_desc description(cpu_engine(), dnnl::prop_kind::forward_inference,
                                                              dnnl::algorithm::convolution_direct, source, any, bias,
                                                              destination, {1, 1}, {0, 0}, {0, 0}, attr);

  Step step = request.make_step(std::string("onednn ") + description.impl_info_str());
  step.gflop = 2e-9 * static_cast<double>(images) * static_cast<double>(outputs * inputs);
  step.scratch_bytes = description.scratchpad_desc().get_size();
  const auto packed = request.packed.get(weight, plain, description.weights_desc());
  const auto packed_bias = has_bias ? request.packed.get(request.input(bias_input), bias, bias) : nullptr;
  const auto locate_source = request.locate(0);
  step.bind = [=, primitive = dnnl::convolution_forward(description),
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
