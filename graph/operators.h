// What every op is: its name, how many inputs it takes, which attributes it holds. One table, read by all.
#pragma once

#include <string_view>

#include "graph/graph.h"

namespace residua::graph {

struct OperatorInfo {
  Op op;
  std::string_view name;  // in the text form
  int min_inputs;
  int max_inputs;  // -1: any number
  Attributes default_attributes;
};

const OperatorInfo& info_of(Op op);
// nullptr for an unknown name
const OperatorInfo* find_operator(std::string_view name);

}  // namespace residua::graph
