// A convolution as oneDNN is asked for it: what the convolution and fully connected steps have in common.
#pragma once

#include "engine/steps/step.h"

namespace residua::engine {

struct OnednnConvolution {
  graph::Shape source, destination;  // four dimensions
  dnnl::memory::desc plain_weights;  // as the constant holds them: OIHW, with groups GOIHW
  dnnl::memory::dims strides{1, 1}, dilations{0, 0}, padding_before{0, 0}, padding_after{0, 0};  // dilations count gaps
  bool relu = false;
};

// Why a convolution cannot be packed ahead, "" where it can: its weights (input 1) and bias (input 2, may be left out)
// must be constants.
std::string reject_without_constant_weights(const StepRequest& request);

// The step for `convolution` with the node's x, weights, bias and, where the node has one, residual (input 3). The
// residual is added in place where nobody else needs it.
Step make_onednn_convolution_step(const StepRequest& request, const OnednnConvolution& convolution);

}  // namespace residua::engine
