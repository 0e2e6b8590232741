// Jobs for threads of the library's own, in the order in which they come.
#pragma once

#include <functional>

namespace residua::engine {

// `job` is called once, on another thread, and must not throw. As many jobs run at a time as the CPU budget has CPUs.
// Threads are started when there are jobs, and end soon after the last one. Thread-safe.
void run_later(std::function<void()> job);

}  // namespace residua::engine
