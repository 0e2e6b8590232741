// Named tensors -> the network they belong to.
#pragma once

#include <string>

#include "graph/import/import.h"

namespace residua::graph {

// The network is the one that `options` names, else metadata's `arch`, else what the tensors' names and shapes
// describe; the number of classes comes from the tensors. A prefix that all names share ("module.") is taken off first.
Result<ImportedModel> model_of_weights(WeightFile file, std::string format, const ImportOptions& options);

// `name` as a known architecture; the error lists those there are. `source` says who named it.
Result<std::string> check_architecture(const std::string& name, const std::string& source);

}  // namespace residua::graph
