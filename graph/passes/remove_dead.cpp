#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace residua::graph {

// Goes first, because a node that nobody needs would still count as a reader of its inputs.
Graph remove_dead(Graph graph) { return without_dead(std::move(graph)); }

}  // namespace residua::graph
