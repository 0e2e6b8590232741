// One run at a time on a caller and some helper threads, without locks: the machinery behind run_phases.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "engine/threads.h"

namespace residua::engine {

// The state of the current phase is one word, the ticket:
//
//   | phase number (32 bits) | back (16) | front (16) |
//
// Parts front .. back-1 are free. Taking one is a compare-and-swap on the whole word, so that a thread which was held
// up with an old ticket in its hand takes nothing. Even workers take from the front, odd ones from the back:
// neighbouring parts, which share cache lines and input rows, stay on one core from phase to phase.
//
// Whoever does a phase's last part opens the next. A thread that has taken no part is waited for by nobody; a team is
// never destroyed, so a helper may look at the ticket at any time.
class Team {
 public:
  explicit Team(int helpers);

  int helpers() const { return static_cast<int>(threads_.size()); }
  // Runs `phases` with at most `threads` workers. One call at a time.
  void run(std::span<const Phase> phases, int threads);
  // More helpers, for a caller that wants them. Not during a run.
  void grow(int helpers);

 private:
  static constexpr std::int64_t most_parts = 0xFFFF;

  void help(int worker);
  // Takes and does parts until the phase of `ticket` has none left.
  void work(int worker);
  void open_phase(std::size_t index);
  void close_phase();
  bool take(int worker, std::int64_t& part);
  void do_part(std::int64_t part, int worker) noexcept;
  // Waits until the ticket is no longer `seen`: awake for a while, then asleep.
  void wait_for_change(std::uint64_t seen);

  std::vector<std::thread> threads_;

  // Of the run: written while no part can be taken, read only by who has taken one.
  std::span<const Phase> phases_;
  std::size_t index_ = 0;
  std::int64_t group_ = 1;  // parts of the phase behind one part of the ticket
  std::uint32_t number_ = 0;

  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  std::atomic<int> workers_{0};  // of the run; helpers from this number on wait for another
  std::atomic<std::uint32_t> runs_{0};
  alignas(64) std::atomic<std::int64_t> left_{0};  // parts of the phase that are not done
  alignas(64) std::atomic<int> asleep_{0};
  std::atomic<std::uint32_t> wake_{0};
  std::atomic<std::uint32_t> last_number_{0};  // of the ticket that ends the run
  std::atomic<bool> failed_{false};
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

}  // namespace residua::engine
