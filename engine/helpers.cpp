#include "engine/helpers.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "engine/cpu_budget.h"
#include "engine/team.h"

namespace residua::engine {

// A team, and which of its workers some helper is. A helper stays when a run is over, for the next one of this group.
struct HelperGroup {
  HelperGroup(void (*spare)(Team&), std::size_t workers) : team(spare), taken(workers, false) {}
  Team team;
  std::vector<bool> taken;      // by worker's number; the caller's, 0, is not counted
  WaitingCall* call = nullptr;  // nullptr: free
};

namespace {

// A CPU that has been free for so long may go to a call under way. A caller that comes back at once finds it still
// free, and nobody is woken for a moment's work.
constexpr Clock::duration before_growing = std::chrono::microseconds(200);

class Helpers {
 public:
  void look(const CpuMask& mask, std::optional<double> quota);
  void enter(WaitingCall& call);
  void leave(WaitingCall& call);
  // A CPU may be free for this team's call.
  void grow(const Team& team);
  // Ends the threads, and waits for them. Calls go on, each on its own thread.
  void end();
  // Gives memory back, where no call is under way.
  void forget();
  void before_fork() { mutex_.lock(); }
  void after_fork(bool child);

 private:
  // All of these under the mutex.
  HelperGroup* free_group();
  void admit_waiting();
  void give(WaitingCall& call, int workers);
  void recruit(const WaitingCall& call);
  bool start_helper();
  void find_place(HelperGroup*& group, int& worker);

  void help();

