#include "kernels/cpu.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

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
    {"amx", InstructionSet::amx},
}};

constexpr std::array<InstructionSet, 4> tiers{InstructionSet::sse2, InstructionSet::avx2, InstructionSet::avx512,
                                              InstructionSet::amx};

// Bits of the instruction that describes the CPU, leaf 7, and the request of Linux: from their manuals.
bool has_tiles() {
  constexpr unsigned amx_bf16 = 1U << 22, amx_tile = 1U << 24;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  if ((edx & amx_bf16) == 0 || (edx & amx_tile) == 0) return false;
  // Fails where the system does not save tile registers, or a thread's signal stack has no room for them.
  constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

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

CpuFeatures detect_cpu(InstructionSet cap) {
  // The compiler's run-time test also asks the operating system (XGETBV) whether it saves the wide registers.
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                  __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  return {.avx2 = v3,
          .avx512 = v4,
          .amx = v4 && cap >= InstructionSet::amx && has_tiles(),
          .two_wide_units = v4 && __builtin_cpu_is("intel")};
}

InstructionSet best_instruction_set(const CpuFeatures& cpu, InstructionSet cap) {
  if (cpu.amx && cap >= InstructionSet::amx) return InstructionSet::amx;
  if (cpu.avx512 && cap >= InstructionSet::avx512) return InstructionSet::avx512;
  if (cpu.avx2 && cap >= InstructionSet::avx2) return InstructionSet::avx2;
  return InstructionSet::sse2;
}

}  // namespace residua::kernels
