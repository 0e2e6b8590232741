// The memory plan: tensors with lifetimes -> offsets in one block.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace residua::engine {

inline constexpr std::size_t cache_line = 64;

inline constexpr std::size_t huge_page = std::size_t{2} << 20;

inline constexpr std::size_t whole_cache_lines(std::size_t bytes) {
  return (bytes + cache_line - 1) / cache_line * cache_line;
}

// Where allocate_aligned gets its memory from. Both may be called from any thread; NULL: there is none.
struct Allocator {
  void* user;
  void* (*allocate)(void* user, std::size_t bytes, std::size_t alignment);
  void (*release)(void* user, void* memory, std::size_t bytes);
};

// From now on; nullopt: the system's. What was allocated before goes back to where it came from. Thread-safe.
void set_allocator(const std::optional<Allocator>& allocator);

// 64-byte aligned memory; std::bad_alloc where there is none. `bytes` may be 0. Large blocks ask for huge pages:
// reading weights that the caches do not hold is half as fast again with them, since the CPU's own prefetching stops at
// the end of a page.
std::shared_ptr<std::byte> allocate_aligned(std::size_t bytes);

// Memory that grows to the largest size asked for. Growing loses what it held: the old memory goes before the new
// comes.
class Block {
 public:
  std::byte* at_least(std::size_t wanted);
  std::byte* data() const { return memory_.get(); }
  std::size_t bytes() const { return capacity_; }

 private:
  std::shared_ptr<std::byte> memory_;
  std::size_t capacity_ = 0;
};

// A tensor that must exist from step `first` to step `last`, both included.
struct Lifetime {
  std::size_t bytes;
  int first;
  int last;
};

struct ArenaPlan {
  std::vector<std::size_t> offsets;  // one a lifetime, multiples of 64
  std::size_t bytes = 0;             // of the whole block
  std::size_t lower_bound = 0;       // largest sum of sizes alive at one step: no plan is smaller
};

// Places the lifetimes so that no two that overlap in time overlap in memory. Sizes are rounded up to 64 bytes.
// Dynamic storage allocation is NP-hard; this tries two greedy orders (largest first, earliest first; each tensor goes
// into the tightest gap that it fits) and keeps the smaller plan.
ArenaPlan plan_arena(const std::vector<Lifetime>& lifetimes);

}  // namespace residua::engine
