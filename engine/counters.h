// What a model has done so far, for its host to export.
#pragma once

#include <atomic>
#include <cstdint>

namespace residua::engine {

// Thread-safe: each number by itself. Times are sums of nanoseconds, so that many short ones add up without loss.
struct Counters {
  std::atomic<std::uint64_t> runs{0}, images{0}, errors{0}, cancelled{0}, deadlines{0}, plans{0};
  std::atomic<std::uint64_t> planning_nanoseconds{0}, run_nanoseconds{0}, queue_nanoseconds{0};

  static void add(std::atomic<std::uint64_t>& sum, double milliseconds) {
    sum.fetch_add(static_cast<std::uint64_t>(milliseconds * 1e6), std::memory_order_relaxed);
  }
};

}  // namespace residua::engine
