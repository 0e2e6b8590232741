// The numbers come from PyTorch, numpy and ONNX Runtime.
#include <cmath>
#include <limits>

#include "tests/graph/values.h"

namespace residua::tests {
namespace {

using namespace residua::graph;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

TEST_CASE("fully_connected") {
  const Value x = pattern({2, 3}, 1);
  const Value weight = pattern({4, 3}, 2);
  const Value bias = pattern({4}, 3);
  check_floats(interpreted(node_of(Op::fully_connected), {&x, &weight, &bias}), {2, 4},
               {0.1875f, -1.0625f, -2.3125f, 2.625f, 0.0625f, -1, -2.0625f, 2.375f});
  const Value found = interpreted(node_of(Op::fully_connected), {&x, &weight});
  CHECK(found.floats()[3] == 2.625f - bias.floats()[3]);
  const Value narrow = pattern({2, 2}, 1);
  check_error(try_interpret(node_of(Op::fully_connected), {&narrow, &weight}), ErrorCode::mismatch,
              {"[2, 2]", "[4, 3]"});
}

TEST_CASE("matmul") {
  const Value x = pattern({2, 2, 3}, 1);
  const Value y = pattern({3, 2}, 2);
  check_floats(interpreted(node_of(Op::matmul), {&x, &y}), {2, 2, 2},
               {0.875f, 0.5625f, 0.8125f, 0.5625f, 0.75f, 0.5625f, 0.6875f, 0.5625f});
}

TEST_CASE("batch_norm") {
  const Value x = pattern({2, 3, 2, 2}, 1);
  const Value scale = pattern({3}, 1);
  const Value shift = pattern({3}, 2);
  const Value mean = pattern({3}, 3);
  const Value variance = floats({3}, {0.5f, 2, 0.25f});
  check_floats(interpreted(node_of(Op::batch_norm, BatchNormAttributes{1e-3}), {&x, &scale, &shift, &mean, &variance}),
               {2, 3, 2, 2},
               {1.3096011f, 0.07339982f, 0.77980053f,  1.4862013f,  0.13366258f, -0.75f,      -1.6336626f, -0.08725306f,
                1.3742522f, 0.87524927f, 1.7485045f,   1.2495015f,  0.07339982f, 0.77980053f, 1.4862013f,  0.25f,
                -0.75f,     -1.6336626f, -0.08725306f, -0.9709157f, 0.87524927f, 1.7485045f,  1.2495015f,  2.1227567f});
}

TEST_CASE("group_norm") {
  const Value x = floats({1, 4, 2, 2}, {1, 2, 4, -1, 0.5f, 3, 2, -2, 7, 7, 7, 8, -3, 0, 1, 2});
  const Value scale = floats({4}, {1, 0.5f, 2, -1}), shift = floats({4}, {0, 1, -1, 0.25f});
  const std::vector<float> one_group{-0.42937008f, -0.12404025f, 0.48661941f, -1.0400298f, 0.70898253f, 1.0906448f,
                                     0.93797994f,  0.32732025f,  1.805218f,   1.805218f,   1.805218f,   2.4158776f,
                                     1.9006894f,   0.9846999f,   0.67937005f, 0.37404025f};
  const std::vector<float> two_groups{-0.10026461f, 0.43447995f, 1.5039691f,  -1.1697538f, 0.81618154f, 1.4846122f,
                                      1.21724f,     0.14775085f, 0.74369311f, 0.74369311f, 0.74369311f, 1.2603428f,
                                      1.9614021f,   1.1864275f,  0.92810261f, 0.66977775f};
  const std::vector<float> each_channel{-0.27730745f, 0.27730745f, 1.3865373f,   -1.3865373f, 0.90045553f, 1.5640852f,
                                        1.2986333f,   0.23682576f, -2.1516318f,  -2.1516318f, -2.1516318f, 2.4549026f,
                                        1.8533384f,   0.25f,       -0.28444612f, -0.81889224f};
  const auto normed = [&](std::int64_t groups) {
    return interpreted(node_of(Op::group_norm, GroupNormAttributes{groups, 1e-3}), {&x, &scale, &shift});
  };
  check_floats(normed(1), {1, 4, 2, 2}, one_group);
  check_floats(normed(2), {1, 4, 2, 2}, two_groups);
  check_floats(normed(4), {1, 4, 2, 2}, each_channel);
  const GroupNormAttributes rectified{4, 1e-3, Activation::relu};
  CHECK(interpreted(node_of(Op::group_norm, rectified), {&x, &scale, &shift}).floats()[0] == 0);
  for (const std::int64_t groups : {0, 3, -1}) {
    const GroupNormAttributes wrong{groups, 1e-3};
    check_error(try_interpret(node_of(Op::group_norm, wrong), {&x, &scale, &shift}), ErrorCode::mismatch, {"groups"});
  }
}

TEST_CASE("channel_gate") {
  const Value x = floats({2, 2, 1, 3}, {1, 2, -3, 4, 5, 6, -1, 0.5f, 2, 8, -8, 0});
  const Value gate = floats({2, 2, 1, 1}, {0.5f, 2, -1, 0.25f});
  const Value residual = floats({2, 2, 1, 3}, {0, 1, 1, -9, -9, -9, 0, 0, 3, 0, 1, -1});
  const auto gated = [&](Activation activation, const std::vector<const Value*>& inputs) {
    return interpreted(node_of(Op::channel_gate, ChannelGateAttributes{activation}), inputs);
  };
  check_floats(gated(Activation::none, {&x, &gate}), {2, 2, 1, 3}, {0.5f, 1, -1.5f, 8, 10, 12, 1, -0.5f, -2, 2, -2, 0});
  check_floats(gated(Activation::none, {&x, &gate, &residual}), {2, 2, 1, 3},
               {0.5f, 2, -0.5f, -1, 1, 3, 1, -0.5f, 1, 2, -1, -1});
  check_floats(gated(Activation::relu, {&x, &gate, &residual}), {2, 2, 1, 3}, {0.5f, 2, 0, 0, 1, 3, 1, 0, 1, 2, 0, 0});
}

TEST_CASE("quantize: halves to even, the zero point, the range") {
  const Value x = floats({9}, {-3, -0.26f, -0.25f, -0.24f, 0.25f, 0.75f, 0.3f, 40, 1e30f});
  const QuantizeAttributes grid{0.5, 3, 0, 20, true};
  check_floats(interpreted(node_of(Op::quantize, grid), {&x}), {9}, {-1.5f, -0.5f, 0, 0, 0, 1, 0.5f, 8.5f, 8.5f});
  QuantizeAttributes whole = grid;
  whole.dequantize = false;
  check_floats(interpreted(node_of(Op::quantize, whole), {&x}), {9}, {0, 2, 3, 3, 3, 5, 4, 20, 20});
  for (const double scale : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
    whole.scale = scale;
    check_error(try_interpret(node_of(Op::quantize, whole), {&x}), ErrorCode::malformed, {"scale"});
  }
}

TEST_CASE("expand broadcasts") {
  const Value x = floats({2, 1}, {1, 2});
  const Value shape = integers({3}, {2, 1, 3});
  check_floats(interpreted(node_of(Op::expand), {&x, &shape}), {2, 2, 3}, {1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2});
  check_floats(interpreted(node_of(Op::expand, ReshapeAttributes{{1, 2}}), {&x}), {2, 2}, {1, 1, 2, 2});
  check_error(try_interpret(node_of(Op::expand, ReshapeAttributes{{3, 3}}), {&x}), ErrorCode::mismatch, {"[3, 3]"});
}

TEST_CASE("relu, sigmoid and clip, element by element") {
  const Value x = floats({7}, {-1000, -2, -0.5f, 0, 0.5f, 3, 1000});
  check_floats(interpreted(node_of(Op::relu), {&x}), {7}, {0, 0, 0, 0, 0.5f, 3, 1000});
  check_floats(interpreted(node_of(Op::sigmoid), {&x}), {7},
               {0, 0.11920292f, 0.37754068f, 0.5f, 0.62245935f, 0.95257413f, 1});
  check_floats(interpreted(node_of(Op::clip, ClipAttributes{-1, 2.5}), {&x}), {7},
               {-1, -1, -0.5f, 0, 0.5f, 2.5f, 2.5f});
  check_floats(interpreted(node_of(Op::clip), {&x}), {7}, x.floats());
  // the maximum wins over a larger minimum
  check_floats(interpreted(node_of(Op::clip, ClipAttributes{5, 1}), {&x}), {7}, {1, 1, 1, 1, 1, 1, 1});
}

TEST_CASE("NaN stays NaN") {
  const Value x = floats({2}, {nan, -infinity});
  for (const Op op : {Op::relu, Op::sigmoid, Op::clip}) {
    CAPTURE(info_of(op).name);
    const Value found = interpreted(node_of(op), {&x});
    CHECK(std::isnan(found.floats()[0]));
    CHECK(!std::isnan(found.floats()[1]));
  }
}

TEST_CASE("softmax") {
  const Value x = pattern({2, 3}, 1);
  const std::vector<float> rows{0.11271921f, 0.6486542f, 0.23862655f, 0.11271921f, 0.6486542f, 0.23862655f};
  check_floats(interpreted(node_of(Op::softmax), {&x}), {2, 3}, rows);
  check_floats(interpreted(node_of(Op::softmax, AxisAttributes{-1}), {&x}), {2, 3}, rows);
  check_floats(interpreted(node_of(Op::softmax, AxisAttributes{0}), {&x}), {2, 3},
               {0.5621765f, 0.5621765f, 0.5621765f, 0.4378235f, 0.4378235f, 0.4378235f});
  const Value large = floats({3}, {1000, 1001, -1000});
  check_floats(interpreted(node_of(Op::softmax, AxisAttributes{0}), {&large}), {3}, {0.26894143f, 0.7310586f, 0});
  const Value broken = floats({3}, {1, nan, 2});
  const Value found = interpreted(node_of(Op::softmax, AxisAttributes{0}), {&broken});
  for (const float element : found.floats()) CHECK(std::isnan(element));
  check_error(try_interpret(node_of(Op::softmax, AxisAttributes{2}), {&x}), ErrorCode::mismatch, {"axis 2"});
}

TEST_CASE("arithmetic broadcasts") {
  const Value x = pattern({2, 1, 3}, 1);
  const Value y = pattern({4, 1}, 2);
  check_floats(interpreted(node_of(Op::subtract), {&x, &y}), {2, 4, 3},
               {-0.75f, 1,     0,      0.25f, 2,     1,     -1.5f,  0.25f, -0.75f, -0.5f,  1.25f, 0.25f,
                -1,     0.75f, -0.25f, 0,     1.75f, 0.75f, -1.75f, 0,     -1,     -0.75f, 1,     0});
  const Value a = pattern({2, 3}, 1);
  const Value b = pattern({3}, 2);
  check_floats(interpreted(node_of(Op::divide), {&a, &b}), {2, 3}, {-2, -1.6666666f, 0.25f, -3, -1.3333334f, 0});
  const Value two = floats({}, {2});
  CHECK(interpreted(node_of(Op::multiply), {&two, &a}).floats()[0] == 2 * a.floats()[0]);
  CHECK(interpreted(node_of(Op::add), {&a, &two}).floats()[5] == 2 + a.floats()[5]);
  const Value empty = floats({2, 0}, {});
  const Value one = floats({2, 1}, {1, 2});
  check_floats(interpreted(node_of(Op::add), {&empty, &one}), {2, 0}, {});
  const Value other = pattern({2}, 1);
  check_error(try_interpret(node_of(Op::add), {&a, &other}), ErrorCode::mismatch, {"[2, 3]", "[2]"});
  const Value whole = counting({3});
  check_error(try_interpret(node_of(Op::add), {&a, &whole}), ErrorCode::mismatch, {"float32", "int64"});
}

TEST_CASE("arithmetic of integers") {
  const Value a = integers({4}, {7, -7, 7, -7});
  const Value b = integers({4}, {2, 2, -2, -2});
  check_integers(interpreted(node_of(Op::divide), {&a, &b}), {4}, {3, -3, -3, 3});
  check_integers(interpreted(node_of(Op::multiply), {&a, &b}), {4}, {14, -14, -14, 14});
  const Value lowest = integers({1}, {INT64_MIN});
  const Value minus_one = integers({1}, {-1});
  check_integers(interpreted(node_of(Op::divide), {&lowest, &minus_one}), {1}, {INT64_MIN});
  check_integers(interpreted(node_of(Op::add), {&lowest, &minus_one}), {1}, {INT64_MAX});
  const Value zero = integers({1}, {0});
  check_error(try_interpret(node_of(Op::divide), {&a, &zero}), ErrorCode::invalid_argument, {"by zero"});
  const Value half = floats({1}, {0.5f});
  const Value nothing = floats({1}, {0});
  CHECK(interpreted(node_of(Op::divide), {&half, &nothing}).floats()[0] == infinity);
}

TEST_CASE("reduce_mean") {
  const Value x = pattern({2, 3, 2}, 1);
  const std::vector<float> means{0.125f, -0.5f, 0.25f};
  check_floats(interpreted(node_of(Op::reduce_mean, ReduceAttributes{{0, -1}, false}), {&x}), {3}, means);
  check_floats(interpreted(node_of(Op::reduce_mean, ReduceAttributes{{0, 2}, true}), {&x}), {1, 3, 1}, means);
  check_floats(interpreted(node_of(Op::reduce_mean), {&x}), {1, 1, 1}, {-0.041666668f});
  const Value axes = integers({2}, {2, 0});
  check_floats(interpreted(node_of(Op::reduce_mean, ReduceAttributes{{}, false}), {&x, &axes}), {3}, means);
  check_error(try_interpret(node_of(Op::reduce_mean, ReduceAttributes{{0, -3}, true}), {&x}), ErrorCode::mismatch,
              {"twice"});
}

TEST_CASE("cast") {
  const auto cast = [](ElementType to, const Value& x) {
    return interpreted(node_of(Op::cast, CastAttributes{to}), {&x});
  };
  const Value x = floats({6}, {1.9f, -1.9f, nan, infinity, -infinity, 0});
  check_integers(cast(ElementType::int64, x), {6}, {1, -1, 0, INT64_MAX, INT64_MIN, 0});
  check_integers(cast(ElementType::boolean, floats({3}, {0.25f, 0, nan})), {3}, {1, 0, 1});
  check_integers(cast(ElementType::int8, integers({3}, {127, 128, -129})), {3}, {127, -128, 127});
  check_integers(cast(ElementType::uint8, integers({2}, {-1, 256})), {2}, {255, 0});
  check_integers(cast(ElementType::int32, integers({1}, {std::int64_t{1} << 31})), {1}, {INT32_MIN});
  check_floats(cast(ElementType::float32, integers({2}, {3, -4})), {2}, {3, -4});
  check_floats(cast(ElementType::float16, floats({1}, {0.5f})), {1}, {0.5f});
}

}  // namespace
}  // namespace residua::tests
