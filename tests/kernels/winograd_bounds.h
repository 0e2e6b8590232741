// How exact the Winograd kernels are promised to be.
#pragma once

#include <algorithm>
#include <cmath>

#include "tests/kernels/fills.h"
#include "tests/kernels/winograd_case.h"

// An output errs by at most (transforms + channel * channels) epsilons of its winograd_error_scales().
//
// Measured, not proved: what can be proved (the matrices' entries multiply up to 1600 for 6x6, 157 for 4x4 and 16 for
// 2x2, times half an epsilon for each of some ten roundings) is so loose that it hides mistakes.
// `transforms`: searching for the worst data with 40000 steps a start found 34.6 for 4x4 (sse2, which does not fuse)
// and 3.9 for 2x2, with 10000 steps 266 for 6x6 (sse2; AVX2 151), all with one channel; more average out. The search
// was still gaining a little, hence the room.
// `channel`: where nothing cancels, the chain of additions over 512 channels lost 4.0 and 5.1, a hundredth an addition;
// three times that.
struct ErrorFactors {
  double transforms, channel;
  double of(std::int64_t channels) const { return transforms + channel * static_cast<double>(channels); }
};
constexpr ErrorFactors winograd_factors(int tile) { return {tile == 6 ? 512.0 : tile == 4 ? 64.0 : 8.0, 1.0 / 32}; }

// Bounds of one case, in the scale of winograd_error_scales().
class WinogradBound {
 public:
  WinogradBound(const WinogradCase& c, int tile)
      : relative_(winograd_factors(tile).of(c.channels) * epsilon),
        underflow_(64 * smallest_step * static_cast<double>(c.channels) *
                   (1 + c.taps * c.taps * largest(c.weights) + largest(c.input))) {}

  double operator()(double scale) const { return relative_ * scale + underflow_; }

 private:
  static double largest(const std::vector<float>& values) {
    double most = 0;
    for (const float value : values)
      if (std::isfinite(value)) most = std::max(most, std::abs(double{value}));
    return most;
  }
  double relative_, underflow_;
};
