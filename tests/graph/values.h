// Short ways to write values and nodes for the tests of the graph.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "graph/interpret.h"
#include "graph/operators.h"

namespace residua::tests {

// Multiples of 1/4 between -5/4 and 5/4: products and small sums of them are exact in float.
inline graph::Value pattern(graph::Shape shape, std::int64_t salt) {
  std::vector<float> elements(static_cast<std::size_t>(graph::element_count(shape).value()));
  std::int64_t i = 0;
  for (float& element : elements) element = static_cast<float>((i++ * 7 + salt * 3) % 11 - 5) / 4;
  return {std::move(shape), std::move(elements)};
}

inline graph::Value floats(graph::Shape shape, std::vector<float> elements) {
  return {std::move(shape), std::move(elements)};
}

inline graph::Value integers(graph::Shape shape, std::vector<std::int64_t> elements) {
  return {std::move(shape), std::move(elements)};
}

// 0, 1, 2, ..
inline graph::Value counting(graph::Shape shape) {
  std::vector<std::int64_t> elements(static_cast<std::size_t>(graph::element_count(shape).value()));
  for (std::size_t i = 0; i < elements.size(); ++i) elements[i] = static_cast<std::int64_t>(i);
  return {std::move(shape), std::move(elements)};
}

inline graph::Node node_of(graph::Op op, graph::Attributes attributes) {
  graph::Node node;
  node.op = op;
  node.name = "tested";
  node.attributes = std::move(attributes);
  return node;
}
inline graph::Node node_of(graph::Op op) { return node_of(op, graph::info_of(op).default_attributes); }

inline graph::Result<graph::Value> try_interpret(const graph::Node& node,
                                                 const std::vector<const graph::Value*>& inputs) {
  return graph::interpret_node(node, inputs);
}

inline graph::Value interpreted(const graph::Node& node, const std::vector<const graph::Value*>& inputs) {
  graph::Result<graph::Value> result = try_interpret(node, inputs);
  REQUIRE_MESSAGE(result.ok(), result.error().message);
  return std::move(result).value();
}

inline void check_floats(const graph::Value& found, const graph::Shape& shape, const std::vector<float>& expected) {
  CHECK(graph::to_string(found.shape) == graph::to_string(shape));
  REQUIRE(found.floats().size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CHECK(found.floats()[i] == doctest::Approx(expected[i]).epsilon(1e-6));
  }
}

inline void check_integers(const graph::Value& found, const graph::Shape& shape,
                           const std::vector<std::int64_t>& expected) {
  CHECK(graph::to_string(found.shape) == graph::to_string(shape));
  CHECK(found.integers() == expected);
}

// The error's text holds every one of `parts`.
template <class R>
void check_error(const R& result, graph::ErrorCode code, const std::vector<std::string>& parts = {}) {
  REQUIRE(!result.ok());
  CAPTURE(result.error().message);
  CHECK(result.error().code == code);
  for (const std::string& part : parts) {
    CAPTURE(part);
    CHECK(result.error().message.find(part) != std::string::npos);
  }
}

}  // namespace residua::tests
