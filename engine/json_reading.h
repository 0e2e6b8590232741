// JSON that somebody else wrote.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "graph/input_limits.h"
#include "graph/result.h"

namespace residua::engine {

// The value that `text` holds. Its size (at most `size`) and how deep it nests (json_depth) are judged before anything
// is built of it: nlohmann writes a value out, for a message, by a recursion that no stack may be deep enough for.
// Errors start with `where`.
graph::Result<nlohmann::json> read_json(std::string_view text, graph::Limit size, const std::string& where);

}  // namespace residua::engine
