#include "engine/context.h"

#include <chrono>

#include "engine/cpu_budget.h"
#include "engine/environment.h"
#include "engine/layout.h"
#include "engine/log.h"
#include "engine/threads.h"

namespace residua::engine {
namespace {

// The latency schedule takes a larger batch in pieces, so that the arena stays bounded.
constexpr std::int64_t largest_latency_batch = 32;

double now_milliseconds() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

PlanChoice choose_plan(const RunShape& shape, const ContextOptions& options) {
  PlanChoice choice{.schedule = options.schedule, .threads = options.threads, .key = {}};
  if (choice.schedule == Schedule::automatic) {
    // Whole images a thread need no barriers and keep activations in that core's cache, but leave cores idle at the
    // end unless the images come out even or are many.
    const bool whole_images = shape.batch % choice.threads == 0 || shape.batch >= 4 * choice.threads;
    choice.schedule = whole_images ? Schedule::throughput : Schedule::latency;
  }
  const bool alone = choice.schedule == Schedule::throughput;
  choice.key = {.batch = alone ? 1 : std::min(shape.batch, largest_latency_batch),
                .height = shape.height,
                .width = shape.width,
                .threads = alone ? 1 : choice.threads};
  return choice;
}

Context::Context(std::shared_ptr<const Model> model, const ContextOptions& options)
    : model_(std::move(model)), options_(options) {
  options_.threads = threads_within_budget(options.threads);
}

bool Context::profiles() const { return options_.profile || environment().verbose_profile; }

Phase Context::convert_input(const Plan& plan, const Input& input, std::int64_t first, float* activation) const {
  struct Coefficients {
    float scale[3], shift[3];
  } coefficients;
  for (int c = 0; c < 3; ++c) {
    coefficients.scale[c] = 1.0f / (255.0f * model_->card().standard_deviation[c]);
    coefficients.shift[c] = -model_->card().mean[c] / model_->card().standard_deviation[c];
  }
  const std::int64_t channels = model_->channels(), height = input.shape.height, width = input.shape.width;
  // Items are image rows.
  return in_ranges(plan.key.threads, plan.key.batch * height, [=](std::int64_t begin, std::int64_t end) {
    const kernels::KernelTable& kernels = kernel_table();
    const std::int64_t pixels = height * width;
    while (begin < end) {
      const std::int64_t image = begin / height, row = begin % height;
      const std::int64_t rows = std::min(end - begin, height - row);
      const std::int64_t position = row * width, count = rows * width;
      float* target = activation + (image * pixels + position) * channels;
      if (input.pixels)
        kernels.normalize_pixels(input.pixels + ((first + image) * pixels + position) * 3, count, coefficients.scale,
                                 coefficients.shift, target);
      else
        kernels.interleave_planes(input.planes + (first + image) * channels * pixels + position, pixels, channels,
                                  count, target);
      begin += rows;
    }
  });
}

void Context::run_together(const std::shared_ptr<const Plan>& plan, const Input& input, std::int64_t first,
                           float* output, int threads) {
  Worker& worker = workers_[0];
  BoundPlan& bound = worker.bound;
  if (bound.plan() != plan) bound.bind(plan, threads);
  const Phase convert = convert_input(*plan, input, first, bound.input());
  run_phases({&convert, 1}, threads);
  if (profiles()) {
    worker.milliseconds.resize(plan->steps.size());
    for (std::size_t i = 0; i < plan->steps.size(); ++i) {
      const double start = now_milliseconds();
      run_phases(bound.phases_of(i), threads);
      worker.milliseconds[i] += now_milliseconds() - start;
    }
  } else {
    run_phases(bound.phases(), threads);
  }
  to_row_major(plan->graph.tensor(plan->graph.outputs[0]).shape, bound.output(), output);
}

void Context::run_alone(Worker& worker, const Input& input, std::int64_t image, float* output) {
  const Plan& plan = *worker.bound.plan();
  const Phase convert = convert_input(plan, input, image, worker.bound.input());
  engine::run_alone({&convert, 1}, 0);
  if (profiles()) {
    worker.milliseconds.resize(plan.steps.size());
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
      const double start = now_milliseconds();
      engine::run_alone(worker.bound.phases_of(i), 0);
      worker.milliseconds[i] += now_milliseconds() - start;
    }
  } else {
    engine::run_alone(worker.bound.phases(), 0);
  }
  to_row_major(plan.graph.tensor(plan.graph.outputs[0]).shape, worker.bound.output(), output);
}

graph::Status Context::run(const Input& input, std::span<float> output) {
  const std::int64_t channels = model_->channels();
  if (input.pixels && channels != 3)
    return graph::Error{graph::ErrorCode::invalid_argument, "RGB pixels for a network of " + std::to_string(channels) +
                                                                " channels; give it float32 planes"};
  const PlanChoice choice = choose_plan(input.shape, options_);
  const std::int64_t group = choice.key.batch;
  std::shared_ptr<const Plan> plan = info_.plan;  // a run of the same shape asks nobody and takes no lock
  if (!plan || plan->key != choice.key) {
    RESIDUA_ASSIGN(plan, model_->plan(choice.key));
  }

  const graph::Shape& shape = plan->graph.tensor(plan->graph.outputs[0]).shape;
  if (shape.empty() || shape[0] != group)
    return graph::Error{graph::ErrorCode::unsupported, "the first output has shape " + graph::to_string(shape) +
                                                           " for " + std::to_string(group) +
                                                           " images, expected one row an image"};
  const auto values = static_cast<std::int64_t>(float_count(shape)) / group;
  std::int64_t needed = 0;
  if (__builtin_mul_overflow(values, input.shape.batch, &needed) || static_cast<std::int64_t>(output.size()) < needed)
    return graph::Error{graph::ErrorCode::invalid_argument, "the output has room for " + std::to_string(output.size()) +
                                                                " values, " + std::to_string(values) +
                                                                " an image are needed"};

  const bool alone = choice.schedule == Schedule::throughput;
  const int workers = alone ? static_cast<int>(std::min<std::int64_t>(choice.threads, input.shape.batch)) : 1;
  if (workers_.size() < static_cast<std::size_t>(workers)) workers_.resize(static_cast<std::size_t>(workers));
  for (Worker& worker : workers_) worker.milliseconds.clear();

  if (alone) {
    // Images are dealt out one by one.
    const Phase images{input.shape.batch, [&](std::int64_t image, int index) {
                         Worker& worker = workers_[static_cast<std::size_t>(index)];
                         if (worker.bound.plan() != plan) worker.bound.bind(plan, 1);
                         run_alone(worker, input, image, output.data() + image * values);
                       }};
    run_phases({&images, 1}, workers);
  } else {
    for (std::int64_t first = 0; first < input.shape.batch; first += group) {
      const std::int64_t images = std::min(group, input.shape.batch - first);
      std::shared_ptr<const Plan> piece = plan;
      if (images != group) {
        PlanKey rest = choice.key;
        rest.batch = images;
        RESIDUA_ASSIGN(piece, model_->plan(rest));
      }
      run_together(piece, input, first, output.data() + first * values, choice.key.threads);
    }
  }

  RunInfo info{.threads = choice.threads,
               .schedule = choice.schedule,
               .workers = workers,
               .plan = plan,
               .layer_milliseconds = std::vector<double>(plan->steps.size(), 0),
               .layer_scale = static_cast<double>(input.shape.batch) / static_cast<double>(group)};
  for (int index = 0; index < workers; ++index) {
    const Worker& worker = workers_[static_cast<std::size_t>(index)];
    for (std::size_t i = 0; i < std::min(worker.milliseconds.size(), plan->steps.size()); ++i)
      info.layer_milliseconds[i] += worker.milliseconds[i] / workers;
  }
  info_ = std::move(info);
  if (environment().verbose_profile && log_wanted())
    for (std::size_t i = 0; i < plan->steps.size(); ++i)
      log("profile: " + plan->steps[i].name + " " + plan->steps[i].implementation + " " +
          std::to_string(info_.layer_milliseconds[i]) + " ms");
  return {};
}

}  // namespace residua::engine
