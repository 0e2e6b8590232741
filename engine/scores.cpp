#include "engine/scores.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace residua::engine {

void softmax_line(const float* values, std::int64_t count, std::int64_t stride, float* probabilities) {
  double largest = -std::numeric_limits<double>::infinity(), sum = 0;
  for (std::int64_t i = 0; i < count; ++i) largest = std::max(largest, static_cast<double>(values[i * stride]));
  for (std::int64_t i = 0; i < count; ++i) sum += std::exp(static_cast<double>(values[i * stride]) - largest);
  for (std::int64_t i = 0; i < count; ++i)
    probabilities[i * stride] = static_cast<float>(std::exp(static_cast<double>(values[i * stride]) - largest) / sum);
}

void softmax(const float* values, std::size_t rows, std::size_t classes, float* probabilities) {
  for (std::size_t row = 0; row < rows; ++row)
    softmax_line(values + row * classes, static_cast<std::int64_t>(classes), 1, probabilities + row * classes);
}

namespace {

// Whether value `a` at index `i` ranks before value `b` at index `j`.
bool ranks_before(float a, std::int32_t i, float b, std::int32_t j) {
  if (std::isnan(a) || std::isnan(b)) return !std::isnan(a) || (std::isnan(b) && i < j);
  return a != b ? a > b : i < j;
}

}  // namespace

void top_k(std::span<const float> values, std::span<std::int32_t> indices) {
  // Insertion into the ranks found so far: no memory, and k is small.
  std::size_t found = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto index = static_cast<std::int32_t>(i);
    std::size_t rank = found;
    while (rank > 0 &&
           ranks_before(values[i], index, values[static_cast<std::size_t>(indices[rank - 1])], indices[rank - 1]))
      --rank;
    if (rank == indices.size()) continue;
    if (found < indices.size()) ++found;
    for (std::size_t k = found - 1; k > rank; --k) indices[k] = indices[k - 1];
    indices[rank] = index;
  }
}

}  // namespace residua::engine
