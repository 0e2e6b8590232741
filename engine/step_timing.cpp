#include "engine/step_timing.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <random>

#include "engine/arena.h"
#include "engine/caches.h"
#include "engine/layout.h"
#include "engine/onednn.h"

namespace residua::engine {
namespace {

constexpr int fewest_rounds = 3, most_rounds = 11;
constexpr double budget_milliseconds = 120;  // of one layer, when that leaves enough rounds
constexpr double hopeless = 2;               // times the best median so far

double now_milliseconds() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::size_t bytes_of(const StepRequest& request, graph::TensorId id) {
  return whole_cache_lines(float_bytes(request.graph.tensor(id).shape));
}

// Reads one float of every cache line, shared out among threads.
void touch(const std::byte* memory, std::size_t bytes, int threads) {
  const auto lines = static_cast<std::int64_t>(bytes / cache_line);
  std::atomic<float> sink{0};  // so that the reads are not left out
  const Phase phase = in_ranges(threads, lines, [&](std::int64_t begin, std::int64_t end) {
    float sum = 0;
    for (std::int64_t line = begin; line < end; ++line)
      sum += *reinterpret_cast<const float*>(memory + static_cast<std::size_t>(line) * cache_line);
    sink.store(sum, std::memory_order_relaxed);
  });
  run_phases({&phase, 1}, threads);
}

// Memory for one layer alone, of which only its own tensors have a place.
class Bench {
 public:
  Bench(const StepRequest& request, std::span<const Step> steps, std::size_t bytes_between)
      : threads_(request.threads), offsets_(request.graph.tensors.size(), 0), between_bytes_(bytes_between) {
    for (std::size_t input : {std::size_t{0}, std::size_t{3}})
      if (request.has_input(input) && !request.input(input).is_constant()) place(request, request.node.input(input));
    inputs_bytes_ = arena_bytes_;
    output_offset_ = arena_bytes_;
    arena_bytes_ += bytes_of(request, request.node.output);
    arena_ = allocate_aligned(arena_bytes_);
    std::mt19937 random(1);
    float* const values = reinterpret_cast<float*>(arena_.get());
    for (std::size_t i = 0; i < arena_bytes_ / sizeof(float); ++i)
      values[i] = static_cast<float>(random() >> 8) * 0x1p-23F - 1.0F;
    between_ = allocate_aligned(between_bytes_);
    std::fill_n(between_.get(), between_bytes_, std::byte{0});  // else its pages are one page of zeros
    for (const Step& step : steps) bind(request, step);
  }

  double run(std::size_t step) {
    touch(between_.get(), between_bytes_, threads_);
    touch(arena_.get(), inputs_bytes_, threads_);
    const double start = now_milliseconds();
    run_phases(phases_[step], threads_);
    return now_milliseconds() - start;
  }

 private:
  void place(const StepRequest& request, graph::TensorId id) {
    if (id == placed_) return;
    placed_ = id;
    offsets_[static_cast<std::size_t>(id)] = arena_bytes_;
    arena_bytes_ += bytes_of(request, id);
  }

  void bind(const StepRequest& request, const Step& step) {
    auto& offsets = *step_offsets_.emplace_back(std::make_unique<std::vector<std::size_t>>(offsets_));
    offsets[static_cast<std::size_t>(request.node.output)] =
        step.overwrites == graph::no_tensor ? output_offset_ : offsets[static_cast<std::size_t>(step.overwrites)];
    Binding binding;
    binding.arena = arena_.get();
    binding.scratch_bytes = whole_cache_lines(step.scratch_bytes);
    binding.offsets = &offsets;
    for (int worker = 0; worker < threads_; ++worker) binding.streams.emplace_back(cpu_engine());
    memory_.push_back(allocate_aligned(binding.scratch_bytes * static_cast<std::size_t>(threads_)));
    binding.scratch = memory_.back().get();
    memory_.push_back(allocate_aligned(step.shared_scratch_bytes));
    binding.shared_scratch = memory_.back().get();
    phases_.push_back(step.bind(binding));
  }

  int threads_;
  std::vector<std::size_t> offsets_;
  graph::TensorId placed_ = graph::no_tensor;
  std::size_t between_bytes_, inputs_bytes_ = 0, output_offset_ = 0, arena_bytes_ = 0;
  std::shared_ptr<std::byte> arena_, between_;
  std::vector<std::shared_ptr<std::byte>> memory_;
  std::vector<std::unique_ptr<std::vector<std::size_t>>> step_offsets_;  // bindings point to them
  std::vector<std::vector<Phase>> phases_;
};

}  // namespace

std::size_t bytes_between_runs(const graph::Graph& graph) {
  std::size_t bytes = 0;
  for (const graph::Tensor& tensor : graph.tensors)
    if (tensor.is_constant()) bytes += tensor.constant.size;
  // Twice what the last cache holds leaves nothing in it. More than 64 MB of it is other machines'.
  const std::size_t most = std::min<std::size_t>(2 * caches().level3, std::size_t{128} << 20);
  return std::bit_ceil(std::clamp<std::size_t>(bytes, 1 << 16, most));
}

std::vector<double> median_milliseconds(const StepRequest& request, std::span<const Step> steps,
                                        std::size_t bytes_between) {
  Bench bench(request, steps, bytes_between);
  const double start = now_milliseconds();
  std::vector<std::vector<double>> times(steps.size());
  std::vector<double> medians(steps.size(), 0);
  for (std::size_t i = 0; i < steps.size(); ++i) bench.run(i);  // page tables, branch predictors, clocks
  for (int round = 0; round < most_rounds; ++round) {
    if (round >= fewest_rounds && now_milliseconds() - start > budget_milliseconds) break;
    const double best = round < fewest_rounds ? 0 : *std::min_element(medians.begin(), medians.end());
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (round >= fewest_rounds && medians[i] > hopeless * best) continue;
      times[i].push_back(bench.run(i));
      medians[i] = median(times[i]);
    }
  }
  return medians;
}

}  // namespace residua::engine
