// What the implementations of a convolution cost by its shape: what selection explains itself by, and what a memory
// limit weighs.
#pragma once

#include "engine/steps/step.h"

namespace residua::engine {

// The bytes of a convolution's weights as float32, in no layout.
std::size_t own_weight_bytes(const StepRequest& request);

// Of every implementation that multiplies each input under a window by each weight.
Cost direct_cost(const StepRequest& request);

}  // namespace residua::engine
