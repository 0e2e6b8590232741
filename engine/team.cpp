#include "engine/team.h"

#include <immintrin.h>
#include <sched.h>

#include <algorithm>
#include <utility>

#include "engine/stop.h"

namespace residua::engine {
namespace {

constexpr std::uint64_t make_ticket(std::uint32_t number, std::int64_t parts) {
  return std::uint64_t{number} << 32 | static_cast<std::uint64_t>(parts) << 16;
}
constexpr std::uint32_t number_of(std::uint64_t ticket) { return static_cast<std::uint32_t>(ticket >> 32); }
constexpr std::uint64_t front_of(std::uint64_t ticket) { return ticket & 0xFFFF; }
constexpr std::uint64_t back_of(std::uint64_t ticket) { return ticket >> 16 & 0xFFFF; }
constexpr std::uint64_t one_from_front = 1, one_from_back = 1 << 16;

// Looks before a waiting thread goes to sleep. A pause takes 10 to 50 ns, so this is 0.1 to 0.5 ms: longer than threads
// wait for each other in a phase that is dealt out well, and about what a sleep and a wake-up cost on a virtual
// machine.
constexpr int looks_before_sleep = 10000;

}  // namespace

// The time that a thread has had its CPU. Where another process wants the CPU too, the system takes it away after a
// slice of 3 to 4 ms (Linux), in the middle of a part as a rule, and for as long all others wait for that part. Who
// offers it earlier, between two parts, keeps nobody waiting: the others do what is left meanwhile. Where nobody wants
// the CPU the offer takes half a microsecond.
class Team::CpuSlice {
 public:
  void offer_between_parts() {
    if (Clock::now() - began_ < before_offering) return;
    sched_yield();
    begin();
  }
  void begin() { began_ = Clock::now(); }

 private:
  // A part of some tenths of a millisecond still ends within the slice.
  static constexpr Clock::duration before_offering = std::chrono::microseconds(1500);
  Clock::time_point began_ = Clock::now();
};

void Team::set_workers(int workers) {
  const bool fewer = workers < workers_.exchange(workers, std::memory_order_seq_cst);
  if (fewer) wake();  // who sleeps in vain
}

void Team::run(std::span<const Phase> phases) {
  if (phases.empty()) return;
  phases_ = phases;
  failed_.store(false, std::memory_order_relaxed);
  // Every phase has a number of its own; the one after the last phase's tells that the run is over.
  const std::uint32_t end = number_ + static_cast<std::uint32_t>(phases.size()) + 1;
  last_number_.store(end, std::memory_order_relaxed);
  open_phase(0);
  CpuSlice slice;
  std::uint64_t seen = 0;
  for (int look = 0;;) {
    work(0, slice);
    const std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
    if (number_of(ticket) == end) break;
    if (ticket != std::exchange(seen, ticket)) look = 0;
    if (++look < looks_before_sleep)
      _mm_pause();
    else
      sleep(0, ticket, slice);
  }
  if (failed_.load(std::memory_order_acquire)) {
    const std::lock_guard lock(failure_mutex_);
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
}

void Team::help(int worker, const std::atomic<std::uint32_t>& calls, std::uint32_t seen) {
  CpuSlice slice;
  std::uint64_t seen_ticket = 0;
  for (int look = 0; worker < workers_.load(std::memory_order_relaxed);) {
    const std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
    if (ticket != std::exchange(seen_ticket, ticket)) look = 0;
    if (front_of(ticket) < back_of(ticket)) {
      work(worker, slice);
      continue;
    }
    if (calls.load(std::memory_order_acquire) != seen) return;
    if (++look < looks_before_sleep) {
      _mm_pause();
      continue;
    }
    if (number_of(ticket) == last_number_.load(std::memory_order_relaxed)) return;
    sleep(worker, ticket, slice);
  }
}

void Team::open_phase(std::size_t index) {
  // Empty phases are passed over; nobody holds a part, so all of this is ours.
  for (; index < phases_.size(); ++index, ++number_)
    if (phases_[index].parts > 0) break;
  ++number_;
  std::int64_t parts = 0;
  if (index < phases_.size()) {
    index_ = index;
    const std::int64_t wanted = failed_.load(std::memory_order_relaxed) ? 1 : phases_[index].parts;
    group_ = (wanted + most_parts - 1) / most_parts;
    parts = (wanted + group_ - 1) / group_;
    left_.store(parts, std::memory_order_relaxed);
  }
  ticket_.store(make_ticket(number_, parts), std::memory_order_seq_cst);
  if (asleep_.load(std::memory_order_seq_cst) > 0) wake();
}

bool Team::take(int worker, std::int64_t& part) {
  std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
  // workers_ belongs to the ticket's run, or to a later one: then that run is over, so is the ticket, and the exchange
  // fails.
  while (front_of(ticket) < back_of(ticket) && worker < workers_.load(std::memory_order_relaxed)) {
    const bool front = takes_from_front(worker);
    if (ticket_.compare_exchange_weak(ticket, front ? ticket + one_from_front : ticket - one_from_back,
                                      std::memory_order_acq_rel, std::memory_order_acquire)) {
      part = static_cast<std::int64_t>(front ? front_of(ticket) : back_of(ticket) - 1);
      return true;
    }
  }
  return false;
}

void Team::do_part(std::int64_t part, int worker) noexcept {
  if (failed_.load(std::memory_order_relaxed)) return;
  try {
    const Phase& phase = phases_[index_];
    const std::int64_t end = std::min((part + 1) * group_, phase.parts);
    for (std::int64_t i = part * group_; i < end; ++i) phase.run(i, worker);
  } catch (...) {
    const std::lock_guard lock(failure_mutex_);
    if (!failure_) failure_ = std::current_exception();
    failed_.store(true, std::memory_order_release);
  }
}

void Team::work(int worker, CpuSlice& slice) {
  for (std::int64_t part = 0; take(worker, part);) {
    do_part(part, worker);
    if (spare_wanted_.load(std::memory_order_relaxed)) spare_(*this);
    if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) open_phase(index_ + 1);
    const std::uint64_t ticket = ticket_.load(std::memory_order_relaxed);
    if (number_of(ticket) != last_number_.load(std::memory_order_relaxed)) slice.offer_between_parts();
  }
}

void Team::sleep(int worker, std::uint64_t seen, CpuSlice& slice) {
  asleep_.fetch_add(1, std::memory_order_seq_cst);
  const std::uint32_t before = wake_.load(std::memory_order_seq_cst);
  if (ticket_.load(std::memory_order_seq_cst) == seen && worker < workers_.load(std::memory_order_seq_cst))
    wake_.wait(before, std::memory_order_acquire);
  asleep_.fetch_sub(1, std::memory_order_seq_cst);
  slice.begin();
}

void Team::wake() {
  wake_.fetch_add(1, std::memory_order_seq_cst);
  wake_.notify_all();
}

}  // namespace residua::engine
