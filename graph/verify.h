// The invariants of a graph, checked after every import and every pass.
#pragma once

#include "graph/graph.h"

namespace residua::graph {

// Checks that ids are in range, nodes are in topological order, every tensor has at most one producer, inputs and
// outputs exist, arities and attributes fit the op, constants hold as many bytes as their shape says, and stored shapes
// equal the inferred ones. The error names the node or tensor.
Status verify(const Graph& graph);

}  // namespace residua::graph
