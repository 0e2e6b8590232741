// How the tests of the passes write graphs, run one pass and compare.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "graph/infer.h"
#include "graph/interpret.h"
#include "graph/pipeline.h"
#include "graph/text.h"
#include "graph/verify.h"

namespace residua::tests {

// A verified graph from the lines of its text. Shapes of node outputs are inferred: write them as [].
inline graph::Graph graph_of(const std::string& lines) {
  graph::Result<graph::Graph> parsed = graph::parse_text("graph \"tested\"\n" + lines);
  REQUIRE_MESSAGE(parsed.ok(), parsed.error().message);
  graph::Result<graph::Graph> inferred = graph::infer_shapes(std::move(parsed).value());
  REQUIRE_MESSAGE(inferred.ok(), inferred.error().message);
  const graph::Status status = graph::verify(*inferred);
  REQUIRE_MESSAGE(status.ok(), status.error().message);
  return std::move(inferred).value();
}

// The text without names, and without what constants hold.
inline std::string structure_of(graph::Graph graph) {
  graph.name.clear();
  for (graph::Tensor& tensor : graph.tensors) tensor.name.clear();
  for (graph::Node& node : graph.nodes) node.name.clear();
  return graph::to_text(graph, {0, false});
}

inline graph::Graph run_pass(std::string_view name, graph::Graph graph) {
  for (const graph::Pass& pass : graph::optimization_passes()) {
    if (pass.name != name) continue;
    graph = pass.run(std::move(graph));
    const graph::Status status = graph::verify(graph);
    REQUIRE_MESSAGE(status.ok(), status.error().message);
    return graph;
  }
  FAIL("there is no pass ", name);
  return graph;
}

// Seeded values for every input: 2 images for N, `size` for ?.
inline std::vector<graph::Value> random_inputs(const graph::Graph& graph, graph::Dimension size) {
  std::mt19937 generator(20151210);
  std::uniform_real_distribution<float> distribution(-1, 1);
  std::vector<graph::Value> inputs;
  for (const graph::TensorId id : graph.inputs) {
    graph::Shape shape = graph.tensor(id).shape;
    for (graph::Dimension& dimension : shape) {
      if (!graph::is_static(dimension)) dimension = dimension == graph::batch_dimension ? 2 : size;
    }
    std::vector<float> elements(static_cast<std::size_t>(graph::element_count(shape).value()));
    for (float& element : elements) element = distribution(generator);
    inputs.push_back({std::move(shape), std::move(elements)});
  }
  return inputs;
}

inline std::vector<graph::Value> outputs_of(const graph::Graph& graph, const std::vector<graph::Value>& inputs) {
  graph::Result<std::vector<graph::Value>> outputs = graph::interpret(graph, inputs);
  REQUIRE_MESSAGE(outputs.ok(), outputs.error().message);
  return std::move(outputs).value();
}

// Largest difference over largest magnitude, or over 0.01 where next to nothing is left of what cancelled out.
inline double relative_error(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  double difference = 0, magnitude = 0.01;
  for (std::size_t i = 0; i < found.size(); ++i) {
    REQUIRE(std::isfinite(expected[i]));
    REQUIRE(std::isfinite(found[i]));
    difference = std::max(difference, std::fabs(static_cast<double>(found[i]) - static_cast<double>(expected[i])));
    magnitude = std::max(magnitude, std::fabs(static_cast<double>(expected[i])));
  }
  return difference / magnitude;
}

// Both graphs give the same outputs for the same inputs.
inline void check_equivalent(const graph::Graph& found, const graph::Graph& expected, graph::Dimension size = 9) {
  const std::vector<graph::Value> inputs = random_inputs(expected, size);
  const std::vector<graph::Value> expected_outputs = outputs_of(expected, inputs);
  const std::vector<graph::Value> found_outputs = outputs_of(found, inputs);
  REQUIRE(found_outputs.size() == expected_outputs.size());
  for (std::size_t i = 0; i < found_outputs.size(); ++i) {
    CHECK(graph::to_string(found_outputs[i].shape) == graph::to_string(expected_outputs[i].shape));
    REQUIRE(found_outputs[i].elements.index() == expected_outputs[i].elements.index());
    if (found_outputs[i].elements.index() == 0) {
      CHECK(relative_error(found_outputs[i].floats(), expected_outputs[i].floats()) < 1e-5);
    } else {
      CHECK(found_outputs[i].integers() == expected_outputs[i].integers());
    }
  }
}

// The pass turns `before` into the structure of `after` (less what nobody needs), which computes the same; a second run
// changes nothing.
inline void check_pass(std::string_view name, const std::string& before, const std::string& after) {
  const graph::Graph original = graph_of(before);
  const graph::Graph result = run_pass(name, original);
  CHECK(structure_of(result) == structure_of(run_pass("remove_dead", graph_of(after))));
  check_equivalent(result, original);
  CHECK(graph::to_text(run_pass(name, result)) == graph::to_text(result));
}

// The pass finds nothing to do in `text` (less what nobody needs).
inline void check_unchanged(std::string_view name, const std::string& text) {
  const graph::Graph original = run_pass("remove_dead", graph_of(text));
  CHECK(graph::to_text(run_pass(name, original)) == graph::to_text(original));
}

inline std::size_t count_of(const graph::Graph& graph, graph::Op op) {
  return static_cast<std::size_t>(
      std::count_if(graph.nodes.begin(), graph.nodes.end(), [op](const graph::Node& node) { return node.op == op; }));
}

}  // namespace residua::tests
