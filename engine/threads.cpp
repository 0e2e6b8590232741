#include "engine/threads.h"

#include <omp.h>

#include "engine/helpers.h"

namespace residua::engine {

void run_alone(std::span<const Phase> phases, int worker) {
  for (const Phase& phase : phases)
    for (std::int64_t part = 0; part < phase.parts; ++part) phase.run(part, worker);
}

void run_phases(std::span<const Phase> phases, int threads) { Turn(threads).run(phases); }

OneOpenmpThread::OneOpenmpThread() : previous_(omp_get_max_threads()) { omp_set_num_threads(1); }
OneOpenmpThread::~OneOpenmpThread() { omp_set_num_threads(previous_); }

}  // namespace residua::engine