  std::mutex mutex_;
  CpuMask cpus_;
  int budget_ = 0;  // 0: nobody has looked yet
  int held_ = 0;    // by all calls together
  bool ending_ = false;
  WaitingCall* first_ = nullptr;
  std::vector<std::unique_ptr<HelperGroup>> groups_;
  std::vector<pthread_t> helpers_;
  std::atomic<Clock::rep> free_since_{0};
  std::atomic<std::uint32_t> calls_changed_{0};  // somebody needs a helper
};

// Never destroyed: at the end of the process some thread may still be in a call.
union Kept {
  Helpers helpers;
  constexpr Kept() : helpers() {}
  ~Kept() {}
};
constinit Kept kept;
Helpers& helpers() { return kept.helpers; }

// Helpers run this library's code: they end before it is unloaded, and before the static objects that they use.
struct EndOfThreads {
  ~EndOfThreads() { helpers().end(); }
};
// Made earlier, so after that.
struct EndOfLibrary {
  ~EndOfLibrary() { helpers().forget(); }
};

void set_affinity(pthread_t thread, const CpuMask& mask) {
  static_cast<void>(
      pthread_setaffinity_np(thread, mask.size() * sizeof(mask[0]), reinterpret_cast<const cpu_set_t*>(mask.data())));
}

void Helpers::look(const CpuMask& mask, std::optional<double> quota) {
  static const EndOfLibrary end_of_library;
  const std::lock_guard lock(mutex_);
  CpuMask all = cpus_;
  all.resize(std::max(all.size(), mask.size()), 0);
  for (std::size_t i = 0; i < mask.size(); ++i) all[i] |= mask[i];
  if (all != cpus_) {
    cpus_ = std::move(all);
    for (const pthread_t helper : helpers_) set_affinity(helper, cpus_);
  }
  budget_ = budget_of(count_of(cpus_), quota);
  admit_waiting();
}

void Helpers::enter(WaitingCall& call) {
  const std::lock_guard lock(mutex_);
  if (call.wanted > 1) call.group = free_group();  // whatever can fail comes first
  WaitingCall** end = &first_;
  while (*end != nullptr) end = &(*end)->next;
  *end = &call;
  if (call.group != nullptr) call.group->call = &call;

  // What is free, and then from those that have most, until they have no more than one beyond this call.
  int granted = std::min(call.wanted, budget_ - held_);
  while (granted < call.wanted) {
    WaitingCall* richest = nullptr;
    for (WaitingCall* other = first_; other != &call; other = other->next)
      if (richest == nullptr || other->granted > richest->granted) richest = other;
    if (richest == nullptr || richest->granted <= granted + 1 || richest->granted < 2) break;
    give(*richest, richest->granted - 1);
    granted = std::max(granted, 0) + 1;
  }
  if (granted > 0) give(call, granted);
}

void Helpers::leave(WaitingCall& call) {
  const std::lock_guard lock(mutex_);
  WaitingCall** link = &first_;
  while (*link != &call) link = &(*link)->next;
  *link = call.next;
  held_ -= call.granted;
  if (call.group != nullptr) {
    call.group->team.tell_of_spare(false);
    call.group->call = nullptr;
  }
  admit_waiting();
  if (held_ >= budget_) return;
  free_since_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
  for (WaitingCall* other = first_; other != nullptr; other = other->next)
    if (other->granted < other->wanted) other->group->team.tell_of_spare(true);
}

void Helpers::grow(const Team& team) {
  const Clock::duration since(free_since_.load(std::memory_order_relaxed));
  if (Clock::now().time_since_epoch() - since < before_growing) return;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return;  // after the next part
  for (WaitingCall* call = first_; call != nullptr; call = call->next) {
    if (call->group == nullptr || &call->group->team != &team) continue;
    if (call->granted < call->wanted && held_ < budget_) give(*call, call->granted + 1);
    if (call->granted == call->wanted || held_ >= budget_) call->group->team.tell_of_spare(false);
  }
}

void Helpers::admit_waiting() {
  for (WaitingCall* call = first_; call != nullptr && held_ < budget_; call = call->next)
    if (call->granted == 0) give(*call, 1);
}

// A call's workers, from now on.
void Helpers::give(WaitingCall& call, int workers) {
  const bool more = workers > call.granted;
  held_ += workers - call.granted;
  call.granted = workers;
  if (call.group != nullptr) {
    call.group->team.set_workers(workers);
    if (more) recruit(call);
  }
  if (call.begun.exchange(1, std::memory_order_release) == 0) call.begun.notify_one();
}

HelperGroup* Helpers::free_group() {
  const auto workers = static_cast<std::size_t>(budget_);
  HelperGroup* best = nullptr;  // the one whose helpers are still awake, from the last call
  for (const auto& group : groups_)
    if (group->call == nullptr && (best == nullptr || group->taken > best->taken)) best = group.get();
  if (best == nullptr) {
    auto made = std::make_unique<HelperGroup>([](Team& team) { helpers().grow(team); }, workers);
    groups_.push_back(std::move(made));
    best = groups_.back().get();
  }
  if (best->taken.size() < workers) best->taken.resize(workers, false);
  return best;
}

void Helpers::recruit(const WaitingCall& call) {
  const auto first = call.group->taken.begin() + 1;
  const auto missing = std::count(first, call.group->taken.begin() + call.granted, false);
  if (missing == 0 || ending_) return;
  std::size_t needed = 0;
  for (const WaitingCall* other = first_; other != nullptr; other = other->next)
    if (other->granted > 1) needed += static_cast<std::size_t>(other->granted - 1);
  while (helpers_.size() < needed && start_helper()) {
  }
  calls_changed_.fetch_add(1, std::memory_order_release);
  if (missing == 1)
    calls_changed_.notify_one();
  else
    calls_changed_.notify_all();
}

// False where the system has no thread to give: then calls have fewer.
bool Helpers::start_helper() {
  static const EndOfThreads end_of_threads;
  pthread_t thread{};
  try {
    helpers_.reserve(helpers_.size() + 1);
  } catch (const std::bad_alloc&) {
    return false;
  }
  // The host's signals are for the host's threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int status = pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        helpers().help();
        return nullptr;
      },
      nullptr);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (status != 0) return false;
  set_affinity(thread, cpus_);
  helpers_.push_back(thread);
  return true;
}

