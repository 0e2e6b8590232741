// How many CPUs this process may use.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

namespace residua::engine {

// The affinity mask of the calling thread: CPU i is bit i % 64 of word i / 64.
using CpuMask = std::vector<unsigned long>;
CpuMask affinity_mask();
int count_of(const CpuMask& mask);

// CPUs that the process's cgroup and those above it allow, versions 1 and 2, e.g. 1.5; nothing where there is no limit.
// `root` is where proc and sys are.
std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

// min(cpus, quota rounded up), at least 1.
int budget_of(int cpus, std::optional<double> quota);

// The same of the calling thread's affinity mask and the cgroup.
int cpu_budget();

// `asked` 0: the whole budget; never more than the budget, never less than 1.
int threads_within_budget(int asked);

}  // namespace residua::engine
