// Direct convolutions on tile registers (kernels/tiles/tiles.h).
#pragma once

#include <string>

#include "engine/steps/step.h"

namespace residua::engine {

// Why Winograd's algorithm should leave a 3x3 convolution to tile registers; "" where it should not, or where there are
// none.
std::string why_tiles_are_faster(const StepRequest& request);

}  // namespace residua::engine
