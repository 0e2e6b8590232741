// What belongs to the host stays the host's: OpenMP settings, floating-point mode, CPU masks, signals, and its idle
// CPUs.
#include <doctest/doctest.h>
#include <immintrin.h>
#include <omp.h>
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "tests/soak/demonstration.h"
#include "tests/soak/process_state.h"

using namespace residua;
using namespace residua::tests;

TEST_CASE("outputs do not depend on the host's floating-point mode, and it comes back with its flags") {
  const Model model = load_demonstration();
  Context context(model);
  const std::vector<float> expected = run_demonstration(context, 8);
  const unsigned before = _mm_getcsr();
  for (const unsigned mode : {0x9FC0U, 0x3F80U, 0x5FA0U, 0x7F80U}) {  // flushing, and the three other roundings
    CAPTURE(mode);
    _mm_setcsr(mode);
    const Model loaded = load_demonstration();  // folds and packs
    Context own(loaded);
    const std::vector<float> found = run_demonstration(own, 8);
    const std::vector<float> again = run_demonstration(context, 8);
    const unsigned after = _mm_getcsr();
    _mm_setcsr(before);
    CHECK(after == mode);
    CHECK(found == expected);
    CHECK(again == expected);
  }
}

TEST_CASE("the host's OpenMP settings stay, and its parallel regions may call, nested ones too") {
  const Model model = load_demonstration();
  Context first(model);
  const std::vector<float> expected = run_demonstration(first, 4);
  omp_set_num_threads(3);
  omp_set_max_active_levels(2);
  std::atomic<int> different{0}, changed{0};
#pragma omp parallel num_threads(2)
  {
    omp_set_num_threads(5);
#pragma omp parallel num_threads(2)
    {
      Context context(model);
      different += run_demonstration(context, 4) != expected;
      changed += omp_get_num_threads() != 2;
    }
    changed += omp_get_max_threads() != 5;
  }
  CHECK(different == 0);
  CHECK(changed == 0);
  CHECK(omp_get_max_threads() == 3);
  CHECK(omp_get_max_active_levels() == 2);
}

TEST_CASE("a pinned thread stays where it is pinned, and gets one thread") {
  const Model model = load_demonstration();
  Context wide(model);
  const std::vector<float> expected = run_demonstration(wide, 4);
  std::thread([&] {
    cpu_set_t mask{}, after{};
    REQUIRE(sched_getaffinity(0, sizeof(mask), &mask) == 0);
    int last = CPU_SETSIZE - 1;
    while (!CPU_ISSET(last, &mask)) --last;
    CPU_ZERO(&mask);
    CPU_SET(last, &mask);
    REQUIRE(sched_setaffinity(0, sizeof(mask), &mask) == 0);
    CHECK(residua_cpu_budget() == 1);
    Context context(model);
    CHECK(run_demonstration(context, 4) == expected);
    CHECK(context.run_info().threads == 1);
    REQUIRE(sched_getaffinity(0, sizeof(after), &after) == 0);
    CHECK(CPU_EQUAL(&mask, &after));
  }).join();
}

TEST_CASE("threads of the library take no signals of the host, and are fewer than the budget") {
  const std::size_t before = thread_count();
  const Model model = load_demonstration();
  Context context(model);
  run_demonstration(context, 8);
  CHECK(thread_count() - before <= static_cast<std::size_t>(residua_cpu_budget()) - 1);
  int ours = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == std::to_string(getpid())) continue;
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);)
      // libgomp's threads of the case above block nothing; ours block whatever can be.
      if (line.starts_with("SigBlk:") && std::stoull(line.substr(8), nullptr, 16) == 0xfffffffe7ffbfeffULL) ++ours;
  }
  CHECK(ours <= residua_cpu_budget() - 1);
  CHECK((ours > 0) == (residua_cpu_budget() > 1));
}

TEST_CASE("idle means no CPU time") {
  const Model model = load_demonstration();
  Context context(model);
  for (int i = 0; i < 20; ++i) run_demonstration(context, 8);
  const std::size_t threads = thread_count();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const std::string by_thread_before = processor_time_by_thread();
  const double before = processor_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(repeats(1000, 10000)));
  const double taken = processor_seconds() - before;
  const std::string by_thread_after = processor_time_by_thread();
  CAPTURE(by_thread_before);
  CAPTURE(by_thread_after);
  CHECK(taken < 0.002);
  CHECK(thread_count() == threads);
}
