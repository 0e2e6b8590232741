// A graph or a plan for people and scripts: text, JSON, Graphviz.
#pragma once

#include <string>

#include "engine/plan.h"

namespace residua::engine {

enum class TextFormat { text, json, dot };

std::string describe(const graph::Graph& graph, TextFormat format);
// A plan's text is a table of its steps: implementation, output shape, arena offset and size.
std::string describe(const Plan& plan, TextFormat format);

}  // namespace residua::engine
