// What the implementations of a convolution cost by its shape, by which selection explains itself and a memory limit is
// shared out, and a rule that several of them share.
#pragma once

#include "engine/steps/step.h"

namespace residua::engine {

// The bytes of a convolution's weights as float32, in no layout.
std::size_t own_weight_bytes(const StepRequest& request);

// Of every implementation that multiplies each input under a window by each weight.
Cost direct_cost(const StepRequest& request);

// Why one that loads whole vectors of channels should leave images of fewer channels to kernels that broadcast each:
// those take a quarter to two thirds of its time on the first layers of VGG, Inception and ResNet-D.
std::string discourage_few_channels(const StepRequest& request);

}  // namespace residua::engine