void Helpers::find_place(HelperGroup*& group, int& worker) {
  for (WaitingCall* call = first_; call != nullptr; call = call->next)
    for (int i = 1; i < call->granted; ++i)
      if (!call->group->taken[static_cast<std::size_t>(i)]) {
        group = call->group;
        worker = i;
        group->taken[static_cast<std::size_t>(i)] = true;
        return;
      }
}

// Whether OpenMP will find the little memory that it keeps for each thread. Where it does not it ends the process, from
// the thread that asked, under the feet of all others.
bool openmp_has_memory() {
  constexpr std::size_t bytes = 64 << 10;
  void* volatile probe = std::malloc(bytes);  // volatile: the compiler may not assume that it succeeds
  const bool found = probe != nullptr;
  std::free(probe);
  return found;
}

void Helpers::help() {
  // Until then the other threads do its part. It does not end: the rest takes every helper for a living thread.
  while (!openmp_has_memory()) {
    std::uint32_t seen = 0;
    {
      const std::lock_guard lock(mutex_);
      if (ending_) return;
      seen = calls_changed_.load(std::memory_order_relaxed);
    }
    calls_changed_.wait(seen, std::memory_order_acquire);
  }
  const OurFloatMode mode;
  const OneOpenmpThread one_thread;
  HelperGroup* group = nullptr;
  int worker = 0;
  for (;;) {
    std::uint32_t seen = 0;
    {
      const std::lock_guard lock(mutex_);
      const bool stays = group != nullptr && group->call != nullptr && worker < group->call->granted && !ending_;
      if (group != nullptr && !stays) {
        group->taken[static_cast<std::size_t>(worker)] = false;
        group = nullptr;
      }
      if (ending_) return;
      if (group == nullptr) find_place(group, worker);
      seen = calls_changed_.load(std::memory_order_relaxed);
    }
    if (group != nullptr)
      group->team.help(worker, calls_changed_, seen);
    else
      calls_changed_.wait(seen, std::memory_order_acquire);
  }
}

void Helpers::end() {
  std::vector<pthread_t> ending;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    ending.swap(helpers_);
    for (const auto& group : groups_) group->team.set_workers(1);
    calls_changed_.fetch_add(1, std::memory_order_release);
    calls_changed_.notify_all();
  }
  for (const pthread_t helper : ending) pthread_join(helper, nullptr);
}

void Helpers::forget() {
  const std::lock_guard lock(mutex_);
  if (first_ != nullptr) return;
  std::vector<std::unique_ptr<HelperGroup>>().swap(groups_);
  CpuMask().swap(cpus_);
}

void Helpers::after_fork(bool child) {
  if (child) {
    // What is left of the other threads' calls is of no use to anyone. Nothing is destroyed: a team may hold the
    // exception of a part, a mutex may be locked.
    for (const auto& group : groups_) {
      new (&group->team) Team([](Team& team) { helpers().grow(team); });
      group->taken.assign(group->taken.size(), false);
      group->call = nullptr;
    }
    helpers_.clear();
    first_ = nullptr;
    held_ = 0;
  }
  mutex_.unlock();
}

}  // namespace

int look_at_cpus() {
  const CpuMask mask = affinity_mask();
  const std::optional<double> quota = cpu_quota();
  helpers().look(mask, quota);
  return budget_of(count_of(mask), quota);
}

void helpers_before_fork() { helpers().before_fork(); }
void helpers_after_fork(bool child) { helpers().after_fork(child); }

Turn::Turn(int threads, const StopCondition& stop) : call_{.wanted = std::max(threads, 1)} {
  static const int at_first = look_at_cpus();
  static_cast<void>(at_first);
  helpers().enter(call_);
  if (call_.begun.load(std::memory_order_acquire) != 0) return;
  const auto start = Clock::now();
  if (const auto error = wait_until(call_.begun, stop)) {
    helpers().leave(call_);
    throw Stopped{*error};
  }
  waited_ = Clock::now() - start;
}

Turn::~Turn() { helpers().leave(call_); }

void Turn::run(std::span<const Phase> phases) {
  if (call_.group != nullptr)
    call_.group->team.run(phases);
  else
    run_alone(phases, 0);
}

}  // namespace residua::engine
