#include "kernels/cpu.h"

#include <array>

namespace residua::kernels {
namespace {

struct TierName {
  std::string_view name;
  InstructionSet set;
};

constexpr std::array<TierName, 6> tier_names{{
    {"sse2", InstructionSet::sse2},
    {"avx2", InstructionSet::avx2},
    {"avx512", InstructionSet::avx512},
    {"avx512_vnni", InstructionSet::avx512},
    {"avx512_bf16", InstructionSet::avx512},
    {"amx", InstructionSet::avx512},
}};

constexpr std::array<InstructionSet, 3> tiers{InstructionSet::sse2, InstructionSet::avx2, InstructionSet::avx512};

}  // namespace

std::span<const InstructionSet> all_instruction_sets() { return tiers; }

std::string_view name_of(InstructionSet set) {
  for (const TierName& tier : tier_names)
    if (tier.set == set) return tier.name;
  return "unknown";
}

std::optional<InstructionSet> parse_instruction_set(std::string_view name) {
  for (const TierName& tier : tier_names)
    if (tier.name == name) return tier.set;
  return std::nullopt;
}

CpuFeatures detect_cpu() {
  // The compiler's run-time test also asks the operating system (XGETBV) whether it saves the wide registers.
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                  __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  return {.avx2 = v3, .avx512 = v4, .two_wide_units = v4 && __builtin_cpu_is("intel")};
}

InstructionSet best_instruction_set(const CpuFeatures& cpu, InstructionSet cap) {
  if (cpu.avx512 && cap >= InstructionSet::avx512) return InstructionSet::avx512;
  if (cpu.avx2 && cap >= InstructionSet::avx2) return InstructionSet::avx2;
  return InstructionSet::sse2;
}

}  // namespace residua::kernels
