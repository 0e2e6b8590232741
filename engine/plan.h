// A plan: the graph for one input shape and number of threads, as a list of steps with everything decided.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/arena.h"
#include "engine/select.h"
#include "engine/steps/step.h"

namespace residua::engine {

struct PlanKey {
  std::int64_t batch = 1;
  std::int64_t height = 224;
  std::int64_t width = 224;
  int threads = 1;             // that work on each step together
  std::int64_t run_batch = 1;  // images of the whole run, of which this plan may take a part at a time
  friend bool operator==(const PlanKey&, const PlanKey&) = default;
};

// Immutable once made; shared by contexts.
struct Plan {
  PlanKey key;
  graph::Graph graph;  // every shape static
  std::vector<Step> steps;
  std::vector<std::vector<Rejection>> rejections;  // one list a step
  std::vector<std::size_t> offsets;                // of each tensor in the arena
  std::size_t arena_bytes = 0;
  std::size_t arena_lower_bound = 0;     // largest set of tensors alive together
  std::size_t scratch_bytes = 0;         // the largest any step asks for, for each worker
  std::size_t shared_scratch_bytes = 0;  // the largest any step asks for, for all together
  double gflop = 0;                      // of the whole batch
};

// Plans `optimized` for `key`. Errors where the network does not take such images.
graph::Result<std::shared_ptr<const Plan>> make_plan(const graph::Graph& optimized, const PlanKey& key,
                                                     const kernels::KernelTable& kernels, PackedWeights& packed,
                                                     const SelectionOptions& options = {});

}  // namespace residua::engine
