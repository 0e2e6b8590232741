#include "engine/threads.h"

#include <doctest/doctest.h>
#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "engine/cpu_budget.h"
#include "engine/float_mode.h"
#include "engine/helpers.h"
#include "tests/temporary_folder.h"

using namespace residua::engine;
using residua::tests::TemporaryFolder;
using residua::tests::write_content;

namespace {
using std::chrono::steady_clock;
// Time that this thread has run: what the system holds it up for does not count.
std::chrono::nanoseconds own_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}
// Offers of the CPU to other threads right after a part, at most one a part. Who waits yields as well, but only after
// 10000 pauses of 10 ns and more.
std::atomic<int> offers{0};
constexpr std::chrono::nanoseconds none = std::chrono::hours(-1);
thread_local std::chrono::nanoseconds part_ended = none;
}  // namespace

// In place of the C library's.
extern "C" int sched_yield() noexcept {
  offers += own_time() - std::exchange(part_ended, none) < std::chrono::microseconds(100) ? 1 : 0;
  return 0;
}

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

TEST_CASE("quotas of cgroups, both versions: the tightest on the way up binds, and parts of a CPU count as one") {
  const TemporaryFolder root;
  const auto put = [&](const char* name, const char* content) { write_content(root.path() / name, content); };
  CHECK_FALSE(cpu_quota(root.path()));

  put("proc/self/cgroup", "0::/service/worker\n");
  put("sys/fs/cgroup/service/worker/cpu.max", "max 100000\n");
  CHECK_FALSE(cpu_quota(root.path()));
  put("sys/fs/cgroup/service/cpu.max", "150000 100000\n");
  CHECK(cpu_quota(root.path()) == 1.5);
  put("sys/fs/cgroup/service/worker/cpu.max", "50000 100000\n");
  CHECK(cpu_quota(root.path()) == 0.5);

  // A container sees its own group as the root, whatever path the host calls it by.
  put("proc/self/cgroup", "7:pids:/x\n3:cpu,cpuacct:/docker/0123\n0::/\n");
  put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  CHECK_FALSE(cpu_quota(root.path()));
  put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
  CHECK(cpu_quota(root.path()) == 2.5);
  put("sys/fs/cgroup/cpu.max", "nonsense\n");
  CHECK(cpu_quota(root.path()) == 2.5);

  CHECK(budget_of(8, std::nullopt) == 8);
  CHECK(budget_of(8, 0.5) == 1);
  CHECK(budget_of(8, 1.0) == 1);
  CHECK(budget_of(8, 1.5) == 2);
  CHECK(budget_of(2, 64.0) == 2);
  CHECK(budget_of(8, 1e300) == 8);
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

TEST_CASE("one or two workers take the part that is told to be their next") {
  for (const int threads : {1, 2}) {
    std::vector<std::vector<std::int64_t>> taken(2);
    const Phase phase{500, [&](std::int64_t part, int worker) {
                        taken[static_cast<std::size_t>(worker)].push_back(part);
                        // So that the other one comes in time.
                        const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(10);
                        while (std::chrono::steady_clock::now() < until) continue;
                      }};
    run_phases({&phase, 1}, threads);
    CHECK(taken[0].size() + taken[1].size() == 500);
    for (const int worker : {0, 1}) {
      const std::vector<std::int64_t>& parts = taken[static_cast<std::size_t>(worker)];
      for (std::size_t i = 0; i + 1 < parts.size(); ++i) CHECK(parts[i + 1] == part_after(parts[i], worker));
    }
  }
}

TEST_CASE("workers offer their CPU after a part that took long, and a thread alone does not") {
  const auto offers_of = [](std::size_t phases, int threads) {
    const Phase phase{1, [](std::int64_t, int) {
                        const auto until = steady_clock::now() + std::chrono::milliseconds(2);
                        while (steady_clock::now() < until) continue;
                        part_ended = own_time();
                      }};
    const int before = offers;
    run_phases(std::vector<Phase>(phases, phase), threads);
    return offers - before;
  };
  CHECK(offers_of(50, 1) == 0);
  // None after the last part. A thread that the system held up for long may have come too late for some.
  const int of_two = offers_of(50, 2);
  CHECK(of_two >= 40);
  CHECK(of_two < 50);
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

namespace {

// Busy workers of all calls, and the most there were at one time.
struct Busy {
  std::atomic<int> now{0}, most{0};
  void enter() {
    const int busy = ++now;
    for (int known = most; known < busy && !most.compare_exchange_weak(known, busy);) {
    }
  }
  void leave() { --now; }
};

void work_for(std::chrono::microseconds length) {
  const auto end = std::chrono::steady_clock::now() + length;
  while (std::chrono::steady_clock::now() < end) {
  }
}

}  // namespace

TEST_CASE("calls together keep no more workers busy than the budget, and each gets its turn") {
  constexpr int callers = 6;
  Busy busy;
  std::atomic<int> ready{0}, all_runs{0};
  std::vector<int> runs(callers, 0);
  std::vector<std::thread> threads;
  for (int caller = 0; caller < callers; ++caller)
    threads.emplace_back([&, caller] {
      const Phase phase{4, [&](std::int64_t, int) {
                          busy.enter();
                          work_for(std::chrono::microseconds(50));
                          busy.leave();
                        }};
      ++ready;
      while (ready < callers) std::this_thread::yield();
      while (++all_runs < 1200) {
        run_phases({&phase, 1}, 1 + caller % 2);
        ++runs[static_cast<std::size_t>(caller)];
      }
    });
  for (std::thread& thread : threads) thread.join();
  // A worker whose call has to give a CPU away finishes the part it is at: each such one may be one too many for so
  // long.
  CHECK(busy.most <= 2 * cpu_budget());
  const auto [least, most] = std::minmax_element(runs.begin(), runs.end());
  CHECK(*least > 0);
  CHECK(*most <= 5 * *least);  // alike on a quiet machine; on a busy one the system keeps some from their turn
}

TEST_CASE("a second caller takes over a CPU of the first, which gets it back") {
  if (cpu_budget() < 2) return;
  std::atomic<int> phase_of_other{0};
  std::atomic<bool> second_ran{false};
  // The first call's helper comes, goes while the second call runs, and comes again.
  const auto watch = [&](int phase) {
    return Phase{400, [&, phase](std::int64_t, int worker) {
                   work_for(std::chrono::microseconds(50));
                   if (worker > 0) phase_of_other |= 1 << phase;
                 }};
  };
  std::thread second;
  const std::vector<Phase> phases{watch(0),
                                  {1,
                                   [&](std::int64_t, int) {
                                     second = std::thread([&] {
                                       const Phase phase{1, [&](std::int64_t, int) { second_ran = true; }};
                                       for (int i = 0; i < cpu_budget(); ++i) run_phases({&phase, 1}, 1);
                                     });
                                     const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
                                     while (!second_ran && std::chrono::steady_clock::now() < end)
                                       std::this_thread::yield();
                                   }},
                                  watch(1)};
  run_phases(phases, 2);
  second.join();
  CHECK(second_ran);  // while the first was still running, or its phase would have taken ten seconds
  CHECK(phase_of_other == 3);
}

TEST_CASE("who waits for its turn uses no CPU, and is told how long it waited") {
  const int budget = cpu_budget();
  std::atomic<int> running{0};
  std::atomic<bool> release{false};
  std::vector<std::thread> holders;
  for (int i = 0; i < budget; ++i)
    holders.emplace_back([&] {
      const Phase phase{1, [&](std::int64_t, int) {
                          ++running;
                          while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
                        }};
      run_phases({&phase, 1}, 1);
    });
  while (running < budget) std::this_thread::yield();
  double waited = 0, used = 1;
  std::atomic<bool> is_about_to_wait{false};
  std::thread waiting([&] {
    const auto thread_time = [] {
      timespec now{};
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
      return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
    };
    const double before = thread_time();
    is_about_to_wait = true;
    const Turn turn(1);
    used = thread_time() - before;
    waited = std::chrono::duration<double>(turn.waited()).count();
  });
  while (!is_about_to_wait) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  release = true;
  for (std::thread& holder : holders) holder.join();
  waiting.join();
  CHECK(waited > 0.1);
  CHECK(used < 0.02);
}

TEST_CASE("parts run in our floating-point mode, and the host's comes back") {
  constexpr unsigned masked = 0x1F80, no_denormals = 0x8040, round_up = 0x4000;
  const unsigned before = _mm_getcsr();
  for (const unsigned host : {masked, masked | round_up, masked | no_denormals | round_up}) {
    _mm_setcsr(host);
    std::atomic<int> foreign{0};
    const Phase phase{200, [&](std::int64_t, int) { foreign += (_mm_getcsr() & 0xFFC0) != (masked | no_denormals); }};
    run_phases({&phase, 1}, 2);
    const unsigned after = _mm_getcsr();
    _mm_setcsr(before);
    CHECK(foreign == 0);
    CHECK(after == host);
  }
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
