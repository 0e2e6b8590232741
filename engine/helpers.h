// The helper threads of this process, and how the CPUs are shared out among the calls that run at the same time.
//
// The workers of all calls together are never more than the budget. Calls beyond it wait in line, first come, first
// served; the others share fairly:
//
//   budget 4      one call        A A A A
//                 a second        A A B B      A's helpers leave after the part they are at
//                 three more      A B C D      E waits, without using a CPU
//                 A ends          E B C D
//                 B, C, D end     E E E E      E takes more workers on the way, once CPUs have been free for a moment
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <span>

#include "engine/float_mode.h"
#include "engine/stop.h"
#include "engine/threads.h"

namespace residua::engine {

struct HelperGroup;

// In the line of calls, in the order of arrival. For engine/helpers.cpp alone.
struct WaitingCall {
  int wanted;
  int granted = 0;               // workers, the calling thread among them; 0: it waits
  HelperGroup* group = nullptr;  // of a call that wants several
  std::atomic<std::uint32_t> begun{0};
  WaitingCall* next = nullptr;
};

// A call's turn: it has CPUs when the constructor returns, and gives them back in the end. One at a time on a thread.
// The thread has our floating-point mode and oneDNN's single thread meanwhile.
class Turn {
 public:
  // `threads`: as many as the call can use; fewer than 1 count as 1. Throws Stopped where `stop` ends the waiting.
  explicit Turn(int threads, const StopCondition& stop = {});
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  // As run_phases, with at most `threads` workers. Any number of times.
  void run(std::span<const Phase> phases);
  // How long the call stood in line.
  std::chrono::nanoseconds waited() const { return waited_; }

 private:
  OurFloatMode mode_;
  OneOpenmpThread one_thread_;
  WaitingCall call_;
  std::chrono::nanoseconds waited_{0};
};

// Looks at the cgroup and at the calling thread's affinity mask anew. The CPUs that the process's callers may use,
// taken together, are what the budget of all calls counts, and where helpers run. Returns the calling thread's own
// budget.
int look_at_cpus();

// Around a fork: nothing of this changes in between. The child starts without helpers and calls.
void helpers_before_fork();
void helpers_after_fork(bool child);

}  // namespace residua::engine
