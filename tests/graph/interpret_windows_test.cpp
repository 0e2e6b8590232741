// Convolution and pooling against PyTorch and ONNX Runtime, which agree on every one of these cases.
#include <cmath>
#include <limits>

#include "tests/graph/values.h"

namespace residua::tests {
namespace {

using namespace residua::graph;

struct ConvolutionCase {
  const char* name;
  Shape x, weight;
  Pair strides;
  Padding padding;
  Pair dilations;
  std::int64_t groups;
  bool bias, residual, relu;
  Shape output;
  std::vector<float> expected;
};

// x is pattern 1, the weight pattern 2, the bias pattern 3, the residual pattern 4.
const std::vector<ConvolutionCase>& convolutions() {
  static const std::vector<ConvolutionCase> cases{
      {"3x3, padding 1, bias",
       {1, 2, 4, 4},
       {2, 2, 3, 3},
       {1, 1},
       {1, 1, 1, 1},
       {1, 1},
       1,
       true,
       false,
       false,
       {1, 2, 4, 4},
       {0.125f,  -0.0625f, 2.125f, 1.6875f, 0.1875f,  0.625f,  3.375f,  1.3125f,  -4,       2.6875f, 3.375f,
        0,       -2,       2.25f,  2.125f,  -1.0625f, -0.875f, 1.75f,   2,        -1.4375f, 2.1875f, 1.8125f,
        -2.125f, -1.25f,   1.25f,  0.5f,    -5.5f,    2.0625f, 2.9375f, -0.4375f, -0.4375f, -0.3125f}},
      {"groups, dilations, unequal strides",
       {1, 4, 5, 6},
       {4, 2, 2, 2},
       {2, 1},
       {0, 0, 0, 0},
       {2, 3},
       2,
       false,
       false,
       false,
       {1, 4, 2, 3},
       {0.3125f, 1.5625f,  0.0625f, 1.5625f,  0.0625f, -0.0625f, 0.375f, 2.375f,  -0.4375f, 2.375f,  -0.4375f, 0.1875f,
        1.125f,  -2.3125f, 1.125f,  -2.3125f, 1.125f,  2.5f,     0.125f, 0.1875f, -0.4375f, 0.1875f, -0.4375f, 2.375f}},
      {"asymmetric padding",
       {1, 1, 4, 3},
       {1, 1, 3, 2},
       {2, 1},
       {0, 1, 2, 0},
       {1, 1},
       1,
       false,
       false,
       false,
       {1, 1, 2, 3},
       {-0.375f, -0.25f, 0.1875f, 0.75f, -2.0625f, 0.875f}},
      {"residual and relu",
       {2, 2, 3, 3},
       {3, 2, 1, 1},
       {1, 1},
       {0, 0, 0, 0},
       {1, 1},
       1,
       true,
       true,
       true,
       {2, 3, 3, 3},
       {0.8125f, 1.6875f, 1.1875f, 0,       1.5625f, 1.0625f, 1.25f,  1.4375f, 0.9375f, 0.5f,  1.25f, 0,     0, 0.75f,
        0,       0,       0.25f,   1,       0,       0,       0,      0.6875f, 0,       0,     0.5f,  0,     0, 0.6875f,
        2.9375f, 0.375f,  0.5625f, 2.8125f, 0.9375f, 0.4375f, 0.625f, 0.8125f, 0,       0.25f, 0,     1.75f, 0, 0.5f,
        1.25f,   0,       0,       0,       0,       0,       0,      0,       0,       0,     0,     0}},
      {"residual without bias",
       {1, 1, 3, 3},
       {2, 1, 2, 2},
       {1, 1},
       {0, 0, 0, 0},
       {1, 1},
       1,
       false,
       true,
       false,
       {1, 2, 2, 2},
       {-2.8125f, 1.875f, -2.1875f, -0.25f, 0.875f, -1.8125f, 2.0625f, -0.625f}},
      {"depthwise",
       {1, 3, 3, 4},
       {3, 1, 3, 3},
       {1, 1},
       {1, 1, 1, 1},
       {1, 1},
       3,
       true,
       false,
       false,
       {1, 3, 3, 4},
       {1.1875f, -0.8125f, 1.8125f,  1.0625f, 1.3125f, 1.3125f, 1.375f,  1.375f,   -0.4375f,
        1.875f,  1.625f,   0.6875f,  1.5f,    -1.625f, 0.6875f, 0.625f,  0.5625f,  0.25f,
        -0.5f,   2.25f,    -1.5f,    0.375f,  0.5f,    0.9375f, -1.125f, -2.375f,  0.3125f,
        0,       -0.8125f, -3.8125f, 1.5f,    -1.625f, -1.375f, 0.3125f, -1.9375f, 0.3125f}},
  };
  return cases;
}

TEST_CASE("convolution equals PyTorch's") {
  for (const ConvolutionCase& wanted : convolutions()) {
    CAPTURE(wanted.name);
    const Value x = pattern(wanted.x, 1);
    const Value weight = pattern(wanted.weight, 2);
    const Value bias = pattern({wanted.weight[0]}, 3);
    const Value residual = pattern(wanted.output, 4);
    const ConvolutionAttributes attributes{wanted.strides, wanted.padding, wanted.dilations, wanted.groups,
                                           wanted.relu ? Activation::relu : Activation::none};
    const Value found = interpreted(node_of(Op::convolution, attributes), {&x, &weight, wanted.bias ? &bias : nullptr,
                                                                           wanted.residual ? &residual : nullptr});
    check_floats(found, wanted.output, wanted.expected);
  }
}

TEST_CASE("convolution's relu lets NaN through") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Value x = floats({1, 1, 1, 3}, {nan, -1, 2});
  const Value weight = floats({1, 1, 1, 1}, {1});
  ConvolutionAttributes attributes;
  attributes.activation = Activation::relu;
  const Value found = interpreted(node_of(Op::convolution, attributes), {&x, &weight});
  CHECK(std::isnan(found.floats()[0]));
  CHECK(found.floats()[1] == 0);
  CHECK(found.floats()[2] == 2);
}

TEST_CASE("convolution sums in double") {
  const Value x = floats({1, 3, 1, 1}, {1e8f, 1, -1e8f});
  const Value weight = floats({1, 3, 1, 1}, {1, 1, 1});
  CHECK(interpreted(node_of(Op::convolution), {&x, &weight}).floats()[0] == 1);
}

struct PoolCase {
  const char* name;
  Op op;
  Shape x;  // pattern 5
  PoolAttributes attributes;
  Shape output;
  std::vector<float> expected;
};

const std::vector<PoolCase>& pools() {
  static const std::vector<PoolCase> cases{
      {"3x3 stride 2 padding 1",
       Op::max_pool,
       {1, 2, 5, 6},
       {{3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, false, false},
       {1, 2, 3, 3},
       {1, 1, 1.25f, 1, 1.25f, 1.25f, 1, 1.25f, 1, 1.25f, 1.25f, 1, 1.25f, 1.25f, 1, 1.25f, 1, 1.25f}},
      {"rounded up",
       Op::max_pool,
       {1, 1, 6, 5},
       {{3, 3}, {2, 2}, {0, 0, 0, 0}, {1, 1}, true, false},
       {1, 1, 3, 2},
       {1, 1.25f, 1.25f, 1, 1.25f, 1}},
      {"no window in the right padding",
       Op::max_pool,
       {1, 1, 4, 4},
       {{2, 2}, {3, 3}, {1, 1, 1, 1}, {1, 1}, true, false},
       {1, 1, 2, 2},
       {-0.25f, 0.5f, 0, 1.25f}},
      {"smaller than the window, rounded up",
       Op::max_pool,
       {1, 1, 2, 2},
       {{3, 3}, {2, 2}, {0, 0, 0, 0}, {1, 1}, true, false},
       {1, 1, 1, 1},
       {0.5f}},
      {"dilated",
       Op::max_pool,
       {1, 1, 5, 6},
       {{2, 3}, {1, 1}, {0, 0, 0, 0}, {3, 2}, false, false},
       {1, 1, 2, 2},
       {1.25f, 0.75f, 1.25f, 1}},
      {"asymmetric",
       Op::max_pool,
       {1, 1, 4, 5},
       {{3, 2}, {2, 2}, {0, 1, 2, 0}, {1, 1}, false, false},
       {1, 1, 2, 3},
       {0.75f, 1, 1.25f, 1.25f, 0.25f, 1}},
      {"3x3 padding 1",
       Op::average_pool,
       {1, 1, 4, 5},
       {{3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, false, false},
       {1, 1, 2, 3},
       {-0.5f, -0.16666667f, -0.0625f, 0.25f, -0.027777778f, 0}},
      {"padding counted",
       Op::average_pool,
       {1, 1, 4, 5},
       {{3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, false, true},
       {1, 1, 2, 3},
       {-0.22222222f, -0.11111111f, -0.027777778f, 0.16666667f, -0.027777778f, 0}},
      {"rounded up",
       Op::average_pool,
       {1, 1, 4, 5},
       {{3, 2}, {2, 2}, {1, 1, 1, 1}, {1, 1}, true, false},
       {1, 1, 3, 3},
       {0, -0.125f, -0.0625f, 0.75f, -0.29166666f, 0, 1.25f, -0.25f, 0.5f}},
      {"rounded up, padding counted",
       Op::average_pool,
       {1, 1, 4, 5},
       {{3, 2}, {2, 2}, {1, 1, 1, 1}, {1, 1}, true, true},
       {1, 1, 3, 3},
       {0, -0.083333336f, -0.041666668f, 0.375f, -0.29166666f, 0, 0.3125f, -0.125f, 0.25f}},
      {"asymmetric",
       Op::average_pool,
       {1, 1, 4, 5},
       {{3, 2}, {2, 2}, {0, 1, 2, 0}, {1, 1}, false, false},
       {1, 1, 2, 3},
       {0.25f, -0.33333334f, -0.041666668f, 1, -0.5f, 0.25f}},
      {"asymmetric, padding counted",
       Op::average_pool,
       {1, 1, 4, 5},
       {{3, 2}, {2, 2}, {0, 1, 2, 0}, {1, 1}, false, true},
       {1, 1, 2, 3},
       {0.125f, -0.33333334f, -0.041666668f, 0.33333334f, -0.33333334f, 0.16666667f}},
      {"dilated",
       Op::average_pool,
       {1, 1, 5, 5},
       {{2, 2}, {2, 1}, {1, 0, 1, 0}, {2, 3}, false, false},
       {1, 1, 3, 2},
       {0.125f, -0.875f, 0.625f, -0.375f, 1.125f, 0.125f}},
      {"dilated, padding counted",
       Op::average_pool,
       {1, 1, 5, 5},
       {{2, 2}, {2, 1}, {1, 0, 1, 0}, {2, 3}, false, true},
       {1, 1, 3, 2},
       {0.0625f, -0.4375f, 0.625f, -0.375f, 0.5625f, 0.0625f}},
  };
  return cases;
}

TEST_CASE("pooling equals PyTorch's") {
  for (const PoolCase& wanted : pools()) {
    CAPTURE(info_of(wanted.op).name);
    CAPTURE(wanted.name);
    const Value x = pattern(wanted.x, 5);
    check_floats(interpreted(node_of(wanted.op, wanted.attributes), {&x}), wanted.output, wanted.expected);
  }
}

TEST_CASE("max_pool and what is not a number") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  PoolAttributes attributes;
  attributes.kernel = {1, 2};
  attributes.strides = {1, 2};
  const Value x = floats({1, 1, 1, 10}, {nan, 3, 3, nan, nan, nan, -infinity, -infinity, infinity, nan});
  const Value found = interpreted(node_of(Op::max_pool, attributes), {&x});
  CHECK(std::isnan(found.floats()[0]));
  CHECK(std::isnan(found.floats()[1]));
  CHECK(std::isnan(found.floats()[2]));
  CHECK(found.floats()[3] == -infinity);
  CHECK(std::isnan(found.floats()[4]));
}

TEST_CASE("a dilated window with all taps in the padding") {
  PoolAttributes attributes;
  attributes.kernel = {2, 1};
  attributes.dilations = {2, 1};
  attributes.padding = {1, 0, 1, 0};
  const Value x = floats({1, 1, 1, 1}, {5});
  CHECK(interpreted(node_of(Op::max_pool, attributes), {&x}).floats()[0] == -std::numeric_limits<float>::infinity());
  CHECK(interpreted(node_of(Op::average_pool, attributes), {&x}).floats()[0] == 0);
}

TEST_CASE("a window that is nearly all padding costs no time") {
  PoolAttributes attributes;
  attributes.kernel = {std::int64_t{1} << 40, 1};
  attributes.padding = {(std::int64_t{1} << 40) - 1, 0, 0, 0};
  const Value x = floats({1, 1, 2, 1}, {5, 7});
  check_floats(interpreted(node_of(Op::max_pool, attributes), {&x}), {1, 1, 2, 1}, {5, 7});
  check_floats(interpreted(node_of(Op::average_pool, attributes), {&x}), {1, 1, 2, 1}, {5, 6});
}

TEST_CASE("global_average_pool") {
  const Value x = pattern({1, 2, 2, 3}, 1);
  check_floats(interpreted(node_of(Op::global_average_pool), {&x}), {1, 2, 1, 1}, {0.20833333f, -0.29166666f});
}

TEST_CASE("windows that mean nothing are refused") {
  const Value x = pattern({1, 2, 4, 4}, 1);
  const Value weight = pattern({2, 2, 3, 3}, 2);
  const auto convolution = [&](auto change) {
    ConvolutionAttributes attributes;
    change(attributes);
    return try_interpret(node_of(Op::convolution, attributes), {&x, &weight});
  };
  check_error(convolution([](auto& a) { a.strides = {0, 1}; }), ErrorCode::malformed, {"\"tested\"", "stride 0"});
  check_error(convolution([](auto& a) { a.dilations = {1, 0}; }), ErrorCode::malformed);
  check_error(convolution([](auto& a) { a.padding.left = -1; }), ErrorCode::malformed);
  check_error(convolution([](auto& a) { a.groups = 0; }), ErrorCode::malformed);
  check_error(convolution([](auto& a) { a.groups = 2; }), ErrorCode::mismatch, {"2 groups"});
  check_error(convolution([](auto& a) { a.dilations = {2, 2}; }), ErrorCode::mismatch, {"extent 5", "image of 4"});
  check_error(convolution([](auto& a) { a.dilations = {INT64_MAX, 1}; }), ErrorCode::limit);
  check_error(convolution([](auto& a) { a.padding.top = INT64_MAX; }), ErrorCode::limit);
  check_error(convolution([](auto& a) { a.padding.top = std::int64_t{1} << 40; }), ErrorCode::limit,
              {"elements"});  // refused before anything is allocated

  const auto pool = [&](auto change) {
    PoolAttributes attributes;
    attributes.kernel = {2, 2};
    change(attributes);
    return try_interpret(node_of(Op::max_pool, attributes), {&x});
  };
  check_error(pool([](auto& a) { a.kernel = {0, 2}; }), ErrorCode::malformed);
  check_error(pool([](auto& a) { a.padding = {2, 0, 0, 0}; }), ErrorCode::malformed, {"extent of 2"});
  check_error(pool([](auto& a) { a.kernel = {5, 5}; }), ErrorCode::mismatch);
  check_error(pool([](auto& a) { a.strides = {INT64_MAX, 1}, a.ceil_mode = true; }), ErrorCode::limit);
  const Value flat = pattern({4, 4}, 1);
  check_error(try_interpret(node_of(Op::max_pool), {&flat}), ErrorCode::mismatch, {"[4, 4]", "4 dimensions"});
  const Value counts = counting({1, 1, 2, 2});
  check_error(try_interpret(node_of(Op::max_pool), {&counts}), ErrorCode::mismatch, {"int64"});
}

}  // namespace
}  // namespace residua::tests
