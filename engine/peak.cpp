#include "engine/peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#include "engine/environment.h"
#include "engine/threads.h"

namespace residua::engine {

double measure_peak(int threads) {
  using clock = std::chrono::steady_clock;
  const auto burst = kernel_table().multiply_add_burst;
  // About 2 ms a window at 200 GFLOP/s a core: long against the clock's resolution, short against a scheduler's slice.
  constexpr std::int64_t iterations = 1'000'000;
  constexpr auto budget = std::chrono::milliseconds(200);
  std::atomic<float> keep{0};
  std::vector<double> best(static_cast<std::size_t>(threads), 0);
  const Phase measure{threads, [&](std::int64_t part, int) {
                        const auto end = clock::now() + budget;
                        do {
                          double operations = 0;
                          const auto start = clock::now();
                          keep.store(burst(iterations, &operations), std::memory_order_relaxed);
                          const double seconds = std::chrono::duration<double>(clock::now() - start).count();
                          double& mine = best[static_cast<std::size_t>(part)];
                          mine = std::max(mine, operations / seconds * 1e-9);
                        } while (clock::now() < end);
                      }};
  run_phases({&measure, 1}, threads);
  double sum = 0;
  for (double rate : best) sum += rate;
  return sum;
}

}  // namespace residua::engine
