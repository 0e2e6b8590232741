// Threads: the only place that speaks OpenMP.
//
// oneDNN shares this pool (libgomp). It fixes a primitive's number of threads when the primitive is created, from the
// calling thread's OpenMP setting, and again asks for that setting when it runs: so both happen inside a
// ThreadCountScope, which puts the host's own setting back.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>

namespace residua::engine {

// CPUs this process may use: min(affinity mask, cgroup v1/v2 quota rounded up), at least 1.
int cpu_budget();

// `asked` 0: the whole budget; never more than the budget, never less than 1.
int threads_within_budget(int asked);

class ThreadCountScope {
 public:
  explicit ThreadCountScope(int threads);
  ~ThreadCountScope();
  ThreadCountScope(const ThreadCountScope&) = delete;
  ThreadCountScope& operator=(const ThreadCountScope&) = delete;

 private:
  int previous_;
};

// Calls work(worker) for 0 <= worker < workers, each on a thread of its own, and waits for all. Inside, oneDNN and
// parallel_ranges stay on their thread. The first exception is thrown again here. workers == 1 runs in place.
void run_workers(int workers, const std::function<void(int worker)>& work);

// Splits 0 <= i < count into one contiguous range a thread and calls work(begin, end); in place where threads == 1,
// where there is one item, or inside run_workers. `work` must not throw.
template <class Work>
void parallel_ranges(int threads, std::int64_t count, const Work& work);

namespace detail {
void parallel_ranges(int threads, std::int64_t count, const void* work,
                     void (*call)(const void* work, std::int64_t begin, std::int64_t end));
}

template <class Work>
void parallel_ranges(int threads, std::int64_t count, const Work& work) {
  detail::parallel_ranges(threads, count, &work, [](const void* erased, std::int64_t begin, std::int64_t end) {
    (*static_cast<const Work*>(erased))(begin, end);
  });
}

}  // namespace residua::engine
