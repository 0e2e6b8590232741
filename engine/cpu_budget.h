// How many CPUs this process may use.
#pragma once

namespace residua::engine {

// min(affinity mask, cgroup v1/v2 quota rounded up), at least 1.
int cpu_budget();

// `asked` 0: the whole budget; never more than the budget, never less than 1.
int threads_within_budget(int asked);

}  // namespace residua::engine
