// Files that a model file, or what lies beside it, names: they stay in the model's folder.
#pragma once

#include <filesystem>
#include <string_view>

#include "graph/result.h"

namespace residua::graph {

// The file of that name, relative to `folder`, with every symbolic link on the way followed. Refused: absolute names,
// names with "..", and links that lead out of the folder. Errors start with the name; they say `io` where there is no
// such file. (A folder whose files somebody changes meanwhile is not a model's to defend.)
Result<std::filesystem::path> path_in_folder(const std::filesystem::path& folder, std::string_view name);

}  // namespace residua::graph
