// Jobs for threads of the library's own, in the order in which they come.
#pragma once

#include <functional>

#include "engine/stop.h"

namespace residua::engine {

// `job` is called once, on another thread, and must not throw. As many jobs run at a time as the CPU budget has CPUs.
// One that still waits when `stop` says so is called then, whatever runs: to find that out and tell its caller.
// Threads are started when there are jobs, and end soon after the last one. Thread-safe.
void run_later(std::function<void()> job, const StopCondition& stop);

}  // namespace residua::engine
