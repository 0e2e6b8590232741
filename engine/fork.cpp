#include "engine/fork.h"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "engine/helpers.h"

namespace residua::engine {
namespace {

constexpr auto patience = std::chrono::seconds(1);

std::atomic<int> inside{0};            // threads in a LockingCall
std::atomic<std::uint32_t> closed{0};  // 1: a fork waits for them
std::atomic<bool> broken{false};
std::atomic<std::uint32_t> forks{0};
bool complete = false;  // of the fork under way: nobody else is inside
thread_local int depth = 0;

void come_in() {
  for (;;) {
    inside.fetch_add(1, std::memory_order_seq_cst);
    if (closed.load(std::memory_order_seq_cst) == 0) return;
    inside.fetch_sub(1, std::memory_order_seq_cst);
    closed.wait(1, std::memory_order_seq_cst);
  }
}

void go_out() { inside.fetch_sub(1, std::memory_order_release); }

int own() { return depth > 0 ? 1 : 0; }

void before_fork() {
  closed.store(1, std::memory_order_seq_cst);
  const auto end = std::chrono::steady_clock::now() + patience;
  while (inside.load(std::memory_order_seq_cst) > own() && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  complete = inside.load(std::memory_order_seq_cst) == 0;
  helpers_before_fork();
}

void open_again() {
  closed.store(0, std::memory_order_seq_cst);
  closed.notify_all();
}

void after_fork_in_parent() {
  helpers_after_fork(false);
  open_again();
}

void after_fork_in_child() {
  helpers_after_fork(true);
  forks.fetch_add(1);
  if (!complete) broken.store(true);
  inside.store(own());
  open_again();
}

// When the library is loaded; taken back when it is unloaded.
[[maybe_unused]] const int registered = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);

}  // namespace

LockingCall::LockingCall() {
  if (depth == 0) come_in();
  ++depth;
}

LockingCall::~LockingCall() {
  if (--depth == 0) go_out();
}

LockFree::LockFree() : depth_(depth) {
  if (depth_ == 0) return;
  depth = 0;
  go_out();
}

LockFree::~LockFree() {
  if (depth_ == 0) return;
  come_in();
  depth = depth_;
}

std::uint32_t forks_so_far() { return forks.load(std::memory_order_relaxed); }

const char* broken_by_fork() {
  return broken.load(std::memory_order_relaxed)
             ? "this process was forked while the library was loading or planning, so it cannot be used here: fork "
               "before, or start the child with exec"
             : nullptr;
}

}  // namespace residua::engine
