// Values that kernels are tested with, from ordinary to extreme.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>

enum class Fill { uniform, zeros, positive, signs, huge, tiny, denormal, mixed };
constexpr Fill all_fills[] = {Fill::uniform, Fill::zeros, Fill::positive, Fill::signs,
                              Fill::huge,    Fill::tiny,  Fill::denormal, Fill::mixed};

inline const char* name_of(Fill fill) {
  switch (fill) {
    case Fill::uniform:
      return "uniform";
    case Fill::zeros:
      return "zeros";
    case Fill::positive:
      return "positive";
    case Fill::signs:
      return "signs";
    case Fill::huge:
      return "huge";
    case Fill::tiny:
      return "tiny";
    case Fill::denormal:
      return "denormal";
    case Fill::mixed:
      return "mixed";
  }
  return "";
}

inline void fill_with(Fill fill, std::span<float> values, std::mt19937& random) {
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (float& value : values) {
    const float u = uniform(random);
    switch (fill) {
      case Fill::uniform:
        value = 2 * u;
        break;
      case Fill::zeros:
        value = 0;
        break;
      case Fill::positive:  // no cancellation: sums grow, and with them each rounding
        value = 1 + u;
        break;
      case Fill::signs:  // one size, so that no value outweighs another
        value = u < 0 ? -1.1f : 1.1f;
        break;
      case Fill::huge:
        value = 1e30f * u;
        break;
      case Fill::tiny:  // normal numbers whose products with small weights are not
        value = 1e-36f * u;
        break;
      case Fill::denormal:
        value = 5e-39f * u;
        break;
      case Fill::mixed:  // sizes from 2^-30 to 2^30 side by side
        value = std::ldexp(u, static_cast<int>(random() % 61) - 30);
        break;
    }
  }
}

// The smallest step between floats: what an operation loses when its result underflows.
constexpr double smallest_step = std::numeric_limits<float>::denorm_min();
constexpr double epsilon = std::numeric_limits<float>::epsilon();
