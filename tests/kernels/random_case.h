// What the kernel tests share: the tiers of this CPU, seeded random numbers, and how to repeat a failing case.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "kernels/table.h"

inline std::vector<residua::kernels::KernelTable> tables_of_this_cpu() {
  using namespace residua::kernels;
  std::vector<KernelTable> tables;
  const CpuFeatures cpu = detect_cpu();
  for (InstructionSet set : all_instruction_sets())
    if (best_instruction_set(cpu, set) == set) tables.push_back(make_kernel_table(cpu, set));
  return tables;
}

// 0 .. count - 1, or the one of the environment variable RESIDUA_KERNEL_SEED.
inline std::vector<unsigned> seeds(unsigned count) {
  if (const char* text = std::getenv("RESIDUA_KERNEL_SEED"))
    return {static_cast<unsigned>(std::strtoul(text, nullptr, 10))};
  std::vector<unsigned> all(count);
  for (unsigned seed = 0; seed < count; ++seed) all[seed] = seed;
  return all;
}

// The command that runs the current test case with this seed alone; print it with INFO.
inline std::string repeat_command(unsigned seed) {
  return "to repeat: RESIDUA_KERNEL_SEED=" + std::to_string(seed) + " build/tests/kernels/test_kernels --test-case='" +
         doctest::getContextOptions()->currentTest->m_name + "'";
}

// check(table, random) on every tier with every seed; what fails says on which and how to repeat it.
template <class Check>
void for_each_seed(unsigned count, const Check& check) {
  for (const residua::kernels::KernelTable& table : tables_of_this_cpu()) {
    const std::string tier(name_of(table.instruction_set));
    CAPTURE(tier);
    for (const unsigned seed : seeds(count)) {
      INFO(repeat_command(seed));
      std::mt19937 random(seed);
      check(table, random);
    }
  }
}

inline std::int64_t pick(std::mt19937& random, std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(random);
}

inline bool coin(std::mt19937& random) { return pick(random, 0, 1) == 1; }

// One below, around or between multiples of every tier's lanes, `most` at most.
inline std::int64_t pick_channels(std::mt19937& random, std::int64_t most) {
  constexpr std::int64_t awkward[] = {1, 3, 5, 8, 15, 16, 17, 31, 33, 64, 65};
  const std::int64_t channels = coin(random) ? awkward[pick(random, 0, 10)] : pick(random, 1, most);
  return channels < most ? channels : most;
}

inline std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }
