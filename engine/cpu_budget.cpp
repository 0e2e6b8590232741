#include "engine/cpu_budget.h"

#include <sched.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace residua::engine {
namespace {

// Path of this process's cgroup for `controller` ("" is version 2's only hierarchy), as /proc/self/cgroup has it.
std::optional<std::string> own_cgroup(const std::string& root, const std::string& controller) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // hierarchy:controllers:path
    const auto first = line.find(':');
    const auto second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos) continue;
    std::istringstream controllers(line.substr(first + 1, second - first - 1));
    if (controller.empty() && second == first + 1) return line.substr(second + 1);
    for (std::string name; std::getline(controllers, name, ',');)
      if (name == controller && !controller.empty()) return line.substr(second + 1);
  }
  return std::nullopt;
}

// CPUs that a quota allows, e.g. 1.5; nothing where there is none.
std::optional<double> version2_quota(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");  // "max 100000" or "150000 100000"
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return std::nullopt;
  std::istringstream text(quota);
  double value = 0;
  return text >> value && value > 0 ? std::optional(value / period) : std::nullopt;
}

std::optional<double> version1_quota(const std::string& folder) {
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us"), period_file(folder + "/cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

// The tightest quota from the process's own group up to the root: a parent's limit binds its children.
std::optional<double> tightest(const std::string& root, std::string group,
                               std::optional<double> (*read)(const std::string&)) {
  std::optional<double> best;
  for (;;) {
    const auto quota = read(root + group);
    if (quota && (!best || *quota < *best)) best = quota;
    const auto slash = group.rfind('/');
    if (slash == std::string::npos) return best;
    group.resize(slash);
  }
}

}  // namespace

CpuMask affinity_mask() {
  // The kernel's mask can be wider than cpu_set_t on large machines: grow until it fits.
  for (std::size_t words = 16; words <= (1 << 14); words *= 4) {
    CpuMask mask(words, 0);
    if (sched_getaffinity(0, words * sizeof(unsigned long), reinterpret_cast<cpu_set_t*>(mask.data())) == 0)
      return mask;
  }
  return {1};
}

int count_of(const CpuMask& mask) {
  int count = 0;
  for (unsigned long word : mask) count += std::popcount(word);
  return count;
}

std::optional<double> cpu_quota(const std::filesystem::path& root) {
  const std::string proc = root.string(), groups = (root / "sys/fs/cgroup").string();
  std::optional<double> best;
  const auto narrow = [&](std::optional<double> quota) {
    if (quota && (!best || *quota < *best)) best = quota;
  };
  narrow(tightest(groups, own_cgroup(proc, "").value_or(""), version2_quota));
  for (const char* folder : {"/cpu", "/cpu,cpuacct", "/cpuacct,cpu"})
    narrow(tightest(groups + folder, own_cgroup(proc, "cpu").value_or(""), version1_quota));
  return best;
}

int budget_of(int cpus, std::optional<double> quota) {
  if (quota) cpus = std::min(cpus, static_cast<int>(std::ceil(std::min(*quota, 1e6))));
  return std::max(cpus, 1);
}

int cpu_budget() { return budget_of(count_of(affinity_mask()), cpu_quota()); }

int threads_within_budget(int asked) {
  const int budget = cpu_budget();
  return asked <= 0 ? budget : std::min(asked, budget);
}

}  // namespace residua::engine
