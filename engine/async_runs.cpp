#include "engine/async_runs.h"

#include <algorithm>
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

// How often jobs that wait are asked whether to stop: a flag that a signal handler may set wakes nobody.
constexpr std::chrono::milliseconds watch_interval{4};

struct Job {
  std::function<void()> call;
  StopCondition stop;
};

struct Jobs {
  std::mutex mutex;
  std::condition_variable come, closed;
  std::deque<Job> waiting;
  std::vector<std::thread> threads;   // all that were started and not joined
  std::vector<std::thread::id> done;  // of those, the ones about to return
  int idle = 0, workers = 0;
  bool watched = false;
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
      call(waiting.begin(), lock);
    }
    --workers;
    done.push_back(std::this_thread::get_id());
  }

  // Calls those whose time is up while all workers are busy with others. Ends when none that waits can be stopped.
  void watch() {
    std::unique_lock lock(mutex);
    for (;;) {
      const auto stopped =
          std::find_if(waiting.begin(), waiting.end(), [](const Job& job) { return job.stop.reason().has_value(); });
      if (stopped != waiting.end()) {
        call(stopped, lock);
        continue;
      }
      if (closing || std::none_of(waiting.begin(), waiting.end(), [](const Job& job) { return job.stop.is_set(); }))
        break;
      closed.wait_for(lock, watch_interval);
    }
    watched = false;
    done.push_back(std::this_thread::get_id());
  }

  // Takes a job out of the line and does it, without the lock.
  void call(const std::deque<Job>::iterator& place, std::unique_lock<std::mutex>& lock) {
    {
      const Job job = std::move(*place);
      waiting.erase(place);
      lock.unlock();
      job.call();
    }  // what it held goes without the lock, too
    lock.lock();
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

  void add(Job job) {
    const std::lock_guard lock(mutex);
    clean_up();
    done.reserve(threads.size() + 2);  // so that a thread allocates nothing at its end
    waiting.push_back(std::move(job));
    const bool more_than_idle = static_cast<int>(waiting.size()) > idle;
    if (more_than_idle && workers < most) {
      try {
        threads.emplace_back([this] { work(); });
        ++workers;
      } catch (...) {
        if (workers == 0) {  // nobody would ever come
          waiting.pop_back();
          throw;
        }
      }
    } else if (more_than_idle && !watched && waiting.back().stop.is_set()) {
      try {
        threads.emplace_back([this] { watch(); });
        watched = true;
      } catch (...) {  // then a worker finds out, when it comes to that job
        watched = false;
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
      jobs->closed.notify_all();
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

void run_later(std::function<void()> job, const StopCondition& stop) { jobs().add({std::move(job), stop}); }

}  // namespace residua::engine
