// What the kernels need to know of a convolution node.
#pragma once

#include "engine/steps/step.h"

namespace residua::engine {

kernels::ConvolutionGeometry convolution_geometry(const StepRequest& request);

}  // namespace residua::engine
