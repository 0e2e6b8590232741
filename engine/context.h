// What one running call needs: arenas, bound steps, timings. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/bound_plan.h"
#include "engine/model.h"

namespace residua::engine {

enum class Schedule {
  automatic,   // chosen from batch and threads
  latency,     // all threads work on each step of the batch together
  throughput,  // each thread runs whole images alone, with an arena of its own
};

struct ContextOptions {
  int threads = 0;  // 0: the CPU budget
  Schedule schedule = Schedule::automatic;
  bool profile = false;
};

struct RunShape {
  std::int64_t batch = 1, height = 0, width = 0;
};

// How a run of `shape` is cut: by which schedule, and into pieces for which plan.
struct PlanChoice {
  Schedule schedule = Schedule::latency;
  int threads = 1;  // in all
  PlanKey key;
};
// `options.threads`: within the CPU budget, at least 1.
PlanChoice choose_plan(const RunShape& shape, const ContextOptions& options);

// Dense images of one size, either float32 NCHW as the network wants them or RGB bytes NHWC, which are normalised on
// the way in.
struct Input {
  const float* planes = nullptr;
  const std::uint8_t* pixels = nullptr;
  RunShape shape;
};

struct RunInfo {
  int threads = 0;
  Schedule schedule = Schedule::latency;
  int workers = 0;
  std::shared_ptr<const Plan> plan;        // of the last run; nullptr before the first
  std::vector<double> layer_milliseconds;  // one a step, with profile
  double layer_scale = 1;                  // images of the whole run / images of the plan
};

class Context {
 public:
  Context(std::shared_ptr<const Model> model, const ContextOptions& options);

  // Writes the first output, row-major [batch, classes of this image size].
  graph::Status run(const Input& input, std::span<float> output);

  const Model& model() const { return *model_; }
  const RunInfo& last_run() const { return info_; }

 private:
  // One worker of the throughput schedule, or all together in the latency schedule.
  struct Worker {
    BoundPlan bound;
    std::vector<double> milliseconds;  // one a step, with profile
  };

  void run_together(const std::shared_ptr<const Plan>& plan, const Input& input, std::int64_t first, float* output,
                    int threads);
  void run_alone(Worker& worker, const Input& input, std::int64_t image, float* output);
  Phase convert_input(const Plan& plan, const Input& input, std::int64_t first, float* activation) const;
  bool profiles() const;

  std::shared_ptr<const Model> model_;
  ContextOptions options_;
  std::vector<Worker> workers_;
  RunInfo info_;
};

}  // namespace residua::engine
