// Convolution on oneDNN: NHWC in, NHWC out, weights in the layout oneDNN likes best; bias, residual add and ReLU in the
// same sweep.

#include "engine/onednn.h"
#include "engine/steps/convolution_cost.h"
#include "engine/steps/onednn_convolution_step.h"

namespace residua::engine {
namespace {

using dnnl::memory;

memory::desc describe_weights(const graph::Shape& shape, std::int64_t groups) {
  memory::dims dims = dims_of(shape);  // OIHW
  if (groups == 1) return {dims, memory::data_type::f32, memory::format_tag::oihw};
  dims.insert(dims.begin(), groups);
  dims[1] /= groups;
  return {dims, memory::data_type::f32, memory::format_tag::goihw};
}

Step make(const StepRequest& request) {
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  return make_onednn_convolution_step(request, {.source = request.input(0).shape,
                                                .destination = request.output().shape,
                                                .plain_weights = describe_weights(request.input(1).shape, node.groups),
                                                .strides = {node.strides[0], node.strides[1]},
                                                .dilations = {node.dilations[0] - 1, node.dilations[1] - 1},
                                                .padding_before = {node.padding.top, node.padding.left},
                                                .padding_after = {node.padding.bottom, node.padding.right},
                                                .relu = node.activation == graph::Activation::relu});
}

}  // namespace

std::vector<Implementation> onednn_convolution_implementations() {
  return {{graph::Op::convolution, "onednn", reject_without_constant_weights, make, direct_cost}};
}

}  // namespace residua::engine
