#include "engine/scores.h"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

using namespace residua::engine;

TEST_CASE("softmax of each row, in place, with large values") {
  std::vector<float> values{1000, 1001, 1002, 0, 0, 0};
  softmax(values.data(), 2, 3, values.data());
  // numpy: exp([-2, -1, 0]) / sum
  CHECK(values[0] == doctest::Approx(0.09003057));
  CHECK(values[1] == doctest::Approx(0.24472848));
  CHECK(values[2] == doctest::Approx(0.66524094));
  CHECK(values[3] == doctest::Approx(1.0 / 3));
}

TEST_CASE("top k: best first, ties by index, NaN last, never more than there are") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> values{1, 5, nan, 5, -2};
  std::vector<std::int32_t> indices(3, -1);
  top_k(values, indices);
  CHECK(indices == std::vector<std::int32_t>{1, 3, 0});
  std::vector<std::int32_t> all(8, -1);
  top_k(values, all);
  CHECK(all == std::vector<std::int32_t>{1, 3, 0, 4, 2, -1, -1, -1});
}
