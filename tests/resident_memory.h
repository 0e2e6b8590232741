// How much of a mapped file is in this process's memory.
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace residua::tests {

// In bytes, from /proc/self/smaps, over all mappings of `path`.
inline std::size_t resident_bytes(const std::filesystem::path& path) {
  std::ifstream maps("/proc/self/smaps");
  REQUIRE(maps);
  const std::string name = std::filesystem::canonical(path).string();
  std::size_t kilobytes = 0;
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::string key;
    std::size_t value = 0;
    words >> key;
    if (key.find('-') != std::string::npos && key.find(':') == std::string::npos) inside = line.ends_with(name);
    if (inside && key == "Rss:" && words >> value) kilobytes += value;
  }
  return kilobytes << 10;
}

}  // namespace residua::tests
