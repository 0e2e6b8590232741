// From the network's output to an answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace residua::engine {

// Softmax over each row of `values` [rows, classes]; sums in double. `probabilities` may be `values`.
void softmax(const float* values, std::size_t rows, std::size_t classes, float* probabilities);

// The same over one line of `count` values, `stride` apart. An infinity, of which no share can be told, or a NaN makes
// NaN of the whole line.
void softmax_line(const float* values, std::int64_t count, std::int64_t stride, float* probabilities);

// Indices of the largest values, best first; equal values by lower index, NaN last. As many as `indices` has room for,
// at most values.size().
void top_k(std::span<const float> values, std::span<std::int32_t> indices);

}  // namespace residua::engine
