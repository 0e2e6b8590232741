// The machine's own limit, measured.
#pragma once

namespace residua::engine {

// GFLOP/s of float32 multiply-adds that `threads` threads reach together on registers alone. Takes about 0.2 s; the
// best of several short windows, since anything else on the machine can only slow it.
double measure_peak(int threads);

}  // namespace residua::engine
