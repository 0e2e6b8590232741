// What /proc tells of this process. For programs on Linux, without any of ours.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace residua::tests {

inline std::size_t entries_of(const char* folder) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}
inline std::size_t thread_count() { return entries_of("/proc/self/task"); }
inline std::size_t descriptor_count() { return entries_of("/proc/self/fd"); }

// Mappings of files whose name has `part` in it; "" counts all mappings.
inline std::size_t mapping_count(const std::string& part = "") {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find(part) != std::string::npos;
  return count;
}

inline std::size_t resident_bytes_of_process() {
  std::ifstream statm("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

// Of all threads together.
inline double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// "thread: nanoseconds" for each thread, so that a check of the above says whose time it was.
inline std::string processor_time_by_thread() {
  std::string text;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string nanoseconds;
    std::ifstream(task.path() / "schedstat") >> nanoseconds;
    text += (text.empty() ? "" : ", ") + task.path().filename().string() + ": " + nanoseconds;
  }
  return text;
}

// How often a test repeats: `in_short`, or `in_long` where RESIDUA_SOAK is set (tests/soak/run.sh).
inline long repeats(long in_short, long in_long) { return std::getenv("RESIDUA_SOAK") != nullptr ? in_long : in_short; }

}  // namespace residua::tests
