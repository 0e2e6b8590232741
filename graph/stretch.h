// Cutting a graph where a single tensor is carried on: between residual blocks, for instance.
#pragma once

#include <cstddef>
#include <vector>

#include "graph/graph.h"

namespace residua::graph {

// The positions p, rising, such that nodes p and following need nothing of the nodes before but the output of node
// p - 1, a floating-point tensor of four dimensions that is no output of the graph. Neither 0 nor the end are among
// them.
std::vector<std::size_t> places_to_cut(const Graph& graph);

// Nodes [first, end) as a graph of its own. Its input is the output of node first - 1 (the graph's own inputs for
// first = 0). Its outputs are that of node end - 1, which is carried on (not where `end` is the end), then those of the
// graph's outputs that these nodes make, in the graph's order. Both must be ends or places to cut. Constants are
// shared.
Graph stretch_of(const Graph& graph, std::size_t first, std::size_t end);

}  // namespace residua::graph
