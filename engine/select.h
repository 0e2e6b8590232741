// Which implementation runs a node.
#pragma once

#include <string>
#include <vector>

#include "engine/steps/step.h"

namespace residua::engine {

// Every implementation of `op`, best first; the interpreter, which takes all, stands last.
std::vector<Implementation> candidates(graph::Op op);

// A candidate that was passed over, and why.
struct Rejection {
  std::string implementation;
  std::string reason;
};

struct Selection {
  Step step;
  std::vector<Rejection> rejections;
};

// Makes the step of the first candidate that takes the node.
Selection select(const StepRequest& request);

}  // namespace residua::engine
