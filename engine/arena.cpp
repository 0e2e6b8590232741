#include "engine/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <new>
#include <numeric>

namespace residua::engine {

namespace {

// nullptr: the system's. Read without a lock, by threads that a fork does not wait for; so what it pointed to is kept.
std::atomic<const Allocator*> chosen_allocator{nullptr};

void* system_memory(std::size_t bytes, std::size_t alignment) {
  void* memory = nullptr;
  if (::posix_memalign(&memory, alignment, bytes) != 0) return nullptr;
  // A wish: where the system has none, or none to spare, small pages do. The tail behind the last whole huge page keeps
  // small ones, so that nothing is wasted.
  if (alignment == huge_page) static_cast<void>(::madvise(memory, bytes / huge_page * huge_page, MADV_HUGEPAGE));
  return memory;
}

}  // namespace

void set_allocator(const std::optional<Allocator>& allocator) {
  static std::mutex mutex;
  static std::vector<std::unique_ptr<const Allocator>> all;
  const std::lock_guard lock(mutex);
  if (allocator) all.push_back(std::make_unique<const Allocator>(*allocator));
  chosen_allocator.store(allocator ? all.back().get() : nullptr, std::memory_order_release);
}

std::shared_ptr<std::byte> allocate_aligned(std::size_t bytes) {
  bytes = std::max<std::size_t>(bytes, 1);
  const std::size_t alignment = bytes >= huge_page ? huge_page : cache_line;
  const Allocator* const chosen = chosen_allocator.load(std::memory_order_acquire);
  const auto from = chosen ? std::optional(*chosen) : std::nullopt;
  void* const memory = from ? from->allocate(from->user, bytes, alignment) : system_memory(bytes, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return {static_cast<std::byte*>(memory), [from, bytes](std::byte* pointer) {
            if (from)
              from->release(from->user, pointer, bytes);
            else
              std::free(pointer);
          }};
}

std::byte* Block::at_least(std::size_t wanted) {
  if (capacity_ < wanted) {
    memory_ = nullptr;
    capacity_ = 0;
    memory_ = allocate_aligned(wanted);
    capacity_ = wanted;
  }
  return memory_.get();
}

namespace {

bool alive_together(const Lifetime& a, const Lifetime& b) { return a.first <= b.last && b.first <= a.last; }

// Places one tensor after the other in the given order.
ArenaPlan place(const std::vector<Lifetime>& lifetimes, const std::vector<std::size_t>& order) {
  ArenaPlan plan;
  plan.offsets.assign(lifetimes.size(), 0);
  std::vector<std::size_t> placed;
  for (std::size_t index : order) {
    const std::size_t bytes = whole_cache_lines(lifetimes[index].bytes);
    std::vector<std::size_t> neighbours;
    for (std::size_t other : placed)
      if (alive_together(lifetimes[index], lifetimes[other])) neighbours.push_back(other);
    std::sort(neighbours.begin(), neighbours.end(),
              [&](std::size_t a, std::size_t b) { return plan.offsets[a] < plan.offsets[b]; });
    // Walk the gaps between neighbours from below; the tightest one wins, else the end.
    std::size_t end = 0, best = 0, best_gap = static_cast<std::size_t>(-1);
    for (std::size_t other : neighbours) {
      if (plan.offsets[other] > end) {
        const std::size_t gap = plan.offsets[other] - end;
        if (gap >= bytes && gap < best_gap) {
          best = end;
          best_gap = gap;
        }
      }
      end = std::max(end, plan.offsets[other] + whole_cache_lines(lifetimes[other].bytes));
    }
    plan.offsets[index] = best_gap == static_cast<std::size_t>(-1) ? end : best;
    plan.bytes = std::max(plan.bytes, plan.offsets[index] + bytes);
    placed.push_back(index);
  }
  return plan;
}

std::size_t largest_sum_alive(const std::vector<Lifetime>& lifetimes) {
  std::size_t largest = 0;
  for (const Lifetime& moment : lifetimes) {  // a maximum is reached where some tensor begins
    std::size_t sum = 0;
    for (const Lifetime& other : lifetimes)
      if (other.first <= moment.first && moment.first <= other.last) sum += whole_cache_lines(other.bytes);
    largest = std::max(largest, sum);
  }
  return largest;
}

}  // namespace

ArenaPlan plan_arena(const std::vector<Lifetime>& lifetimes) {
  std::vector<std::size_t> largest_first(lifetimes.size());
  std::iota(largest_first.begin(), largest_first.end(), std::size_t{0});
  std::vector<std::size_t> earliest_first = largest_first;
  std::stable_sort(largest_first.begin(), largest_first.end(),
                   [&](std::size_t a, std::size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  std::stable_sort(earliest_first.begin(), earliest_first.end(),
                   [&](std::size_t a, std::size_t b) { return lifetimes[a].first < lifetimes[b].first; });
  ArenaPlan by_size = place(lifetimes, largest_first);
  ArenaPlan by_time = place(lifetimes, earliest_first);
  ArenaPlan best = by_time.bytes < by_size.bytes ? std::move(by_time) : std::move(by_size);
  best.lower_bound = largest_sum_alive(lifetimes);
  return best;
}

}  // namespace residua::engine
