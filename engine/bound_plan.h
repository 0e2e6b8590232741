// A plan with memory of its own: ready to run, on one call at a time.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/plan.h"

namespace residua::engine {

class BoundPlan {
 public:
  // Takes another plan, whose phases will be run by up to `workers` workers. Memory that is large enough is kept.
  void bind(std::shared_ptr<const Plan> plan, int workers);

  const std::shared_ptr<const Plan>& plan() const { return plan_; }
  std::span<const Phase> phases() const { return phases_; }
  // The phases of one step.
  std::span<const Phase> phases_of(std::size_t step) const {
    return std::span(phases_).subspan(first_phase_[step], first_phase_[step + 1] - first_phase_[step]);
  }
  float* address(graph::TensorId id) const { return binding_.address(id); }
  float* input() const { return address(plan_->graph.inputs[0]); }
  float* output() const { return address(plan_->graph.outputs[0]); }
  // Of the memory that it holds, which is what the largest plan so far needed.
  std::size_t bytes() const { return arena_.bytes() + shared_scratch_.bytes() + scratch_.bytes(); }

 private:
  std::shared_ptr<const Plan> plan_;
  Block arena_, shared_scratch_, scratch_;
  Binding binding_;
  std::vector<Phase> phases_;
  std::vector<std::size_t> first_phase_;  // one a step, and the end
};

}  // namespace residua::engine
