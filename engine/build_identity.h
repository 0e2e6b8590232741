// Which build of this library runs, on which instruction set.
#pragma once

#include <string>

namespace residua::engine {

// Equal where packed weights of the same layout name are the same bytes: version, the linker's build id (or, without
// one, the compiler) and the instruction set in use.
const std::string& build_identity();

}  // namespace residua::engine
