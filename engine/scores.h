// From the network's output to an answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace residua::engine {

// Softmax over each row of `values` [rows, classes]; sums in double. `probabilities` may be `values`.
void softmax(const float* values, std::size_t rows, std::size_t classes, float* probabilities);

// Indices of the largest values, best first; equal values by lower index, NaN last. As many as `indices` has room for,
// at most values.size().
void top_k(std::span<const float> values, std::span<std::int32_t> indices);

}  // namespace residua::engine
