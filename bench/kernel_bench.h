// The parts of kernel_bench: each registers its benchmarks, main() runs them.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <string>
#include <vector>

#include "bench/kernel_bench_shapes.h"
#include "kernels/table.h"

// A tier of this CPU.
struct BenchTier {
  std::string name;  // "avx2"
  residua::kernels::KernelTable kernels;
  double peak;  // floating-point operations a second, measured on registers
};

void register_memory_benchmarks(const BenchTier& tier);
void register_peak_benchmarks(const BenchTier& tier);
void register_product_benchmarks(const BenchTier& tier, const std::vector<NamedShapes>& networks);
void register_strassen_benchmarks(const BenchTier& tier, const std::vector<NamedShapes>& networks);
void register_winograd_benchmarks(const BenchTier& tier, const std::vector<NamedShapes>& networks);
void register_tile_benchmarks(const BenchTier& tier, const std::vector<NamedShapes>& networks);
void register_grouped_benchmarks(const BenchTier& tier, const std::vector<NamedShapes>& networks);
void register_image_benchmarks();  // the same for every tier

// The rate of direct convolution, whatever the algorithm, and what part of the tier's peak that is.
void count_convolutions(benchmark::State& state, const ConvolutionShape& shape, const BenchTier& tier);

// Calls work() until the benchmark has seen enough.
template <class Work>
void repeat(benchmark::State& state, const Work& work) {
  for (auto iteration : state) {
    static_cast<void>(iteration);
    work();
    benchmark::ClobberMemory();
  }
}

// As the kernels have it.
residua::kernels::ConvolutionGeometry geometry_of(const ConvolutionShape& shape);

inline std::vector<float> zeros(std::int64_t count) { return std::vector<float>(static_cast<std::size_t>(count)); }
