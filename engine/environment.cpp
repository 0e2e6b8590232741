#include "engine/environment.h"

#include <cstdlib>
#include <oneapi/dnnl/dnnl.hpp>
#include <string_view>

#include "graph/input_limits.h"

namespace residua::engine {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Environment read_environment() {
  Environment result;
  if (const auto cap = variable("RESIDUA_MAX_ISA"); !cap.empty()) {
    if (const auto set = kernels::parse_instruction_set(cap))
      result.max_instruction_set = *set;
    else
      result.complaint += "RESIDUA_MAX_ISA is '" + std::string(cap) + "', expected sse2, avx2, avx512 or amx\n";
  }
  for (std::string_view rest = variable("RESIDUA_VERBOSE"); !rest.empty();) {
    const auto comma = rest.find(',');
    const auto word = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    if (word == "dispatch")
      result.verbose_dispatch = true;
    else if (word == "profile")
      result.verbose_profile = true;
    else if (!word.empty())
      result.complaint += "RESIDUA_VERBOSE holds '" + std::string(word) + "', expected dispatch, profile or both\n";
  }
  if (const graph::Status set = graph::set_limits(variable("RESIDUA_LIMITS")); !set)
    result.complaint += "RESIDUA_LIMITS is not taken: " + set.error().message + "\n";
  if (!result.complaint.empty()) result.complaint.pop_back();
  result.dump_graph = variable("RESIDUA_DUMP_GRAPH");
  // Relative paths do not count, says the XDG base directory specification.
  if (const std::filesystem::path cache = variable("XDG_CACHE_HOME"); cache.is_absolute())
    result.cache_folder = cache / "residua";
  else if (const std::filesystem::path home = variable("HOME"); home.is_absolute())
    result.cache_folder = home / ".cache" / "residua";
  return result;
}

void cap_onednn(kernels::InstructionSet set) {
  // oneDNN's lowest step is SSE4.1. It refuses once it has looked at the CPU: then a host has set it already, and its
  // choice stands.
  switch (set) {
    case kernels::InstructionSet::sse2:
      static_cast<void>(dnnl_set_max_cpu_isa(dnnl_cpu_isa_sse41));
      break;
    case kernels::InstructionSet::avx2:
      static_cast<void>(dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2));
      break;
    case kernels::InstructionSet::avx512:
      static_cast<void>(dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core));
      break;
    case kernels::InstructionSet::amx:
      break;
  }
}

}  // namespace

const Environment& environment() {
  static const Environment value = read_environment();
  return value;
}

const kernels::KernelTable& kernel_table() {
  static const kernels::KernelTable table = [] {
    cap_onednn(environment().max_instruction_set);
    const kernels::InstructionSet cap = environment().max_instruction_set;
    return kernels::make_kernel_table(kernels::detect_cpu(cap), cap);
  }();
  return table;
}

}  // namespace residua::engine
