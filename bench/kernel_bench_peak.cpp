#include "bench/kernel_bench_peak.h"

#include <algorithm>
#include <chrono>

#include "bench/kernel_bench.h"

using namespace residua::kernels;

double measure_peak(const KernelTable& table) {
  constexpr std::int64_t iterations = 500'000;
  double best = 0;
  for (int burst = 0; burst < 8; ++burst) {
    double operations = 0;
    const auto start = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(table.multiply_add_burst(iterations, &operations));
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, operations / seconds.count());
  }
  return best;
}

void register_peak_benchmarks(const BenchTier& tier) {
  benchmark::RegisterBenchmark(("peak/" + tier.name).c_str(), [tier](benchmark::State& state) {
    double operations = 0, sum = 0;
    repeat(state, [&] {
      benchmark::DoNotOptimize(tier.kernels.multiply_add_burst(10000, &operations));
      sum += operations;
    });
    state.counters["FLOP/s"] = benchmark::Counter(sum, benchmark::Counter::kIsRate);
  });
}
