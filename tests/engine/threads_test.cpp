#include "engine/threads.h"

#include <doctest/doctest.h>
#include <omp.h>
#include <sched.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace residua::engine;

TEST_CASE("the budget follows the affinity mask") {
  CHECK(cpu_budget() >= 1);
  CHECK(cpu_budget() <= static_cast<int>(std::thread::hardware_concurrency()));
  CHECK(threads_within_budget(1) == 1);
  CHECK(threads_within_budget(0) == cpu_budget());
  CHECK(threads_within_budget(100000) == cpu_budget());

  int on_one_cpu = 0;
  std::thread([&] {  // masks belong to threads: this one alone is pinned
    cpu_set_t mask;
    REQUIRE(sched_getaffinity(0, sizeof(mask), &mask) == 0);
    int first = 0;
    while (!CPU_ISSET(first, &mask)) ++first;
    CPU_ZERO(&mask);
    CPU_SET(first, &mask);
    REQUIRE(sched_setaffinity(0, sizeof(mask), &mask) == 0);
    on_one_cpu = cpu_budget();
  })
      .join();
  CHECK(on_one_cpu == 1);
}

TEST_CASE("a scope puts the host's thread count back") {
  omp_set_num_threads(3);
  {
    const ThreadCountScope scope(1);
    CHECK(omp_get_max_threads() == 1);
  }
  CHECK(omp_get_max_threads() == 3);
}

TEST_CASE("every worker runs once, and an exception comes back") {
  for (int workers : {1, 2, 5}) {
    std::vector<std::atomic<int>> runs(static_cast<std::size_t>(workers));
    run_workers(workers, [&](int worker) { ++runs[static_cast<std::size_t>(worker)]; });
    for (const auto& count : runs) CHECK(count == 1);
    CHECK_THROWS_AS(run_workers(workers,
                                [&](int worker) {
                                  if (worker == workers - 1) throw std::runtime_error("held up");
                                }),
                    std::runtime_error);
  }
}

TEST_CASE("ranges cover every item once") {
  for (int threads : {1, 2, 3})
    for (std::int64_t count : {0, 1, 2, 7, 100}) {
      std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
      parallel_ranges(threads, count, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
      });
      for (const auto& item : seen) CHECK(item == 1);
    }
}
