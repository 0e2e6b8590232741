// Threads: phases of work, dealt out in parts.
//
// A phase starts when every part of the one before is done. Parts are taken one by one by whoever is free, and only
// parts that somebody has taken are waited for: a thread that the system holds up takes fewer, and delays the others by
// no more than the part it is at. Now and then a thread offers its CPU to other processes between two parts, so as not
// to lose it within one. (An OpenMP barrier waits for every thread, work or no work.)
#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace residua::engine {

struct Phase {
  std::int64_t parts = 1;
  // Does part `part`. Parts run in any order, some at the same time. `worker` < the run's threads tells which thread
  // calls: each has at most one part under way.
  std::function<void(std::int64_t part, int worker)> run;
};

// Even workers take a phase's parts from the front, odd ones from the back: neighbouring parts, which share cache lines
// and input rows, stay on one core from phase to phase.
constexpr bool takes_from_front(int worker) { return worker % 2 == 0; }

// The part that a worker probably takes after `part`: so for one or two workers, but for the last, and while a phase
// has at most 65535 parts. May be none of the phase's.
constexpr std::int64_t part_after(std::int64_t part, int worker) {
  return takes_from_front(worker) ? part + 1 : part - 1;
}

// Runs the phases in order on the calling thread, which is worker 0, and on up to threads - 1 of the process's helpers.
// The CPUs are shared with other calls (engine/helpers.h): this one may wait for its turn, and does more of its parts
// by itself where others need the helpers. The first exception of a part ends the run and is thrown again here. Between
// runs helpers sleep; they wait for work awake for some tenths of a millisecond only. Not to be called from within a
// part.
void run_phases(std::span<const Phase> phases, int threads);

// The same on the calling thread alone.
void run_alone(std::span<const Phase> phases, int worker);

// oneDNN fixes a primitive's number of threads when it is made, from the calling thread's OpenMP setting, and asks for
// that setting again when it runs. Ours are made for one thread and run inside such a scope, which puts the host's own
// setting back.
class OneOpenmpThread {
 public:
  OneOpenmpThread();
  ~OneOpenmpThread();
  OneOpenmpThread(const OneOpenmpThread&) = delete;
  OneOpenmpThread& operator=(const OneOpenmpThread&) = delete;

 private:
  int previous_;
};

}  // namespace residua::engine
