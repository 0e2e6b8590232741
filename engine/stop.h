// Ending a run early: a caller's cancel, or a deadline.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "engine/counters.h"
#include "graph/result.h"

namespace residua::engine {

using Clock = std::chrono::steady_clock;

// Set by one thread while others run. Never cleared by a run.
using CancelFlag = std::atomic<bool>;

// Thrown from within a run or the making of its plan, and nowhere else.
struct Stopped {
  graph::Error error;
};

// What may end a run early. A value: what it points to is kept alive.
struct StopCondition {
  std::shared_ptr<const CancelFlag> cancelled = nullptr;
  std::optional<Clock::time_point> deadline = std::nullopt;

  bool is_set() const { return cancelled || deadline; }
  // The error to end with, if it is time.
  std::optional<graph::Error> reason() const {
    if (cancelled && cancelled->load(std::memory_order_relaxed))
      return graph::Error{graph::ErrorCode::cancelled, "cancelled by the caller"};
    if (deadline && Clock::now() >= *deadline)
      return graph::Error{graph::ErrorCode::deadline, "the deadline has passed"};
    return std::nullopt;
  }
  void check() const {
    if (!is_set()) return;
    if (auto error = reason()) throw Stopped{std::move(*error)};
  }
};

// Waits until `begun` is no longer 0, without a CPU. The error of `stop` where that comes first: looking for it takes a
// wake-up now and then, so who has none waits more quietly.
inline std::optional<graph::Error> wait_until(const std::atomic<std::uint32_t>& begun, const StopCondition& stop) {
  if (!stop.is_set()) begun.wait(0, std::memory_order_acquire);
  while (begun.load(std::memory_order_acquire) == 0) {
    if (auto error = stop.reason()) return error;
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  return std::nullopt;
}

// Counts a run that did not succeed.
inline void count_failure(Counters& counters, graph::ErrorCode code) {
  (code == graph::ErrorCode::cancelled  ? counters.cancelled
   : code == graph::ErrorCode::deadline ? counters.deadlines
                                        : counters.errors)
      .fetch_add(1, std::memory_order_relaxed);
}

inline double milliseconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double, std::milli>(end - begin).count();
}

}  // namespace residua::engine
