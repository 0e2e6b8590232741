// Models whose answers are averaged.
#pragma once

#include <string>
#include <vector>

#include "residua/residua.hpp"

namespace residua::tool {

// Loads the models of `paths`, at least one, and checks that they take RGB images and know the same classes: as many,
// and of the same names where both have names. Throws ModelError.
std::vector<Model> open_ensemble(const std::vector<std::string>& paths, const LoadOptions& options);

// The first of them that has labels, else the first.
const Model& labelled_model(const std::vector<Model>& models);

}  // namespace residua::tool
