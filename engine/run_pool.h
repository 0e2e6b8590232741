// Runs of one model by callers who keep no context: contexts are lent out, half as many again as there are CPUs in the
// budget, and one: while whoever is called in this line wakes up, others wait for a CPU with a context in hand. Whoever
// comes when all are lent out waits in line, so that memory does not grow with the number of callers.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/context.h"

namespace residua::engine {

// Thread-safe.
class RunPool {
 public:
  explicit RunPool(std::shared_ptr<const Model> model);

  // How contexts are made from now on. Those kept so far are dropped.
  void set_options(const ContextOptions& options);

  // Waits for a context, first come, first served, and runs as Context::run does. `after` sees the context of a run
  // that succeeded, and how long it was waited for since it was asked for.
  graph::Status run(const Input& input, std::span<const Output> outputs, const StopCondition& stop, bool profile,
                    Clock::time_point asked,
                    const std::function<void(const Context& context, double queue_milliseconds)>& after);

 private:
  // A place for a context, and the context if it was made already. Given back by the destructor.
  class Loan {
   public:
    Loan(RunPool& pool, const StopCondition& stop);
    ~Loan();
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    Context& context();

   private:
    RunPool& pool_;
    std::unique_ptr<Context> context_;
    int generation_ = 0;
  };

  // With the mutex held.
  void call_next();
  void forget_parent();

  const std::shared_ptr<const Model> model_;
  const int most_;
  std::mutex mutex_;
  int lent_ = 0;
  std::list<std::atomic<std::uint32_t>*> waiting_;  // each set when it is called
  std::uint32_t process_;                           // forks_so_far() when the line was of use last
  ContextOptions options_;
  int generation_ = 0;                          // of options_
  std::vector<std::unique_ptr<Context>> kept_;  // the last used, whose memory the caches may still hold, is last
};

}  // namespace residua::engine
