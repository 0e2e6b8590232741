// Which instructions this CPU has, and the instruction-set tiers that kernels are compiled for.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace residua::kernels {

// Tiers in rising order; each includes all below it. A source file's suffix, its compiler flags and its tier are one
// thing: _sse2 (x86-64), _avx2 (x86-64-v3, with FMA), _avx512 (x86-64-v4: F, BW, CD, DQ, VL), _amx (that, and AMX
// with bf16).
enum class InstructionSet { sse2, avx2, avx512, amx };

std::span<const InstructionSet> all_instruction_sets();
std::string_view name_of(InstructionSet set);
// "avx2" -> avx2; names of tiers that exist elsewhere (avx512_bf16, ...) give the highest tier below them; nullopt for
// others.
std::optional<InstructionSet> parse_instruction_set(std::string_view name);

struct CpuFeatures {
  bool avx2 = false;    // everything x86-64-v3 promises, and the operating system saves the registers
  bool avx512 = false;  // everything x86-64-v4 promises, likewise
  bool amx = false;     // that, AMX-TILE and AMX-BF16, and the system lets this process use the tile registers
  // Two multiply-adds of 512 bits start in a cycle. Said of all Intel's: true of its servers, not of its laptops.
  bool two_wide_units = false;
};

// With a `cap` of amx it asks Linux for the tile registers, for all threads of the process, which saves them where they
// are in use. From then on sigaltstack refuses stacks that are too small for them (sysconf(_SC_MINSIGSTKSZ)).
CpuFeatures detect_cpu(InstructionSet cap = InstructionSet::amx);

// The best tier of `cpu`, not above `cap`.
InstructionSet best_instruction_set(const CpuFeatures& cpu, InstructionSet cap);

}  // namespace residua::kernels
