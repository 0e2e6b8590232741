#include "engine/scores.h"

#include <algorithm>
#include <cmath>

namespace residua::engine {

void softmax(const float* values, std::size_t rows, std::size_t classes, float* probabilities) {
  for (std::size_t row = 0; row < rows; ++row) {
    const float* x = values + row * classes;
    float* y = probabilities + row * classes;
    const float largest = classes == 0 ? 0.0f : *std::max_element(x, x + classes);
    double sum = 0;
    for (std::size_t i = 0; i < classes; ++i) sum += std::exp(static_cast<double>(x[i]) - largest);
    for (std::size_t i = 0; i < classes; ++i)
      y[i] = static_cast<float>(std::exp(static_cast<double>(x[i]) - largest) / sum);
  }
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
