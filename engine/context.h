// What one running call needs: arenas, bound plans, timings. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/bound_plan.h"
#include "engine/model.h"

namespace residua::engine {

enum class Schedule {
  automatic,   // chosen from batch and threads
  latency,     // all threads work on each step of the batch together
  throughput,  // each thread runs whole images alone, as far as that pays (engine/program.h)
};

struct ContextOptions {
  int threads = 0;  // 0: the CPU budget
  Schedule schedule = Schedule::automatic;
  bool profile = false;
  bool tune = false;  // run convolutions as measured on this machine
};

struct RunShape {
  std::int64_t batch = 1, height = 0, width = 0;
};

// The program for a run of `shape`, or for the first of the pieces that a large batch is run in.
// `options.threads`: within the CPU budget, at least 1.
ProgramKey choose_program(const RunShape& shape, const ContextOptions& options);

// Dense images of one size, either float32 NCHW as the network wants them or RGB bytes NHWC, which are normalised on
// the way in.
struct Input {
  const float* planes = nullptr;
  const std::uint8_t* pixels = nullptr;
  RunShape shape;
};

struct RunInfo {
  std::shared_ptr<const Program> program;  // of the last run; nullptr before the first
  std::vector<double> layer_milliseconds;  // one a layer of the program, with profile
  double waited_milliseconds = 0;          // for a CPU of the budget, while other calls had them all
  double scale = 1;                        // images of the whole run / images of the program
};

class Context {
 public:
  Context(std::shared_ptr<const Model> model, const ContextOptions& options);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Writes the first output, row-major [batch, classes of this image size].
  graph::Status run(const Input& input, std::span<float> output);

  const Model& model() const { return *model_; }
  const RunInfo& last_run() const { return info_; }

 private:
  // Where a segment's plans run and where its outputs, of the program's whole batch, are kept for the next segment.
  struct SegmentMemory {
    std::vector<BoundPlan> bound;                   // one a worker where they work alone, otherwise one
    std::vector<std::vector<double>> milliseconds;  // likewise, one a step, with profile
    std::vector<float> outputs;
  };
  // Phases that belong to one layer, or to none.
  struct Piece {
    std::vector<Phase> phases;
    int layer = -1;
  };

  void take(std::shared_ptr<const Program> program);
  void add_alone(std::size_t segment);
  void add_together(std::size_t segment);
  Phase load(std::size_t segment, const BoundPlan& bound, std::int64_t image);
  Phase store(std::size_t segment, const BoundPlan& bound, std::int64_t image);
  void run_image(std::size_t segment, std::int64_t image, int worker);
  void convert_input(std::int64_t first_row, std::int64_t end_row, float* activation) const;
  void run_program();

  std::shared_ptr<const Model> model_;
  ContextOptions options_;
  const bool profiles_;

  // Of the program that this context is ready to run, if it is.
  bool ready_ = false;
  std::shared_ptr<const Program> program_;
  std::vector<SegmentMemory> segments_;
  std::vector<Piece> pieces_;
  std::vector<Phase> phases_;  // of all pieces
  // Of the run under way: its images from the program's first one on, and their outputs.
  Input input_;
  float* output_ = nullptr;

  RunInfo info_;
};

}  // namespace residua::engine
