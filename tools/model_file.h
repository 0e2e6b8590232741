// From what --model says to a Model.
#pragma once

#include <optional>
#include <string>

#include "residua/residua.hpp"

namespace residua::tool {

// Loads a model file; or, where there is none at that path, the weights of that name that `residua pull` has fetched,
// with the preset of their catalogue. Throws ModelError.
Model open_model(const std::string& path, const LoadOptions& options = {});

// The same; what names neither, but a known architecture becomes that network with seeded random weights.
Model open_model_or_architecture(const std::string& name, const LoadOptions& options = {});

// A file of models/ that comes with Residua: in $RESIDUA_MODELS when that is set, else beside the installed
// program (../share/residua/models), else in the source tree that the program was built from.
std::optional<std::string> bundled_file(const std::string& name);
// The demonstration model among them. Throws ModelError.
std::string bundled_model();

}  // namespace residua::tool
