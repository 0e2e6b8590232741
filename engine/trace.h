// A profiled run as Chrome-trace JSON, which chrome://tracing and Perfetto show.
#pragma once

#include <string>

#include "engine/context.h"

namespace residua::engine {

// One complete event a layer and worker, in microseconds since the run began: a thread of the trace for each worker
// that runs whole images, and one for what all of them do together. The run itself spans them.
std::string trace_json(const RunInfo& run);

}  // namespace residua::engine
