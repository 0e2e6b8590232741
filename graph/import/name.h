// Names out of files: checked before they are kept, and made fit to print before they enter a message.
#pragma once

#include <string>
#include <string_view>

#include "graph/result.h"

namespace residua::graph {

// `name` in single quotes for a message: anything but printable ASCII becomes '?', long names are cut.
std::string in_quotes(std::string_view name);

// A tensor's name: 1 to 512 characters of printable ASCII. Messages and reports show it, so nothing else is let in.
Status check_tensor_name(std::string_view name);

}  // namespace residua::graph
