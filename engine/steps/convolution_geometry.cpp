#include "engine/steps/convolution_geometry.h"

namespace residua::engine {

kernels::ConvolutionGeometry convolution_geometry(const StepRequest& request) {
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  const graph::Shape& x = request.input(0).shape;
  const graph::Shape& y = request.output().shape;
  return {.height = x[2],
          .width = x[3],
          .channels = x[1],
          .output_height = y[2],
          .output_width = y[3],
          .kernel_height = request.input(1).shape[2],
          .kernel_width = request.input(1).shape[3],
          .stride_height = node.strides[0],
          .stride_width = node.strides[1],
          .padding_top = node.padding.top,
          .padding_left = node.padding.left,
          .dilation_height = node.dilations[0],
          .dilation_width = node.dilations[1]};
}

}  // namespace residua::engine
