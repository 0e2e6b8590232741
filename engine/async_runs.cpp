#include "engine/async_runs.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/cpu_budget.h"
#include "engine/fork.h"

namespace residua::engine {
namespace {

// Starting a thread takes some hundredths of a millisecond, so one that waits this long for the next job saves a
// steady stream of runs from doing so each time, and a host that has stopped is soon rid of it.
constexpr std::chrono::milliseconds linger{100};

struct Jobs {
  std::mutex mutex;
  std::condition_variable come;
  std::deque<std::function<void()>> waiting;
  std::vector<std::thread> threads;   // all that were started and not joined
  std::vector<std::thread::id> done;  // of those, the ones about to return
  int idle = 0;
  const int most = cpu_budget();
  bool closing = false;

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      if (waiting.empty() && !closing) {
        ++idle;
        come.wait_for(lock, linger, [&] { return !waiting.empty() || closing; });
        --idle;
      }
      if (waiting.empty()) break;
      const std::function<void()> job = std::move(waiting.front());
      waiting.pop_front();
      lock.unlock();
      job();
      lock.lock();
    }
    done.push_back(std::this_thread::get_id());
  }

  // Joins the threads that have come to their end; the mutex is held, and they need it no longer.
  void clean_up() {
    for (const std::thread::id id : done)
      for (auto thread = threads.begin(); thread != threads.end(); ++thread)
        if (thread->get_id() == id) {
          thread->join();
          threads.erase(thread);
          break;
        }
    done.clear();
  }

  void add(std::function<void()> job) {
    const std::lock_guard lock(mutex);
    clean_up();
    done.reserve(threads.size() + 1);  // so that a thread allocates nothing at its end
    waiting.push_back(std::move(job));
    if (static_cast<int>(waiting.size()) > idle && static_cast<int>(threads.size()) < most) {
      try {
        threads.emplace_back([this] { work(); });
      } catch (...) {
        if (threads.empty()) {  // nobody would ever come
          waiting.pop_back();
          throw;
        }
      }
    }
    come.notify_one();
  }
};

// The process's. A child process starts afresh: its parent's threads are not there, and its parent's lock may be held.
struct Process {
  Jobs* jobs = new Jobs();
  std::uint32_t number = forks_so_far();

  // When the library goes, so do its threads.
  ~Process() {
    if (number != forks_so_far()) return;
    {
      const std::lock_guard lock(jobs->mutex);
      jobs->closing = true;
      jobs->come.notify_all();
    }
    for (std::thread& thread : jobs->threads) thread.join();
    delete jobs;
  }
};

Jobs& jobs() {
  static Process process;
  static std::mutex mutex;  // taken here only: by calls that a fork waits for
  const std::lock_guard lock(mutex);
  if (process.number != forks_so_far()) {
    process.jobs = new Jobs();
    process.number = forks_so_far();
  }
  return *process.jobs;
}

}  // namespace

void run_later(std::function<void()> job) { jobs().add(std::move(job)); }

}  // namespace residua::engine
