// Small integer tensors whose entries may be the batch size or not known: what shape arithmetic computes with.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "graph/graph.h"

namespace residua::graph {

// Kept apart from Dimension, whose symbols are values that integers in a file can have too.
struct SymbolicInteger {
  enum class Kind : std::uint8_t { number, batch, unknown };
  Kind kind = Kind::unknown;
  std::int64_t number = 0;

  bool is_number() const { return kind == Kind::number; }
};

struct SymbolicTensor {
  Shape shape;  // static
  std::vector<SymbolicInteger> entries;

  bool is_known() const;                      // every entry is a number
  std::vector<std::int64_t> numbers() const;  // of a known tensor
};

// Larger tensors are not shapes.
inline constexpr std::int64_t most_symbolic_entries = 64;

SymbolicTensor symbolic_numbers(const Shape& shape, const std::vector<std::int64_t>& numbers);
// The dimensions of a tensor, as shape_of gives them.
SymbolicTensor symbolic_shape(const Shape& shape);

// What `node` makes of its inputs (nullptr where one is left out or not known). nullopt for ops that shape arithmetic
// does not use, and where the node fails or makes more than most_symbolic_entries.
std::optional<SymbolicTensor> evaluate_symbolically(const Node& node, std::span<const SymbolicTensor* const> inputs);

}  // namespace residua::graph
