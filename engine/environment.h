// The settings that come from environment variables, read once when the library is first used. RESIDUA_LIMITS goes to
// graph/input_limits.h then.
#pragma once

#include <filesystem>
#include <string>

#include "kernels/table.h"

namespace residua::engine {

struct Environment {
  kernels::InstructionSet max_instruction_set = kernels::InstructionSet::amx;  // RESIDUA_MAX_ISA
  bool verbose_dispatch = false;                                               // RESIDUA_VERBOSE contains "dispatch"
  bool verbose_profile = false;                                                // RESIDUA_VERBOSE contains "profile"
  std::filesystem::path dump_graph;    // RESIDUA_DUMP_GRAPH: a folder; empty: off
  std::filesystem::path cache_folder;  // residua in XDG_CACHE_HOME, else in HOME/.cache; empty: neither is set
  std::string complaint;               // values that mean nothing, one a line; "" when all is well
};

const Environment& environment();

// The kernels for this CPU under RESIDUA_MAX_ISA; oneDNN is capped alike when this is first called.
const kernels::KernelTable& kernel_table();

}  // namespace residua::engine
