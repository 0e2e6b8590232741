#include "engine/cpu_budget.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace residua::engine {
namespace {

int cpus_in_affinity_mask() {
  // The kernel's mask can be wider than cpu_set_t on large machines: grow until it fits.
  for (int cpus = 1024; cpus <= (1 << 20); cpus *= 4) {
    cpu_set_t* set = CPU_ALLOC(cpus);
    if (set == nullptr) break;
    const std::size_t size = CPU_ALLOC_SIZE(cpus);
    CPU_ZERO_S(size, set);
    const bool known = sched_getaffinity(0, size, set) == 0;
    const int count = known ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (known) return std::max(count, 1);
  }
  return 1;
}

// Path of this process's cgroup for `controller` ("" is version 2's only hierarchy), as /proc/self/cgroup has it.
std::optional<std::string> own_cgroup(const std::string& controller) {
  std::ifstream file("/proc/self/cgroup");
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

std::optional<double> cgroup_quota() {
  const std::string root = "/sys/fs/cgroup";
  std::optional<double> best;
  const auto narrow = [&](std::optional<double> quota) {
    if (quota && (!best || *quota < *best)) best = quota;
  };
  narrow(tightest(root, own_cgroup("").value_or(""), version2_quota));
  for (const char* folder : {"/cpu", "/cpu,cpuacct"})
    narrow(tightest(root + folder, own_cgroup("cpu").value_or(""), version1_quota));
  return best;
}

}  // namespace

int cpu_budget() {
  const int cpus = cpus_in_affinity_mask();
  const auto quota = cgroup_quota();
  if (!quota) return cpus;
  return std::clamp(static_cast<int>(std::ceil(std::min(*quota, 1e6))), 1, cpus);
}

int threads_within_budget(int asked) {
  const int budget = cpu_budget();
  return asked <= 0 ? budget : std::min(asked, budget);
}

}  // namespace residua::engine
