// How long steps take by themselves, measured on random data.
#pragma once

#include <span>
#include <vector>

#include "engine/steps/step.h"

namespace residua::engine {

// Bytes of weights that a run of `graph` reads between two runs of one layer, rounded up to a power of two and not much
// more than what the caches hold: what stands between them decides whether a layer's weights come from memory.
std::size_t bytes_between_runs(const graph::Graph& graph);

// The median milliseconds of each of `steps`, which are ways to run the request's convolution, on as many threads as
// the request says. They take turns, each after `bytes_between` other bytes have passed through the caches and the
// input has been touched, as in a network. The slowest leave early. Takes some tenths of a second.
std::vector<double> median_milliseconds(const StepRequest& request, std::span<const Step> steps,
                                        std::size_t bytes_between);

}  // namespace residua::engine
