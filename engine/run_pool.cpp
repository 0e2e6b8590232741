#include "engine/run_pool.h"

#include <iterator>
#include <optional>
#include <utility>

#include "engine/cpu_budget.h"
#include "engine/fork.h"

namespace residua::engine {

RunPool::RunPool(std::shared_ptr<const Model> model)
    : model_(std::move(model)), most_(cpu_budget() + cpu_budget() / 2 + 1), process_(forks_so_far()) {
  kept_.reserve(static_cast<std::size_t>(most_));  // so that giving back allocates nothing
}

void RunPool::set_options(const ContextOptions& options) {
  std::vector<std::unique_ptr<Context>> dropped;  // after the lock
  const std::lock_guard lock(mutex_);
  options_ = options;
  ++generation_;
  dropped.assign(std::move_iterator(kept_.begin()), std::move_iterator(kept_.end()));
  kept_.clear();
}

void RunPool::call_next() {
  if (waiting_.empty() || lent_ >= most_) return;
  ++lent_;
  std::atomic<std::uint32_t>& next = *waiting_.front();
  waiting_.pop_front();
  next.store(1, std::memory_order_release);
  next.notify_one();
}

// In a child process: who waits in line, and who has a context, was a thread of the parent's.
void RunPool::forget_parent() {
  if (process_ == forks_so_far()) return;
  process_ = forks_so_far();
  waiting_.clear();
  lent_ = 0;
}

RunPool::Loan::Loan(RunPool& pool, const StopCondition& stop) : pool_(pool) {
  stop.check();
  std::atomic<std::uint32_t> called{0};
  {
    const std::lock_guard lock(pool.mutex_);
    pool.forget_parent();
    pool.waiting_.push_back(&called);
    pool.call_next();
  }
  std::optional<graph::Error> error;
  if (called.load(std::memory_order_acquire) == 0) {
    const LockFree waiting;
    error = wait_until(called, stop);
  }
  const std::lock_guard lock(pool.mutex_);
  if (error) {
    if (called.load(std::memory_order_relaxed) != 0) {  // called in the meantime: for the next one
      --pool.lent_;
      pool.call_next();
    }
    pool.waiting_.remove(&called);
    throw Stopped{std::move(*error)};
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

graph::Status RunPool::run(const Input& input, std::span<const Output> outputs, const StopCondition& stop, bool profile,
                           Clock::time_point asked, const std::function<void(const Context&, double)>& after) {
  Counters& counters = model_->counters();
  std::optional<Loan> loan;
  Context* context = nullptr;
  std::optional<graph::Error> stopped;
  try {
    loan.emplace(*this, stop);
    context = &loan->context();
  } catch (Stopped& reason) {
    stopped = std::move(reason.error);
  } catch (...) {
    count_failure(counters, graph::ErrorCode::internal);
    throw;
  }
  const double queue_milliseconds = milliseconds_between(asked, Clock::now());
  Counters::add(counters.queue_nanoseconds, queue_milliseconds);
  if (stopped) {
    count_failure(counters, stopped->code);
    return std::move(*stopped);
  }
  graph::Status status = context->run(input, outputs, stop, profile);
  if (status && after) after(*context, queue_milliseconds);
  return status;
}

}  // namespace residua::engine
