// A plan placed in memory: ready to run, on one call at a time.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/plan.h"

namespace residua::engine {

class BoundPlan {
 public:
  // What running `plan` with up to `workers` workers needs: | arena | shared scratch | scratch of each worker |
  static std::size_t bytes_for(const Plan& plan, int workers);
  // Takes another plan, whose phases will be run by up to `workers` workers, in `memory` of so many bytes, which is the
  // caller's.
  void bind(std::shared_ptr<const Plan> plan, int workers, std::byte* memory);
  // Forgets the plan and the memory.
  void release();

  const std::shared_ptr<const Plan>& plan() const { return plan_; }
  std::span<const Phase> phases() const { return phases_; }
  // The phases of one step.
  std::span<const Phase> phases_of(std::size_t step) const {
    return std::span(phases_).subspan(first_phase_[step], first_phase_[step + 1] - first_phase_[step]);
  }
  float* address(graph::TensorId id) const { return binding_.address(id); }
  float* input() const { return address(plan_->graph.inputs[0]); }
  float* output() const { return address(plan_->graph.outputs[0]); }

 private:
  std::shared_ptr<const Plan> plan_;
  Binding binding_;
  std::vector<Phase> phases_;
  std::vector<std::size_t> first_phase_;  // one a step, and the end
};

}  // namespace residua::engine
