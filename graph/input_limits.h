// What files that strangers wrote may ask for: one table of bounds, all of them checked before memory is taken.
//
// A bound holds for the whole process. It starts as the table says; RESIDUA_LIMITS and residua_set_limit change it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "graph/result.h"

namespace residua::graph {

enum class Limit {
  file_bytes,
  external_files,
  nodes,
  tensors,
  entries,
  rank,
  name_bytes,
  header_bytes,
  array_header_bytes,
  pickle_bytes,
  pickle_values,
  pickle_depth,
  pickle_instructions,
  zip_entries,
  zip_ratio,
  conversion_ratio,
  tensor_elements,
  random_elements,
  activation_elements,
  arena_bytes,
  sidecar_bytes,
  json_depth,
  tuning_bytes,
  image_bytes,
  image_pixels,
  image_scans,
  resized_pixels,
};

struct LimitInfo {
  Limit limit;
  std::string_view name;     // "nodes"
  std::uint64_t initial;     // far above what real files need
  std::uint64_t highest;     // what the code behind it can take
  std::string_view bounded;  // what it counts
};

// In the order of the enumeration.
std::span<const LimitInfo> all_limits();
const LimitInfo& info_of(Limit limit);

// Safe while others set it.
std::uint64_t value_of(Limit limit);

// invalid_argument: no limit has that name, or the value is 0 or beyond the highest.
Status set_limit(std::string_view name, std::uint64_t value);
Result<Limit> find_limit(std::string_view name);

// "nodes=200000,zip_ratio=100": all of it, or nothing and an error.
Status set_limits(std::string_view text);

// An error where `found` is more than the limit. It says `where`, what was found, the bound, and how to raise it.
Status check_limit(Limit limit, std::uint64_t found, std::string_view where);
// The same of `taken` units for each of `held`, the first `free` not counted.
Status check_ratio(Limit limit, std::uint64_t taken, std::uint64_t free, std::uint64_t held, std::string_view where);
// A sum that stays at the largest number instead of beginning anew.
std::uint64_t saturating_sum(std::uint64_t a, std::uint64_t b);
Error over_limit(Limit limit, std::uint64_t found, std::string_view where);

}  // namespace residua::graph
