// The JSON header of a safetensors file, as far as the text alone can be judged.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "graph/tensor.h"

namespace residua::graph {

struct SafetensorsEntry {
  std::string name;
  ElementType type = ElementType::float32;
  Shape shape;              // all dimensions >= 0
  std::uint64_t begin = 0;  // bytes from the end of the header
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in the header's order, names unique
  std::map<std::string, std::string> metadata;
};

// Reads the header's text. Refused: anything but one object of tensors with dtype, shape and data_offsets (and the
// string map __metadata__), a key given twice, an unknown key, an element type that the graph does not have. Offsets
// are not compared with anything. Memory is bounded by a small multiple of the text, nesting by the format's three
// levels.
Result<SafetensorsHeader> parse_safetensors_header(std::span<const std::byte> text);

}  // namespace residua::graph
