#include "engine/arena.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using namespace residua::engine;

namespace {

// Whether two lifetimes that overlap in time also overlap in memory anywhere in the plan.
bool collides(const std::vector<Lifetime>& lifetimes, const ArenaPlan& plan) {
  for (std::size_t a = 0; a < lifetimes.size(); ++a)
    for (std::size_t b = a + 1; b < lifetimes.size(); ++b) {
      const bool in_time = lifetimes[a].first <= lifetimes[b].last && lifetimes[b].first <= lifetimes[a].last;
      const bool in_memory = plan.offsets[a] < plan.offsets[b] + lifetimes[b].bytes &&
                             plan.offsets[b] < plan.offsets[a] + lifetimes[a].bytes;
      if (in_time && in_memory) return true;
    }
  return false;
}

}  // namespace

TEST_CASE("an empty arena") {
  const ArenaPlan plan = plan_arena({});
  CHECK(plan.bytes == 0);
  CHECK(plan.lower_bound == 0);
}

TEST_CASE("a chain needs its largest neighbours only") {
  // 0 -> 1 -> 2: each tensor lives until the next step has read it.
  const ArenaPlan plan = plan_arena({{100, 0, 1}, {300, 1, 2}, {200, 2, 3}});
  CHECK(plan.lower_bound == 320 + 256);  // rounded up to cache lines
  CHECK(plan.bytes == plan.lower_bound);
}

TEST_CASE("random lifetimes never collide, and the block is tight") {
  double worst = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::vector<Lifetime> lifetimes(std::uniform_int_distribution<std::size_t>(1, 40)(random));
    for (Lifetime& lifetime : lifetimes) {
      lifetime.bytes = std::uniform_int_distribution<std::size_t>(0, 5000)(random);
      lifetime.first = std::uniform_int_distribution<int>(-1, 30)(random);
      lifetime.last = lifetime.first + std::uniform_int_distribution<int>(0, 6)(random);
    }
    const ArenaPlan plan = plan_arena(lifetimes);
    CHECK_FALSE(collides(lifetimes, plan));
    CHECK(plan.bytes >= plan.lower_bound);
    for (std::size_t i = 0; i < lifetimes.size(); ++i) {
      CHECK(plan.offsets[i] % cache_line == 0);
      CHECK(plan.offsets[i] + lifetimes[i].bytes <= plan.bytes);
    }
    if (plan.lower_bound > 0)
      worst = std::max(worst, static_cast<double>(plan.bytes) / static_cast<double>(plan.lower_bound));
  }
  CHECK(worst <= 1.5);
}
