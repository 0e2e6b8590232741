// One run at a time on a caller and the helper threads that come, without locks: the machinery behind run_phases.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>

#include "engine/threads.h"

namespace residua::engine {

// The state of the current phase is one word, the ticket:
//
//   | phase number (32 bits) | back (16) | front (16) |
//
// Parts front .. back-1 are free. Taking one is a compare-and-swap on the whole word, so that a thread which was held
// up with an old ticket in its hand takes nothing.
//
// Whoever does a phase's last part opens the next. A thread that has taken no part is waited for by nobody, so a helper
// may look at the ticket at any time: a team outlives its helpers. Who helps, and as which worker, is for
// engine/helpers to say; no two threads may be one worker at the same time.
class Team {
 public:
  // `spare` is called now and then during a run, by any of its workers, once tell_of_spare() asked for it.
  explicit Team(void (*spare)(Team&)) : spare_(spare) {}

  // How many workers may take parts, at least 1: who has a higher number finishes the part it has. At any time.
  void set_workers(int workers);
  void tell_of_spare(bool wanted) { spare_wanted_.store(wanted, std::memory_order_relaxed); }

  // Runs `phases` on this thread, worker 0, and on those that help. One call at a time.
  void run(std::span<const Phase> phases);

  // Takes parts as worker `worker`, until that is too many, or until there is nothing to do and `calls` is no longer
  // `seen`, or there has been no run for some tenths of a millisecond.
  void help(int worker, const std::atomic<std::uint32_t>& calls, std::uint32_t seen);

 private:
  class CpuSlice;
  static constexpr std::int64_t most_parts = 0xFFFF;

  // Takes and does parts until the phase has none left.
  void work(int worker, CpuSlice& slice);
  void open_phase(std::size_t index);
  bool take(int worker, std::int64_t& part);
  void do_part(std::int64_t part, int worker) noexcept;
  // Sleeps until the ticket is no longer `seen`, or worker `worker` is too many.
  void sleep(int worker, std::uint64_t seen, CpuSlice& slice);
  void wake();

  void (*const spare_)(Team&);

  // Of the run: written while no part can be taken, read only by who has taken one.
  std::span<const Phase> phases_;
  std::size_t index_ = 0;
  std::int64_t group_ = 1;  // parts of the phase behind one part of the ticket
  std::uint32_t number_ = 0;

  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  std::atomic<int> workers_{1};
  std::atomic<std::uint32_t> last_number_{0};      // of the ticket that ends the run
  alignas(64) std::atomic<std::int64_t> left_{0};  // parts of the phase that are not done
  alignas(64) std::atomic<int> asleep_{0};
  std::atomic<std::uint32_t> wake_{0};
  std::atomic<bool> spare_wanted_{false};
  std::atomic<bool> failed_{false};
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

}  // namespace residua::engine
