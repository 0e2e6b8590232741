#include "engine/threads.h"

#include <doctest/doctest.h>
#include <omp.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <stdexcept>
#include <thread>
#include <vector>

#include "engine/cpu_budget.h"

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

TEST_CASE("a scope puts the host's OpenMP setting back") {
  omp_set_num_threads(3);
  {
    const OneOpenmpThread scope;
    CHECK(omp_get_max_threads() == 1);
  }
  CHECK(omp_get_max_threads() == 3);
}

TEST_CASE("every part runs once, after all parts of the phase before, on no more workers than asked") {
  for (int threads : {1, 2, 3, 5})
    for (std::int64_t parts : {0, 1, 2, 7, 100, 100000}) {
      CAPTURE(threads);
      CAPTURE(parts);
      std::vector<std::atomic<int>> first(static_cast<std::size_t>(parts)), second(first.size());
      std::atomic<std::int64_t> done{0};
      std::atomic<int> too_early{0}, unknown_worker{0}, same_worker_twice{0};
      std::vector<std::atomic<int>> busy(static_cast<std::size_t>(threads));
      const auto count = [&](std::atomic<int>& item, int worker) {
        if (worker < 0 || worker >= threads) {
          ++unknown_worker;
          return;
        }
        std::atomic<int>& mine = busy[static_cast<std::size_t>(worker)];
        same_worker_twice += mine++ != 0;
        ++item;
        --mine;
      };
      const std::vector<Phase> phases{{parts,
                                       [&](std::int64_t part, int worker) {
                                         count(first[static_cast<std::size_t>(part)], worker);
                                         ++done;
                                       }},
                                      {0, [&](std::int64_t, int) { ++unknown_worker; }},
                                      {parts, [&](std::int64_t part, int worker) {
                                         too_early += done != parts;
                                         count(second[static_cast<std::size_t>(part)], worker);
                                       }}};
      run_phases(phases, threads);
      for (const auto& item : first) REQUIRE(item == 1);
      for (const auto& item : second) REQUIRE(item == 1);
      CHECK(too_early == 0);
      CHECK(unknown_worker == 0);
      CHECK(same_worker_twice == 0);
    }
}

TEST_CASE("the first exception of a part comes back, and the phases behind it do not run") {
  for (int threads : {1, 2, 5}) {
    std::atomic<int> later{0};
    const std::vector<Phase> phases{{10,
                                     [](std::int64_t part, int) {
                                       if (part == 7) throw std::runtime_error("held up");
                                     }},
                                    {10, [&](std::int64_t, int) { ++later; }}};
    CHECK_THROWS_WITH_AS(run_phases(phases, threads), "held up", std::runtime_error);
    CHECK(later == 0);
    const Phase good{3, [&](std::int64_t, int) { ++later; }};
    run_phases({&good, 1}, threads);
    CHECK(later == 3);
  }
}

TEST_CASE("many callers at once, many short runs") {
  std::atomic<std::int64_t> total{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] {
      for (int run = 0; run < 2000; ++run) {
        std::atomic<int> sum{0};
        const std::vector<Phase> phases{{5, [&](std::int64_t part, int) { sum += static_cast<int>(part); }},
                                        {1, [&](std::int64_t, int) { total += sum; }}};
        run_phases(phases, 2 + run % 2);
      }
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(total == 4 * 2000 * 10);
}

TEST_CASE("helpers sleep between runs") {
  const Phase phase{64, [](std::int64_t, int) {}};
  run_phases({&phase, 1}, 2);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const auto processor_time = [] {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  };
  const double before = processor_time();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(processor_time() - before < 0.005);
}
