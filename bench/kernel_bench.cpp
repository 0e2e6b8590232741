// Times every kernel of every tier that this CPU has, on the shapes ResNets use:
//
//   build/bench/kernel_bench [--benchmark_filter=max_pool]
//
// One thread; rates are of data read and written. The peak's FLOP/s say what multiply-adds could reach.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "kernels/image/resize.h"
#include "kernels/table.h"

namespace {

using namespace residua::kernels;

constexpr std::int64_t float_size = sizeof(float);

void count_bytes(benchmark::State& state, std::int64_t per_iteration) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * per_iteration);
}

std::vector<float> zeros(std::int64_t count) { return std::vector<float>(static_cast<std::size_t>(count)); }

void interleave_image(benchmark::State& state, const KernelTable& table) {
  constexpr std::int64_t pixels = 224 * 224;
  const auto planes = zeros(3 * pixels);
  auto output = zeros(3 * pixels);
  for (auto iteration : state) {
    static_cast<void>(iteration);
    table.interleave_planes(planes.data(), pixels, 3, pixels, output.data());
    benchmark::ClobberMemory();
  }
  count_bytes(state, 6 * pixels * float_size);
}

void normalize_image(benchmark::State& state, const KernelTable& table) {
  constexpr std::int64_t pixels = 224 * 224;
  const std::vector<std::uint8_t> bytes(3 * pixels);
  const float scale[3] = {1, 2, 3}, shift[3] = {4, 5, 6};
  auto output = zeros(3 * pixels);
  for (auto iteration : state) {
    static_cast<void>(iteration);
    table.normalize_pixels(bytes.data(), pixels, scale, shift, output.data());
    benchmark::ClobberMemory();
  }
  count_bytes(state, 3 * pixels * (1 + float_size));
}

// The stem's pooling: 3x3, stride 2, on 64 channels of 112 x 112.
void max_pool_stem(benchmark::State& state, const KernelTable& table) {
  const PoolGeometry g{.channels = 64,
                       .height = 112,
                       .width = 112,
                       .output_height = 56,
                       .output_width = 56,
                       .kernel_height = 3,
                       .kernel_width = 3,
                       .stride_height = 2,
                       .stride_width = 2,
                       .padding_top = 1,
                       .padding_left = 1,
                       .padding_bottom = 1,
                       .padding_right = 1,
                       .dilation_height = 1,
                       .dilation_width = 1,
                       .count_include_pad = false};
  const auto image = zeros(g.height * g.width * g.channels);
  auto output = zeros(g.output_height * g.output_width * g.channels);
  for (auto iteration : state) {
    static_cast<void>(iteration);
    for (std::int64_t y = 0; y < g.output_height; ++y)
      table.max_pool_row(image.data(), g, y, output.data() + y * g.output_width * g.channels);
    benchmark::ClobberMemory();
  }
  count_bytes(state, static_cast<std::int64_t>(image.size() + output.size()) * float_size);
}

void global_average_last(benchmark::State& state, const KernelTable& table) {
  constexpr std::int64_t pixels = 49, channels = 2048;
  const auto image = zeros(pixels * channels);
  auto output = zeros(channels);
  for (auto iteration : state) {
    static_cast<void>(iteration);
    table.global_average(image.data(), pixels, channels, channels, output.data());
    benchmark::ClobberMemory();
  }
  count_bytes(state, (pixels + 1) * channels * float_size);
}

void scale_shift_256(benchmark::State& state, const KernelTable& table) {
  constexpr std::int64_t pixels = 56 * 56, channels = 256;
  auto image = zeros(pixels * channels);
  const auto scale = zeros(channels), shift = zeros(channels);
  for (auto iteration : state) {
    static_cast<void>(iteration);
    table.scale_shift(image.data(), pixels, channels, scale.data(), shift.data(), image.data());
    benchmark::ClobberMemory();
  }
  count_bytes(state, 2 * pixels * channels * float_size);
}

void peak(benchmark::State& state, const KernelTable& table) {
  double operations = 0, sum = 0;
  for (auto iteration : state) {
    static_cast<void>(iteration);
    benchmark::DoNotOptimize(table.multiply_add_burst(10000, &operations));
    sum += operations;
  }
  state.counters["FLOP/s"] = benchmark::Counter(sum, benchmark::Counter::kIsRate);
}

// A photo of 500 x 375 to 224 x 224 by way of 256: one tier serves all.
void preprocess_photo(benchmark::State& state, Interpolation interpolation) {
  const PreprocessPlan plan = make_preprocess_plan({500, 375}, 256, interpolation, {224, 224});
  const std::vector<std::uint8_t> photo(500 * 375 * 3, 100);
  std::vector<std::uint8_t> scratch(plan.scratch_bytes), output(224 * 224 * 3);
  for (auto iteration : state) {
    static_cast<void>(iteration);
    preprocess_rgb8(plan, photo.data(), 500 * 3, scratch.data(), output.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

struct KernelBenchmark {
  const char* name;
  void (*run)(benchmark::State& state, const KernelTable& table);
};
constexpr KernelBenchmark kernel_benchmarks[] = {
    {"interleave_planes/3x224x224", interleave_image},
    {"normalize_pixels/3x224x224", normalize_image},
    {"max_pool/64x112x112", max_pool_stem},
    {"global_average/2048x7x7", global_average_last},
    {"scale_shift/256x56x56", scale_shift_256},
    {"peak", peak},
};

}  // namespace

int main(int argc, char** argv) {
  const CpuFeatures cpu = detect_cpu();
  for (InstructionSet set : all_instruction_sets()) {
    if (best_instruction_set(cpu, set) != set) continue;
    for (const KernelBenchmark& item : kernel_benchmarks)
      benchmark::RegisterBenchmark(
          (std::string(item.name) + "/" + std::string(name_of(set))).c_str(),
          [table = make_kernel_table(cpu, set), run = item.run](benchmark::State& state) { run(state, table); });
  }
  benchmark::RegisterBenchmark("preprocess/500x375/bilinear", preprocess_photo, Interpolation::bilinear);
  benchmark::RegisterBenchmark("preprocess/500x375/bicubic", preprocess_photo, Interpolation::bicubic);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
