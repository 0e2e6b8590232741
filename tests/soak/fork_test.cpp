// A process that forks after it has used the library: the child has a working library or a clear error, never a hang.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "tests/sanitized.h"
#include "tests/soak/demonstration.h"
#include "tests/soak/process_state.h"

using namespace residua;
using namespace residua::tests;

namespace {

enum Outcome : int { equal_bits = 10, refused = 11, other_bits = 12 };

// What becomes of `in_child`, which has so many seconds before it is killed: an Outcome, or minus the signal's number.
template <class Function>
int outcome_of_child(const Function& in_child, unsigned seconds = 30) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(seconds);  // ends a child that hangs
    int outcome = refused;
    try {
      outcome = in_child();
    } catch (const Error&) {
    }
    _exit(outcome);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace

TEST_CASE("a child uses its parent's model, with a context of its own and with its parent's") {
  const Model model = load_demonstration();
  Context context(model);
  const std::vector<float> expected = run_demonstration(context, 8);
  const auto compare = [&](Context& used) { return run_demonstration(used, 8) == expected ? equal_bits : other_bits; };
  for (int repeat = 0; repeat < 3; ++repeat) {
    CHECK(outcome_of_child([&] { return compare(context); }) == equal_bits);
    CHECK(outcome_of_child([&] {
            Context own(model, {.schedule = RESIDUA_LATENCY});
            return compare(own);
          }) == equal_bits);
  }
  CHECK(outcome_of_child([&] {
          const Model loaded = load_demonstration();
          Context own(loaded);
          return compare(own);
        }) == equal_bits);
  // A grandchild.
  CHECK(outcome_of_child([&] {
          compare(context);
          return outcome_of_child([&] { return compare(context); });
        }) == equal_bits);
  CHECK(run_demonstration(context, 8) == expected);
}

// The allocator of clang 14's AddressSanitizer keeps its locks as they are when a process forks (glibc's gives them to
// the child): a child of a process whose other threads allocate waits in it for good, whatever the library does.
TEST_CASE("forks while other threads run, load and plan: the child answers at once" * doctest::skip(sanitized)) {
  const Model model = load_demonstration();
  std::vector<float> expected;
  {
    Context context(model);
    expected = run_demonstration(context, 2);
  }
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      Context context(model);
      while (!stop) run_demonstration(context, 2);
    });
  threads.emplace_back([&] {
    while (!stop) {
      const Model loaded = load_demonstration();
      Context context(loaded);
      run_demonstration(context, 1);
    }
  });
  int refusals = 0;
  const long forks = repeats(30, 1000);
  for (long i = 0; i < forks; ++i) {
    const int outcome = outcome_of_child([&] {
      Context own(model);
      if (run_demonstration(own, 2) != expected) return other_bits;
      const Model loaded = load_demonstration();
      Context another(loaded);
      return run_demonstration(another, 2) == expected ? equal_bits : other_bits;
    });
    CHECK((outcome == equal_bits || outcome == refused));
    refusals += outcome == refused;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(refusals < forks / 2);  // the fork waits for loading and planning, which takes milliseconds here
}

TEST_CASE("forks while callers without contexts run, wait in line and have runs under way" * doctest::skip(sanitized)) {
  const Model model = load_demonstration();
  const Input two{.format = RESIDUA_FLOAT32_NCHW, .data = demonstration_images(2).data(), .batch = 2};
  const std::vector<float> expected = model.run(two);
  const auto run_later = [&] {
    std::vector<float> values(expected.size());
    const Output output{.values = values};
    std::promise<void> done;
    model.run_async(two, std::span(&output, 1), [&](const Result<void>&) { done.set_value(); });
    done.get_future().wait();
    return values == expected;
  };
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      while (!stop) CHECK((i % 2 == 0 ? model.run(two) == expected : run_later()));
    });
  int refusals = 0;
  const long forks = repeats(30, 1000);
  for (long i = 0; i < forks; ++i) {
    const int outcome = outcome_of_child(
        [&] { return model.run(two) == expected && run_later() && run_later() ? equal_bits : other_bits; });
    CHECK((outcome == equal_bits || outcome == refused));
    refusals += outcome == refused;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(refusals < forks / 2);
}
