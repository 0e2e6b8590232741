#include "engine/context.h"

#include <atomic>
#include <chrono>

#include "engine/environment.h"
#include "engine/log.h"
#include "engine/onednn.h"
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

void Context::prepare(Worker& worker, const std::shared_ptr<const Plan>& plan) {
  if (worker.plan == plan) return;
  worker.plan = nullptr;
  worker.steps.clear();
  if (worker.arena_capacity < plan->arena_bytes) {
    worker.arena = nullptr;  // the old one goes before the new one comes
    worker.arena_capacity = 0;
    worker.arena = allocate_aligned(plan->arena_bytes);
    worker.arena_capacity = plan->arena_bytes;
  }
  if (worker.scratch_capacity < plan->scratch_bytes) {
    worker.scratch = nullptr;
    worker.scratch_capacity = 0;
    worker.scratch = allocate_aligned(plan->scratch_bytes);
    worker.scratch_capacity = plan->scratch_bytes;
  }
  Binding binding{worker.arena.get(), worker.scratch.get(), &plan->offsets, dnnl::stream(cpu_engine())};
  for (const Step& step : plan->steps) worker.steps.push_back(step.bind(binding));
  worker.plan = plan;
}

void Context::convert_input(const Plan& plan, const Input& input, std::int64_t first, float* activation) const {
  const kernels::KernelTable& kernels = kernel_table();
  const std::int64_t channels = model_->channels(), pixels = input.shape.height * input.shape.width;
  const ModelCard& card = model_->card();
  float scale[3], shift[3];
  for (int c = 0; c < 3; ++c) {
    scale[c] = 1.0f / (255.0f * card.standard_deviation[c]);
    shift[c] = -card.mean[c] / card.standard_deviation[c];
  }
  // Items are image rows.
  parallel_ranges(plan.key.threads, plan.key.batch * input.shape.height, [&](std::int64_t begin, std::int64_t end) {
    while (begin < end) {
      const std::int64_t image = begin / input.shape.height, row = begin % input.shape.height;
      const std::int64_t rows = std::min(end - begin, input.shape.height - row);
      const std::int64_t position = row * input.shape.width, count = rows * input.shape.width;
      float* target = activation + (image * pixels + position) * channels;
      if (input.pixels)
        kernels.normalize_pixels(input.pixels + ((first + image) * pixels + position) * 3, count, scale, shift, target);
      else
        kernels.interleave_planes(input.planes + (first + image) * channels * pixels + position, pixels, channels,
                                  count, target);
      begin += rows;
    }
  });
}

void Context::run_images(Worker& worker, const Input& input, std::int64_t first, float* output, std::int64_t values) {
  const Plan& plan = *worker.plan;
  const auto address = [&](graph::TensorId id) {
    return reinterpret_cast<float*>(worker.arena.get() + plan.offsets[static_cast<std::size_t>(id)]);
  };
  convert_input(plan, input, first, address(plan.graph.inputs[0]));
  if (options_.profile || environment().verbose_profile) {
    worker.milliseconds.resize(worker.steps.size());
    for (std::size_t i = 0; i < worker.steps.size(); ++i) {
      const double start = now_milliseconds();
      worker.steps[i]();
      worker.milliseconds[i] += now_milliseconds() - start;
    }
  } else {
    for (const auto& step : worker.steps) step();
  }
  const graph::TensorId result = plan.graph.outputs[0];
  to_row_major(plan.graph.tensor(result).shape, address(result), output + first * values);
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

  const ThreadCountScope scope(choice.key.threads);
  if (alone) {
    // Images are dealt out one by one: a thread that is held up takes fewer.
    std::atomic<std::int64_t> next{0};
    run_workers(workers, [&](int index) {
      Worker& worker = workers_[static_cast<std::size_t>(index)];
      prepare(worker, plan);
      for (std::int64_t image = next++; image < input.shape.batch; image = next++)
        run_images(worker, input, image, output.data(), values);
    });
  } else {
    for (std::int64_t first = 0; first < input.shape.batch; first += group) {
      const std::int64_t images = std::min(group, input.shape.batch - first);
      std::shared_ptr<const Plan> piece = plan;
      if (images != group) {
        PlanKey rest = choice.key;
        rest.batch = images;
        RESIDUA_ASSIGN(piece, model_->plan(rest));
      }
      prepare(workers_[0], piece);
      run_images(workers_[0], input, first, output.data(), values);
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
