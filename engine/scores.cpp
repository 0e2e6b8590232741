#include "engine/scores.h"

#include <algorithm>
#include <cmath>
#include <ranges>

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

void top_k(std::span<const float> values, std::span<std::int32_t> indices) {
  const auto all = std::views::iota(0, static_cast<std::int32_t>(values.size()));
  std::partial_sort_copy(all.begin(), all.end(), indices.begin(), indices.end(), [&](std::int32_t a, std::int32_t b) {
    const float x = values[static_cast<std::size_t>(a)], y = values[static_cast<std::size_t>(b)];
    if (std::isnan(x) || std::isnan(y)) return !std::isnan(x) || (std::isnan(y) && a < b);
    return x != y ? x > y : a < b;
  });
}

}  // namespace residua::engine
