// A digest for golden files: 64-bit FNV-1a.
#pragma once

#include <cstdint>
#include <span>

namespace residua::tests {

inline std::uint64_t fnv1a(std::span<const std::uint8_t> bytes) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3u;
  return hash;
}

}  // namespace residua::tests
