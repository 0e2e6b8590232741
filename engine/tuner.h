// Tuning: how long each way to run a convolution takes on this machine.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "engine/steps/step.h"
#include "engine/tuning_cache.h"

namespace residua::engine {

// What a layer's times depend on, as text: equal layers are measured once.
std::string signature_of(const StepRequest& request);

// One call at a time.
class Tuner {
 public:
  explicit Tuner(TuningCache cache) : cache_(std::move(cache)) {}

  // Milliseconds of `implementations`, by name, which the request's node must not be rejected by: known ones, or
  // measured now. Those that oneDNN has no kernel for are left out.
  Timings timings(const StepRequest& request, std::span<const Implementation> implementations);
  // Writes what has been measured to the cache. Failure is a log message.
  void save() { cache_.save(); }

 private:
  TuningCache cache_;
};

}  // namespace residua::engine
