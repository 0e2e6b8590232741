// Times every kernel of every tier that this CPU has, on the shapes ResNets use:
//
//   build/bench/kernel_bench [--shapes=FOLDER] [--benchmark_filter=winograd_4x4/resnet50.*avx2]
//
// One thread. Convolutions: GFLOP/s of direct convolution, whatever the algorithm, and percent of the peak, which is
// measured at the start of the run. FOLDER holds lists of convolutions; without the option, bench/shapes.
#include "bench/kernel_bench.h"

#include <cstring>
#include <exception>
#include <iostream>

#include "bench/kernel_bench_peak.h"

using namespace residua::kernels;

ConvolutionGeometry geometry_of(const ConvolutionShape& shape) {
  return {.height = shape.height,
          .width = shape.width,
          .channels = shape.channels,
          .output_height = shape.output_height(),
          .output_width = shape.output_width(),
          .kernel_height = shape.kernel,
          .kernel_width = shape.kernel,
          .stride_height = shape.stride,
          .stride_width = shape.stride,
          .padding_top = shape.padding,
          .padding_left = shape.padding,
          .dilation_height = 1,
          .dilation_width = 1};
}

void count_convolutions(benchmark::State& state, const ConvolutionShape& shape, const BenchTier& tier) {
  const double operations = shape.operations() * static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = benchmark::Counter(operations / 1e9, benchmark::Counter::kIsRate);
  state.counters["% of peak"] = benchmark::Counter(operations / tier.peak * 100, benchmark::Counter::kIsRate);
}

namespace {

std::vector<BenchTier> tiers_of_this_cpu() {
  std::vector<BenchTier> tiers;
  const CpuFeatures cpu = detect_cpu();
  for (InstructionSet set : all_instruction_sets())
    if (best_instruction_set(cpu, set) == set) {
      const KernelTable table = make_kernel_table(cpu, set);
      tiers.push_back({std::string(name_of(set)), table, measure_peak(table)});
    }
  return tiers;
}

// Takes --shapes=FOLDER out of the arguments.
std::string shapes_folder(int& argc, char** argv) {
  constexpr char option[] = "--shapes=";
  constexpr std::size_t length = sizeof option - 1;
  std::string folder = RESIDUA_BENCH_SHAPES;
  int kept = 1;
  for (int i = 1; i < argc; ++i)
    if (std::strncmp(argv[i], option, length) == 0)
      folder = argv[i] + length;
    else
      argv[kept++] = argv[i];
  argc = kept;
  return folder;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::vector<NamedShapes> networks = read_shapes(shapes_folder(argc, argv));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  for (const BenchTier& tier : tiers_of_this_cpu()) {
    register_memory_benchmarks(tier);
    register_peak_benchmarks(tier);
    register_product_benchmarks(tier, networks);
    register_strassen_benchmarks(tier, networks);
    register_winograd_benchmarks(tier, networks);
    register_grouped_benchmarks(tier, networks);
    register_tile_benchmarks(tier, networks);
  }
  register_image_benchmarks();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
} catch (const std::exception& error) {
  std::cerr << "kernel_bench: " << error.what() << "\n";
  return 2;
}
