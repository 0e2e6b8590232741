#include "engine/context.h"

#include <chrono>

#include "engine/environment.h"
#include "engine/fork.h"
#include "engine/helpers.h"
#include "engine/layout.h"
#include "engine/log.h"

namespace residua::engine {
namespace {

// A larger batch is run in pieces, so that memory stays bounded.
constexpr std::int64_t largest_piece = 32;

double now_milliseconds() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::int64_t floats_of_image(const Plan& plan, graph::TensorId id) {
  return static_cast<std::int64_t>(float_count(plan.graph.tensor(id).shape)) / plan.key.batch;
}

}  // namespace

ProgramKey choose_program(const RunShape& shape, const ContextOptions& options) {
  Schedule schedule = options.schedule;
  if (schedule == Schedule::automatic) {
    // Whole images a thread need no barriers and keep activations in that core's cache, but leave cores idle at the
    // end unless the images come out even or are many.
    const bool whole_images = shape.batch % options.threads == 0 || shape.batch >= 4 * options.threads;
    schedule = whole_images ? Schedule::throughput : Schedule::latency;
  }
  const std::int64_t pieces = (shape.batch + largest_piece - 1) / largest_piece;
  return {.batch = (shape.batch + pieces - 1) / pieces,  // even: no single image at the end
          .height = shape.height,
          .width = shape.width,
          .threads = options.threads,
          .whole_images = schedule == Schedule::throughput,
          .tuned = options.tune};
}

Context::Context(std::shared_ptr<const Model> model, const ContextOptions& options)
    : model_(std::move(model)), options_(options), profiles_(options.profile || environment().verbose_profile) {
  const int budget = look_at_cpus();
  options_.threads = options.threads > 0 ? std::min(options.threads, budget) : budget;
}

void Context::convert_input(std::int64_t first_row, std::int64_t end_row, float* activation) const {
  const ModelCard& card = model_->card();
  float scale[3], shift[3];
  for (int c = 0; c < 3; ++c) {
    scale[c] = 1.0f / (255.0f * card.standard_deviation[c]);
    shift[c] = -card.mean[c] / card.standard_deviation[c];
  }
  const kernels::KernelTable& kernels = kernel_table();
  const std::int64_t channels = model_->channels(), height = input_.shape.height, width = input_.shape.width;
  while (first_row < end_row) {
    const std::int64_t image = first_row / height, row = first_row % height;
    const std::int64_t rows = std::min(end_row - first_row, height - row);
    const std::int64_t position = row * width, count = rows * width, pixels = height * width;
    if (input_.pixels)
      kernels.normalize_pixels(input_.pixels + (image * pixels + position) * 3, count, scale, shift, activation);
    else
      kernels.interleave_planes(input_.planes + image * channels * pixels + position, pixels, channels, count,
                                activation);
    activation += count * channels;
    first_row += rows;
  }
}

// Brings images [image, image + the plan's) to where the plan reads them.
Phase Context::load(std::size_t segment, const BoundPlan& bound, std::int64_t image) {
  const Plan& plan = *bound.plan();
  const std::int64_t images = plan.key.batch;
  float* const target = bound.input();
  if (segment == 0)
    return in_ranges(plan.key.threads, images * plan.key.height, [=, this](std::int64_t begin, std::int64_t end) {
      const std::int64_t first = image * input_.shape.height;
      convert_input(first + begin, first + end, target + begin * input_.shape.width * model_->channels());
    });
  const std::int64_t floats = floats_of_image(plan, plan.graph.inputs[0]);
  const float* const source = segments_[segment - 1].outputs.data() + image * floats;
  return in_ranges(plan.key.threads, images * floats, [=](std::int64_t begin, std::int64_t end) {
    std::copy(source + begin, source + end, target + begin);
  });
}

// Takes the outputs of those images to where the next segment, or the caller, finds them.
Phase Context::store(std::size_t segment, const BoundPlan& bound, std::int64_t image) {
  const Plan& plan = *bound.plan();
  const graph::TensorId id = plan.graph.outputs[0];
  const std::int64_t floats = floats_of_image(plan, id);
  const float* const source = bound.output();
  if (segment + 1 == segments_.size())
    return {1, [=, this, shape = plan.graph.tensor(id).shape](std::int64_t, int) {
              to_row_major(shape, source, output_ + image * floats);
            }};
  float* const target = segments_[segment].outputs.data() + image * floats;
  return in_ranges(plan.key.threads, plan.key.batch * floats, [=](std::int64_t begin, std::int64_t end) {
    std::copy(source + begin, source + end, target + begin);
  });
}

void Context::run_image(std::size_t segment, std::int64_t image, int worker) {
  SegmentMemory& memory = segments_[segment];
  BoundPlan& bound = memory.bound[static_cast<std::size_t>(worker)];
  const std::shared_ptr<const Plan>& plan = program_->segments[segment].plan;
  if (bound.plan() != plan) bound.bind(plan, 1);  // on its own thread: that is where its memory should be near
  const Phase before = load(segment, bound, image), after = store(segment, bound, image);
  run_alone({&before, 1}, 0);
  if (profiles_) {
    std::vector<double>& milliseconds = memory.milliseconds[static_cast<std::size_t>(worker)];
    for (std::size_t i = 0; i < plan->steps.size(); ++i) {
      const double start = now_milliseconds();
      run_alone(bound.phases_of(i), 0);
      milliseconds[i] += now_milliseconds() - start;
    }
  } else {
    run_alone(bound.phases(), 0);
  }
  run_alone({&after, 1}, 0);
}

void Context::add_alone(std::size_t segment) {
  // Images are dealt out one by one.
  pieces_.push_back(
      {{{program_->key.batch, [this, segment](std::int64_t image, int worker) { run_image(segment, image, worker); }}},
       -1});
}

void Context::add_together(std::size_t segment) {
  SegmentMemory& memory = segments_[segment];
  const std::shared_ptr<const Plan>& plan = program_->segments[segment].plan;
  int first_layer = 0;
  for (std::size_t i = 0; i < segment; ++i) first_layer += static_cast<int>(program_->segments[i].plan->steps.size());
  memory.bound[0].bind(plan, program_->key.threads);
  const std::int64_t images = plan->key.batch, batch = program_->key.batch;
  for (std::int64_t image = 0; image < batch; image += images) {
    // The last pass, where it has too few images, takes some of those before it again.
    const std::int64_t first = std::min(image, batch - images);
    pieces_.push_back({{load(segment, memory.bound[0], first)}, -1});
    for (std::size_t step = 0; step < plan->steps.size(); ++step) {
      const auto phases = memory.bound[0].phases_of(step);
      pieces_.push_back({{phases.begin(), phases.end()}, first_layer + static_cast<int>(step)});
    }
    pieces_.push_back({{store(segment, memory.bound[0], first)}, -1});
  }
}

void Context::take(std::shared_ptr<const Program> program) {
  if (ready_ && program == program_) return;
  ready_ = false;  // where memory ends on the way, the next run begins here again
  pieces_.clear();
  phases_.clear();
  segments_.resize(program->segments.size());
  program_ = std::move(program);
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const Segment& segment = program_->segments[i];
    SegmentMemory& memory = segments_[i];
    const auto workers = static_cast<std::size_t>(segment.alone ? program_->key.threads : 1);
    memory.bound.resize(workers);
    memory.milliseconds.assign(workers, std::vector<double>(segment.plan->steps.size(), 0));
    const bool last = i + 1 == segments_.size();
    const std::int64_t floats = last ? 0 : floats_of_image(*segment.plan, segment.plan->graph.outputs[0]);
    memory.outputs.resize(static_cast<std::size_t>(floats * program_->key.batch));
    if (segment.alone)
      add_alone(i);
    else
      add_together(i);
  }
  for (const Piece& piece : pieces_) phases_.insert(phases_.end(), piece.phases.begin(), piece.phases.end());
  ready_ = true;
}

