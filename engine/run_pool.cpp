#include "engine/run_pool.h"

#include <algorithm>
#include <utility>

#include "engine/cpu_budget.h"

namespace residua::engine {
namespace {

// How often somebody who waits looks at the cancel flag, which wakes nobody.
constexpr std::chrono::milliseconds look_at_flag{10};

Clock::time_point time_to_look(const StopCondition& stop) {
  Clock::time_point until = stop.cancelled ? Clock::now() + look_at_flag : *stop.deadline;
  if (stop.deadline) until = std::min(until, *stop.deadline);
  return until;
}

}  // namespace

RunPool::RunPool(std::shared_ptr<const Model> model) : model_(std::move(model)), most_(cpu_budget()) {}

void RunPool::set_options(const ContextOptions& options) {
  std::vector<std::unique_ptr<Context>> dropped;  // after the lock
  const std::lock_guard lock(mutex_);
  options_ = options;
  ++generation_;
  dropped.swap(kept_);
}

void RunPool::call_next() {
  if (waiting_.empty() || lent_ >= most_) return;
  ++lent_;
  waiting_.front()->is_next = true;
  waiting_.front()->called.notify_one();
  waiting_.pop_front();
}

RunPool::Loan::Loan(RunPool& pool, const StopCondition& stop) : pool_(pool) {
  stop.check();
  std::unique_lock lock(pool.mutex_);
  Waiter self;
  pool.waiting_.push_back(&self);
  pool.call_next();
  while (!self.is_next) {
    if (!stop.is_set()) {
      self.called.wait(lock);
      continue;
    }
    self.called.wait_until(lock, time_to_look(stop));
    if (self.is_next) break;
    if (auto error = stop.reason()) {
      pool.waiting_.remove(&self);
      throw Stopped{std::move(*error)};
    }
  }
  generation_ = pool.generation_;
  if (pool.kept_.empty()) return;
  context_ = std::move(pool.kept_.back());
  pool.kept_.pop_back();
}

RunPool::Loan::~Loan() {
  const std::lock_guard lock(pool_.mutex_);
  if (context_ && generation_ == pool_.generation_) pool_.kept_.push_back(std::move(context_));
  --pool_.lent_;
  pool_.call_next();
}

Context& RunPool::Loan::context() {
  if (!context_) {
    ContextOptions options;
    {
      const std::lock_guard lock(pool_.mutex_);
      options = pool_.options_;
      generation_ = pool_.generation_;
    }
    context_ = std::make_unique<Context>(pool_.model_, options);
  }
  return *context_;
}

graph::Status RunPool::run(const Input& input, std::span<const Output> outputs, const StopCondition& stop,
                           const std::function<void(const Context&, double)>& after) {
  Counters& counters = model_->counters();
  const Clock::time_point begin = Clock::now();
  const auto waited = [&] {
    const double milliseconds = milliseconds_between(begin, Clock::now());
    Counters::add(counters.queue_nanoseconds, milliseconds);
    return milliseconds;
  };
  try {
    Loan loan(*this, stop);
    const double queue_milliseconds = waited();
    const graph::Status status = loan.context().run(input, outputs, stop);
    if (status && after) after(loan.context(), queue_milliseconds);
    return status;
  } catch (const Stopped& stopped) {  // while waiting: a run reports it itself
    waited();
    count_failure(counters, stopped.error.code);
    return stopped.error;
  }
}

}  // namespace residua::engine
