#include "engine/bound_plan.h"

#include "engine/onednn.h"

namespace residua::engine {

std::size_t BoundPlan::bytes_for(const Plan& plan, int workers) {
  return whole_cache_lines(plan.arena_bytes) + whole_cache_lines(plan.shared_scratch_bytes) +
         whole_cache_lines(plan.scratch_bytes) * static_cast<std::size_t>(workers);
}

void BoundPlan::release() {
  plan_ = nullptr;
  phases_.clear();
  first_phase_.clear();
}

void BoundPlan::bind(std::shared_ptr<const Plan> plan, int workers, std::byte* memory) {
  release();
  binding_.offsets = &plan->offsets;
  binding_.arena = memory;
  binding_.shared_scratch = binding_.arena + whole_cache_lines(plan->arena_bytes);
  binding_.scratch = binding_.shared_scratch + whole_cache_lines(plan->shared_scratch_bytes);
  binding_.scratch_bytes = whole_cache_lines(plan->scratch_bytes);
  binding_.streams.clear();
  for (int worker = 0; worker < workers; ++worker) binding_.streams.emplace_back(cpu_engine());
  for (const Step& step : plan->steps) {
    first_phase_.push_back(phases_.size());
    for (Phase& phase : step.bind(binding_)) phases_.push_back(std::move(phase));
  }
  first_phase_.push_back(phases_.size());
  plan_ = std::move(plan);
}

}  // namespace residua::engine
