// Which implementation runs a node.
#pragma once

#include <string>
#include <vector>

#include "engine/steps/step.h"

namespace residua::engine {

class Tuner;
class WeightAllotment;

// Every implementation of `op`, best first; the interpreter, which takes all, stands last.
std::vector<Implementation> candidates(graph::Op op);

// What selection heeds beside the shape rules.
struct SelectionOptions {
  const WeightAllotment* allotment = nullptr;  // nullptr: no limit on memory
  Tuner* tuner = nullptr;                      // nullptr: nothing is measured
  bool direct = false;  // no convolution by transforms or on tile registers; of a program, its key says so
  const std::function<void()>* step_made = nullptr;  // called after each step of a plan
};

// A candidate that does not run the node, and why.
struct Rejection {
  std::string implementation;
  std::string reason;
};

struct Selection {
  Step step;
  std::vector<Rejection> rejections;  // of all other candidates, in their order
};

// Makes the step of the first candidate that takes the node and that nothing speaks against; with a tuner, of the
// convolution that was measured to be fastest.
Selection select(const StepRequest& request, const SelectionOptions& options = {});

}  // namespace residua::engine
