// The names that a pickle may mention: what Residua takes each for. None of them is ever looked up or called.
#pragma once

#include <cstdint>
#include <string_view>

#include "graph/tensor.h"

namespace residua::graph {

enum class PickleRole : std::uint8_t {
  storage,     // a storage class; `type` is its element type
  tensor,      // builds a tensor from (storage, offset, sizes, strides, ...)
  parameter,   // wraps a tensor: its first argument
  dictionary,  // makes a dict
  plain,       // harmless data beside the weights; recorded, never interpreted
};

struct PickleGlobal {
  std::string_view module;
  std::string_view name;
  PickleRole role = PickleRole::plain;
  ElementType type = ElementType::float32;
};

// nullptr for a name that is not on the list.
const PickleGlobal* find_pickle_global(std::string_view module, std::string_view name);

}  // namespace residua::graph
