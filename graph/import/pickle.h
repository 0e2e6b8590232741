// Python pickles as data. Nothing is executed: the reader is a stack machine whose every result is a plain value, and a
// call is written down, not made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "graph/import/pickle_globals.h"
#include "graph/result.h"

namespace residua::graph {

using PickleId = std::uint32_t;  // index into Pickle::values

struct PickleNone {};
struct PickleBytes {
  std::string_view bytes;
};
// An integer beyond 64 bits: two's complement, little-endian.
struct PickleLong {
  std::string_view bytes;
};
struct PickleTuple {
  std::vector<PickleId> items;
};
struct PickleList {  // sets too
  std::vector<PickleId> items;
};
struct PickleDictionary {
  std::vector<std::pair<PickleId, PickleId>> items;  // in the order set; a key set twice stands twice
};
struct PickleCall {
  const PickleGlobal* function = nullptr;
  PickleId arguments = 0;  // a tuple
};
struct PicklePersistent {
  PickleId id = 0;
};

using PickleValue =
    std::variant<PickleNone, bool, std::int64_t, double, PickleLong, std::string_view, PickleBytes, PickleTuple,
                 PickleList, PickleDictionary, const PickleGlobal*, PickleCall, PicklePersistent>;

// All values that a pickle made, referring to each other by index: sharing costs nothing, a list that contains itself
// leaks nothing, and depth needs no recursion. Texts point into the pickle's bytes, which must outlive it.
struct Pickle {
  std::vector<PickleValue> values;
  PickleId root = 0;

  template <class T>
  const T* get(PickleId id) const {
    return std::get_if<T>(&values[id]);
  }
};

// "a list", "the integer 7": for messages
std::string describe(const Pickle& pickle, PickleId id);

// Reads the pickle that starts at `position` of `bytes` and moves `position` past it. Protocols 2 to 5.
// Bounded by the limits pickle_values, pickle_depth and pickle_instructions. Errors name the byte offset in `bytes`.
Result<Pickle> read_pickle(std::span<const std::byte> bytes, std::size_t& position);

}  // namespace residua::graph
