// Weights that are no numbers.
#pragma once

#include <string>

#include "graph/graph.h"

namespace residua::engine {

// Writes to the log which weights of `network` hold infinities or NaN, and where: a file may mean them, but is more
// likely damaged or trained to no end. Reads all of them once, and gives mapped pages back.
void report_odd_weights(const std::string& model, const graph::Graph& network);

}  // namespace residua::engine
