#include "engine/threads.h"

#include <omp.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/cpu_budget.h"
#include "engine/team.h"

namespace residua::engine {
namespace {

// The helpers of this process, in teams: as many as the CPU budget leaves beside one calling thread, however many
// models and contexts there are.
class Teams {
 public:
  // A free team with helpers, made or grown where the budget still allows; nullptr: the caller works alone.
  Team* borrow(int helpers) {
    const std::lock_guard lock(mutex_);
    Team* team = nullptr;
    if (!free_.empty()) {
      team = free_.back();
      free_.pop_back();
    }
    const int present = team ? team->helpers() : 0;
    if (present >= helpers) return team;  // asking for the budget reads files: a tenth of a millisecond
    const int more = std::min(helpers - present, cpu_budget() - 1 - helpers_);
    if (more > 0) {
      if (team)
        team->grow(present + more);
      else
        team = new Team(more);  // teams live as long as the process, see Team
      helpers_ += more;
    }
    return team;
  }
  void give_back(Team* team) {
    const std::lock_guard lock(mutex_);
    free_.push_back(team);
  }

 private:
  std::mutex mutex_;
  std::vector<Team*> free_;
  int helpers_ = 0;
};

Teams& teams() {
  static Teams* const teams = new Teams();  // helpers may outlive static objects
  return *teams;
}

}  // namespace

void run_alone(std::span<const Phase> phases, int worker) {
  for (const Phase& phase : phases)
    for (std::int64_t part = 0; part < phase.parts; ++part) phase.run(part, worker);
}

void run_phases(std::span<const Phase> phases, int threads) {
  const OneOpenmpThread one_thread;
  Team* const team = threads > 1 ? teams().borrow(threads - 1) : nullptr;
  if (team == nullptr) {
    run_alone(phases, 0);
    return;
  }
  struct Return {
    Team* team;
    ~Return() { teams().give_back(team); }
  } const give_back{team};
  team->run(phases, threads);
}

OneOpenmpThread::OneOpenmpThread() : previous_(omp_get_max_threads()) { omp_set_num_threads(1); }
OneOpenmpThread::~OneOpenmpThread() { omp_set_num_threads(previous_); }

}  // namespace residua::engine
