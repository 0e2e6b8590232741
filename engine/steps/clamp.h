// ReLU and clip as PyTorch has them: NaN stays NaN, where oneDNN's make 0, or the lower bound, of it.
#pragma once

#include <cstdint>
#include <limits>

#include "graph/graph.h"

namespace residua::engine {

// `output` may be `input`. Comparisons with NaN are false. The maximum wins over a larger minimum.
inline void clamp(const float* input, std::int64_t count, float minimum, float maximum, float* output) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float raised = input[i] < minimum ? minimum : input[i];
    output[i] = raised > maximum ? maximum : raised;
  }
}

// The least value that an activation lets through.
inline float least_value(graph::Activation activation) {
  return activation == graph::Activation::relu ? 0 : -std::numeric_limits<float>::infinity();
}

inline void relu(float* values, std::int64_t count) {
  clamp(values, count, 0, std::numeric_limits<float>::infinity(), values);
}

}  // namespace residua::engine