void Context::run_program() {
  const int threads = program_->key.threads;
  const LockFree computing;
  Turn turn(threads);
  info_.waited_milliseconds += std::chrono::duration<double, std::milli>(turn.waited()).count();
  if (!profiles_) {
    turn.run(phases_);
    return;
  }
  for (const Piece& piece : pieces_) {
    const double start = now_milliseconds();
    turn.run(piece.phases);
    if (piece.layer >= 0) info_.layer_milliseconds[static_cast<std::size_t>(piece.layer)] += now_milliseconds() - start;
  }
  std::size_t layer = 0;
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const Segment& segment = program_->segments[i];
    for (std::size_t step = 0; step < segment.plan->steps.size(); ++step, ++layer)
      for (std::vector<double>& worker : segments_[i].milliseconds) {
        info_.layer_milliseconds[layer] += worker[step] / threads;
        worker[step] = 0;
      }
  }
}

graph::Status Context::run(const Input& input, std::span<float> output) {
  const std::int64_t channels = model_->channels();
  if (input.pixels && channels != 3)
    return graph::Error{graph::ErrorCode::invalid_argument, "RGB pixels for a network of " + std::to_string(channels) +
                                                                " channels; give it float32 planes"};
  const ProgramKey key = choose_program(input.shape, options_);
  std::shared_ptr<const Program> program = info_.program;  // a run of the same shape asks nobody and takes no lock
  if (!program || program->key != key) {
    RESIDUA_ASSIGN(program, model_->program(key));
  }

  const Plan& last = *program->segments.back().plan;
  const graph::Shape& shape = last.graph.tensor(last.graph.outputs[0]).shape;
  if (shape.empty() || shape[0] != last.key.batch)
    return graph::Error{graph::ErrorCode::unsupported, "the first output has shape " + graph::to_string(shape) +
                                                           " for " + std::to_string(last.key.batch) +
                                                           " images, expected one row an image"};
  const std::int64_t values = floats_of_image(last, last.graph.outputs[0]);
  std::int64_t needed = 0;
  if (__builtin_mul_overflow(values, input.shape.batch, &needed) || static_cast<std::int64_t>(output.size()) < needed)
    return graph::Error{graph::ErrorCode::invalid_argument, "the output has room for " + std::to_string(output.size()) +
                                                                " values, " + std::to_string(values) +
                                                                " an image are needed"};

  info_ = {.program = program,
           .layer_milliseconds = std::vector<double>(program->layers.size(), 0),
           .waited_milliseconds = 0,
           .scale = static_cast<double>(input.shape.batch) / static_cast<double>(key.batch)};
  const std::int64_t pixels = input.shape.height * input.shape.width;
  for (std::int64_t first = 0; first < input.shape.batch; first += key.batch) {
    ProgramKey piece = key;
    piece.batch = std::min(key.batch, input.shape.batch - first);
    if (piece.batch == key.batch) {
      take(program);
    } else {
      RESIDUA_ASSIGN(std::shared_ptr<const Program> rest, model_->program(piece));
      take(std::move(rest));
    }
    input_ = input;
    if (input.planes) input_.planes += first * channels * pixels;
    if (input.pixels) input_.pixels += first * channels * pixels;
    output_ = output.data() + first * values;
    run_program();
  }
  if (environment().verbose_profile && log_wanted())
    for (std::size_t i = 0; i < program->layers.size(); ++i)
      log("profile: " + program->layers[i].step->name + " " + program->layers[i].step->implementation + " " +
          std::to_string(info_.layer_milliseconds[i]) + " ms");
  return {};
}

}  // namespace residua::engine
