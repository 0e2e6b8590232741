// The two references agree: the matrices are right, and so is the formula.
#include "kernels/winograd/winograd_reference.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/kernels/random_case.h"
#include "tests/kernels/winograd_case.h"

using namespace residua::kernels;

TEST_CASE("Winograd in double is convolution in double") {
  for (unsigned seed : seeds(60)) {
    std::mt19937 random(seed);
    WinogradCase c = random_winograd_case(random, 30'000);
    c.fill = Fill::uniform;
    c.weight_fill = Fill::uniform;
    fill_tensors(c, coin(random), random);
    INFO(c.text());
    INFO(repeat_command(seed));
    const std::vector<double> direct = convolve_directly(c.reference());
    for (const int tile : {4, 2}) {
      CAPTURE(tile);
      const std::vector<double> winograd = convolve_by_winograd(c.reference(), tile);
      const std::vector<double> scales = winograd_error_scales(c.reference(), tile);
      REQUIRE(winograd.size() == direct.size());
      double worst = 0;
      for (std::size_t n = 0; n < direct.size(); ++n)
        worst = std::max(worst, std::abs(winograd[n] - direct[n]) / scales[n]);
      CHECK(worst < 1e-14);
    }
  }
}
