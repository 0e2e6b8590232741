// What one running call needs: arenas, bound plans, timings. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/bound_plan.h"
#include "engine/helpers.h"
#include "engine/images.h"
#include "engine/model.h"
#include "engine/outputs.h"
#include "engine/preparation.h"
#include "engine/stop.h"

namespace residua::engine {

enum class Schedule {
  automatic,   // chosen from batch and threads
  latency,     // all threads work on each step of the batch together
  throughput,  // each thread runs whole images alone, as far as that pays (engine/program.h)
};

// A larger batch is run in pieces, so that memory stays bounded.
inline constexpr std::int64_t largest_piece = 32;

struct ContextOptions {
  int threads = 0;  // 0: the CPU budget
  Schedule schedule = Schedule::automatic;
  bool profile = false;
  bool tune = false;    // run convolutions as measured on this machine
  bool direct = false;  // no convolution by transforms, or on tile registers
};

// The program for a run of `shape`, or for the first of the pieces that a large batch is run in.
// `options.threads`: within the CPU budget, at least 1.
ProgramKey choose_program(const RunShape& shape, const ContextOptions& options);

// A stretch of time that one worker gave to one layer.
struct LayerEvent {
  int layer;
  int worker;          // -1: all of them together
  std::int64_t image;  // of the run; -1: all of a group together
  Clock::time_point begin, end;
};

struct RunInfo {
  std::shared_ptr<const Program> program;  // of the last run; nullptr before the first
  std::vector<double> layer_milliseconds;  // one a layer of the program; 0 without profile
  std::vector<LayerEvent> events;          // with profile
  double waited_milliseconds = 0;          // for a CPU of the budget, while other calls had them all
  double scale = 1;                        // images of the whole run / images of the program
  std::int64_t images = 0;
  bool planned = false;              // the model did not have the program yet, or no longer
  double planning_milliseconds = 0;  // getting the programs, and memory for them
  double preparation_milliseconds = 0;
  double total_milliseconds = 0;  // without the waiting
  Clock::time_point begin;
};

class Context {
 public:
  Context(std::shared_ptr<const Model> model, const ContextOptions& options);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Runs `input` and writes `outputs`, of which there is at least one. A run that `stop` ends, or any other failure,
  // leaves outputs half written and the context as good as before. `profile`: this run is, whatever the options say.
  graph::Status run(const Input& input, std::span<const Output> outputs, const StopCondition& stop = {},
                    bool profile = false);
  // Writes the first output, row-major [batch, classes of this image size].
  graph::Status run(const Input& input, std::span<float> output);

  const Model& model() const { return *model_; }
  const ContextOptions& options() const { return options_; }
  const RunInfo& last_run() const { return info_; }
  // Of the memory that the context holds: what its largest runs so far needed.
  std::size_t bytes() const;

 private:
  struct BoundSegment {
    std::vector<BoundPlan> bound;                 // one a worker where they work alone, otherwise one
    std::vector<std::vector<LayerEvent>> events;  // likewise, with profile
    int first_layer = 0;
  };
  // Phases that belong to one layer, or to none.
  struct Piece {
    std::vector<Phase> phases;
    int layer = -1;
    std::int64_t image = -1;
  };

  graph::Status check(const Input& input) const;
  graph::Status check(const Input& input, const Program& program, std::span<const Output> outputs) const;
  graph::Status run_checked(const Input& input, std::span<const Output> outputs);
  graph::Result<std::shared_ptr<const Program>> program_for(const ProgramKey& key);
  float* carried_by(std::size_t segment) const;
  std::byte* workplace(std::size_t segment, int worker) const;
  void take(std::shared_ptr<const Program> program);
  void add_alone(std::size_t segment);
  void add_together(std::size_t segment);
  Phase load(std::size_t segment, const BoundPlan& bound, std::int64_t image);
  Phase store(std::size_t segment, const BoundPlan& bound, std::int64_t image);
  void run_image(std::size_t segment, std::int64_t image, int worker);
  void run_program(Turn& turn);
  void run_piece(const Input& images, std::int64_t first, std::span<const Output> outputs);
  void choose_destinations(std::int64_t first, std::int64_t images, std::span<const Output> outputs);
  void derive(std::int64_t first, std::int64_t images, std::span<const Output> outputs) const;
  void sum_up_events();

  std::shared_ptr<const Model> model_;
  ContextOptions options_;

  // Of the program that this context is ready to run, if it is.
  bool ready_ = false;
  std::shared_ptr<const Program> program_;
  Block memory_;  // as large as the largest program so far needed
  std::vector<BoundSegment> segments_;
  std::vector<Piece> pieces_;
  std::vector<Phase> phases_;  // of all pieces
  // Of the run under way: its images from the program's first one on, and where the program's outputs go.
  Input input_;
  std::int64_t first_image_ = 0;
  std::vector<float*> destinations_;
  StopCondition stop_;
  bool profiles_ = false;

  Preparer preparer_;
  std::vector<Block> whole_outputs_;  // of outputs of which the caller wants something else than the values
  RunInfo info_;
};

}  // namespace residua::engine
