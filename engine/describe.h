// A graph or a plan for people and scripts: text, JSON, Graphviz.
#pragma once

#include <string>

#include "engine/program.h"

namespace residua::engine {

enum class TextFormat { text, json, dot };

std::string describe(const graph::Graph& graph, TextFormat format);
// A plan's text is a table of its steps: implementation, output shape, arena offset and size.
std::string describe(const Plan& plan, TextFormat format);
// A program's text is that of its segments one after the other; its JSON holds them as a list.
std::string describe(const Program& program, TextFormat format);

}  // namespace residua::engine
