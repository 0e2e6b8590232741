// The reference: every op of the graph, written for obviousness, with sums in double. Slow on purpose.
#pragma once

#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "graph/graph.h"

namespace residua::graph {

// A dense row-major tensor with its values; floating-point types are held as float, integers and booleans as int64.
struct Value {
  Shape shape;  // fully static
  std::variant<std::vector<float>, std::vector<std::int64_t>> elements;

  const std::vector<float>& floats() const { return std::get<0>(elements); }
  const std::vector<std::int64_t>& integers() const { return std::get<1>(elements); }
};

// Runs one node on concrete inputs (nullptr for one that is left out). Errors as infer().
Result<Value> interpret_node(const Node& node, std::span<const Value* const> inputs);

// Runs the whole graph; `inputs` as many as the graph has, their shapes within what it declares. Returns the outputs.
Result<std::vector<Value>> interpret(const Graph& graph, std::span<const Value> inputs);

Value value_of(const Tensor& constant);
Tensor constant_of(const Value& value, std::string name);

}  // namespace residua::graph
