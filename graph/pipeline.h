// The passes, in order, and their driver.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "graph/graph.h"

namespace residua::graph {

// A pass has no state and no side effect. It may assume a verified graph and must return one with the same outputs for
// the same inputs (up to rounding).
struct Pass {
  std::string_view name;
  std::string_view promise;  // one line: what holds afterwards
  Graph (*run)(Graph);
};

std::span<const Pass> optimization_passes();

// Sees the graph before the first pass ("imported") and after each pass that changed it.
using PassObserver = std::function<void(std::string_view stage, const Graph& graph)>;

// Runs all passes, verify() after each; a pass that breaks an invariant is reported by its name as an internal error.
Result<Graph> optimize(Graph graph, const PassObserver& observer = {});

}  // namespace residua::graph
