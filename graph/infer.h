// Shape inference: the type and shape of a node's output from its inputs.
#pragma once

#include "graph/graph.h"

namespace residua::graph {

struct TensorType {
  ElementType type = ElementType::float32;
  Shape shape;
  friend bool operator==(const TensorType&, const TensorType&) = default;
};

// What `node` makes of its inputs. Symbolic dimensions go in and come out; a size that depends on an unknown one is
// unknown. Errors name the node, what was found and what was expected (shapes that do not fit, groups that do not
// divide, windows larger than the padded image, arithmetic that leaves int64).
Result<TensorType> infer(const Graph& graph, const Node& node);

// Recomputes type and shape of every node's output, first to last. Call it when a graph input's shape has changed or a
// graph has been built without output shapes.
Result<Graph> infer_shapes(Graph graph);

// `graph` with input 0 set to `input_shape` (fully static) and all shapes inferred again; an error where the network
// does not take such an input.
Result<Graph> with_input_shape(Graph graph, const Shape& input_shape);

}  // namespace residua::graph
