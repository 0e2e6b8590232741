// The passes, in order, and their driver.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "graph/graph.h"

namespace residua::graph {

// A pass has no state and no side effect. It may assume a verified graph and must return one with the same outputs for
// the same inputs (up to rounding). One pass changes what an input looks like: canonical_input_layout, NHWC to NCHW.
struct Pass {
  std::string_view name;
  std::string_view promise;  // one line: what holds afterwards
  Graph (*run)(Graph);
};

std::span<const Pass> optimization_passes();

// Sees the graph before the first pass ("imported") and after each pass that changed it.
using PassObserver = std::function<void(std::string_view stage, const Graph& graph)>;

// Runs the passes in order, and again until none changes anything (at most a few rounds), verify() after each. A pass
// that breaks an invariant is reported by its name as an internal error.
Result<Graph> run_passes(std::span<const Pass> passes, Graph graph, const PassObserver& observer = {});

// run_passes with optimization_passes(). What it makes of a network it leaves as it is when run again.
Result<Graph> optimize(Graph graph, const PassObserver& observer = {});

}  // namespace residua::graph
