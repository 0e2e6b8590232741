// From what --model says to a Model.
#pragma once

#include <string>

#include "residua/residua.hpp"

namespace residua::tool {

// Loads a model file. Throws ModelError.
Model open_model(const std::string& path, const LoadOptions& options = {});

// The same; what names no file but a known architecture becomes that network with seeded random weights.
Model open_model_or_architecture(const std::string& name, const LoadOptions& options = {});

// The demonstration model that comes with Residua: in $RESIDUA_MODELS when that is set, else beside the installed
// program (../share/residua/models), else in the source tree that the program was built from. Throws ModelError.
std::string bundled_model();

}  // namespace residua::tool
