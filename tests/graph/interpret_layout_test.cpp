// The numbers come from ONNX Runtime and numpy.
#include "tests/graph/values.h"

namespace residua::tests {
namespace {

using namespace residua::graph;

TEST_CASE("slice follows ONNX") {
  struct Case {
    std::vector<std::int64_t> starts, ends, axes, steps;
    Shape shape;
    std::vector<std::int64_t> expected;
  };
  const std::vector<Case> cases{
      {{0, 0}, {INT64_MAX, INT64_MAX}, {0, 1}, {2, 3}, {2, 2}, {0, 3, 10, 13}},
      {{1, -3}, {INT64_MAX, -1}, {0, 1}, {1, 1}, {3, 2}, {7, 8, 12, 13, 17, 18}},
      {{INT64_MAX, -1}, {INT64_MIN, INT64_MIN}, {0, 1}, {-1, -2}, {4, 3}, {19, 17, 15, 14, 12, 10, 9, 7, 5, 4, 2, 0}},
      {{-100, 3}, {100, -100}, {0, 1}, {1, -1}, {4, 4}, {3, 2, 1, 0, 8, 7, 6, 5, 13, 12, 11, 10, 18, 17, 16, 15}},
      {{3}, {1}, {1}, {1}, {4, 0}, {}},
      {{-2}, {-5}, {-1}, {-2}, {4, 2}, {3, 1, 8, 6, 13, 11, 18, 16}},
      {{4}, {0}, {1}, {INT64_MIN + 1}, {4, 1}, {4, 9, 14, 19}},
      {{4}, {0}, {1}, {INT64_MIN}, {4, 1}, {4, 9, 14, 19}},
      {{0}, {5}, {1}, {INT64_MAX}, {4, 1}, {0, 5, 10, 15}},
      {{2}, {3}, {}, {}, {1, 5}, {10, 11, 12, 13, 14}},
  };
  const Value x = counting({4, 5});
  for (const Case& wanted : cases) {
    CAPTURE(to_string(wanted.starts));
    const SliceAttributes attributes{wanted.starts, wanted.ends, wanted.axes, wanted.steps};
    check_integers(interpreted(node_of(Op::slice, attributes), {&x}), wanted.shape, wanted.expected);

    const auto vector_of = [](const std::vector<std::int64_t>& values) {
      return integers({static_cast<std::int64_t>(values.size())}, values);
    };
    const Value starts = vector_of(wanted.starts), ends = vector_of(wanted.ends);
    const Value axes = vector_of(wanted.axes), steps = vector_of(wanted.steps);
    const Value found = interpreted(node_of(Op::slice), {&x, &starts, &ends, wanted.axes.empty() ? nullptr : &axes,
                                                         wanted.steps.empty() ? nullptr : &steps});
    check_integers(found, wanted.shape, wanted.expected);
  }
  const auto refused = [&x](SliceAttributes attributes) { return try_interpret(node_of(Op::slice, attributes), {&x}); };
  check_error(refused({{0}, {1}, {}, {0}}), ErrorCode::malformed, {"step of 0"});
  check_error(refused({{0, 0}, {1}, {}, {}}), ErrorCode::mismatch);
  check_error(refused({{0, 0}, {1, 1}, {1, -1}, {}}), ErrorCode::mismatch, {"twice"});
  check_error(refused({{0}, {1}, {2}, {}}), ErrorCode::mismatch, {"axis 2"});
  check_error(refused({{0, 0, 0}, {1, 1, 1}, {}, {}}), ErrorCode::mismatch);
  check_error(try_interpret(node_of(Op::slice), {&x, &x}), ErrorCode::malformed, {"starts and ends"});
}

TEST_CASE("pad, also with negative counts") {
  const Value x = pattern({2, 3}, 1);
  check_floats(interpreted(node_of(Op::pad, PadAttributes{{1, -1}, {0, 2}, 0}), {&x}), {3, 4},
               {0, 0, 0, 0, 1.25f, 0.25f, 0, 0, 1, 0, 0, 0});
  const Value larger = pattern({3, 4}, 1);
  const Value pads = integers({4}, {-1, -2, 0, 1});
  check_floats(interpreted(node_of(Op::pad, PadAttributes{{}, {}, 7}), {&larger, &pads}), {2, 3},
               {-1, 0.75f, 7, 0.5f, -0.5f, 7});
  const Value whole = counting({2});
  check_integers(interpreted(node_of(Op::pad, PadAttributes{{1}, {0}, 1e30}), {&whole}), {3}, {INT64_MAX, 0, 1});
  check_error(try_interpret(node_of(Op::pad, PadAttributes{{-2, 0}, {-1, 0}, 0}), {&x}), ErrorCode::mismatch,
              {"crops"});
  check_error(try_interpret(node_of(Op::pad, PadAttributes{{1}, {1}, 0}), {&x}), ErrorCode::mismatch);
  check_error(try_interpret(node_of(Op::pad), {&x, &whole}), ErrorCode::mismatch, {"2 pads"});
  check_error(try_interpret(node_of(Op::pad, PadAttributes{{INT64_MAX, 0}, {1, 0}, 0}), {&x}), ErrorCode::limit);
  check_error(try_interpret(node_of(Op::pad, PadAttributes{{0, std::int64_t{1} << 50}, {0, 0}, 0}), {&x}),
              ErrorCode::limit, {"elements"});
}

TEST_CASE("pad with its own elements") {
  const Value x = floats({1, 1, 2, 3}, {0, 1, 2, 3, 4, 5});
  const auto padded = [&](PadMode mode) {
    return interpreted(node_of(Op::pad, PadAttributes{{0, 0, 1, 2}, {0, 0, 0, 1}, 7, mode}), {&x});
  };
  check_floats(padded(PadMode::reflect), {1, 1, 3, 6}, {5, 4, 3, 4, 5, 4, 2, 1, 0, 1, 2, 1, 5, 4, 3, 4, 5, 4});
  check_floats(padded(PadMode::edge), {1, 1, 3, 6}, {0, 0, 0, 1, 2, 2, 0, 0, 0, 1, 2, 2, 3, 3, 3, 4, 5, 5});
  const PadAttributes beyond{{0, 0, 2, 0}, {0, 0, 0, 0}, 0, PadMode::reflect};
  check_error(try_interpret(node_of(Op::pad, beyond), {&x}), ErrorCode::mismatch, {"1 elements to take"});
  const PadAttributes negative{{0, 0, -1, 0}, {0, 0, 0, 0}, 0, PadMode::edge};
  check_error(try_interpret(node_of(Op::pad, negative), {&x}), ErrorCode::malformed, {"negative"});
}

TEST_CASE("concat") {
  const Value a = integers({2, 2}, {0, 1, 5, 6});
  const Value b = integers({2, 1}, {2, 7});
  check_integers(interpreted(node_of(Op::concat), {&a, &b}), {2, 3}, {0, 1, 2, 5, 6, 7});
  check_integers(interpreted(node_of(Op::concat, AxisAttributes{-2}), {&a, &a}), {4, 2}, {0, 1, 5, 6, 0, 1, 5, 6});
  check_integers(interpreted(node_of(Op::concat), {&b}), {2, 1}, {2, 7});
  check_error(try_interpret(node_of(Op::concat, AxisAttributes{0}), {&a, &b}), ErrorCode::mismatch, {"[2, 1]"});
  check_error(try_interpret(node_of(Op::concat), {&a, nullptr}), ErrorCode::malformed, {"leaves out input 1"});
  check_error(try_interpret(node_of(Op::concat), {}), ErrorCode::malformed, {"0 inputs"});
}

TEST_CASE("transpose") {
  const Value x = pattern({2, 3, 2}, 1);
  const std::vector<float> expected{-0.5f, 0.25f, 1, -1, -0.25f, 0.5f, 1.25f, -0.75f, 0, 0.75f, -1.25f, -0.5f};
  check_floats(interpreted(node_of(Op::transpose, TransposeAttributes{{2, 0, 1}}), {&x}), {2, 2, 3}, expected);
  const Value matrix = counting({2, 3});
  check_integers(interpreted(node_of(Op::transpose), {&matrix}), {3, 2}, {0, 3, 1, 4, 2, 5});
  check_error(try_interpret(node_of(Op::transpose, TransposeAttributes{{0, 0, 1}}), {&x}), ErrorCode::mismatch);
  check_error(try_interpret(node_of(Op::transpose, TransposeAttributes{{0, 1}}), {&x}), ErrorCode::mismatch);
}

TEST_CASE("gather") {
  const Value x = counting({4, 5});
  const Value columns = integers({3}, {-1, 0, 2});
  check_integers(interpreted(node_of(Op::gather), {&x, &columns}), {4, 3}, {4, 0, 2, 9, 5, 7, 14, 10, 12, 19, 15, 17});
  const Value rows = integers({2, 1}, {3, -4});
  check_integers(interpreted(node_of(Op::gather, AxisAttributes{0}), {&x, &rows}), {2, 1, 5},
                 {15, 16, 17, 18, 19, 0, 1, 2, 3, 4});
  const Value shape = integers({3}, {8, 3, 32});
  const Value second = integers({}, {1});
  check_integers(interpreted(node_of(Op::gather, AxisAttributes{0}), {&shape, &second}), {}, {3});
  for (const std::int64_t outside : {5, -6}) {
    const Value index = integers({1}, {outside});
    check_error(try_interpret(node_of(Op::gather), {&x, &index}), ErrorCode::invalid_argument,
                {std::to_string(outside), "dimension of 5"});
  }
}

TEST_CASE("ops that only change the shape") {
  const Value x = counting({2, 3, 1, 4});
  const auto shape_after = [&x](Op op, Attributes attributes) {
    const Value found = interpreted(node_of(op, std::move(attributes)), {&x});
    CHECK(found.integers() == x.integers());
    return to_string(found.shape);
  };
  CHECK(shape_after(Op::identity, NoAttributes{}) == "[2, 3, 1, 4]");
  CHECK(shape_after(Op::flatten, AxisAttributes{}) == "[2, 12]");
  CHECK(shape_after(Op::flatten, AxisAttributes{0}) == "[1, 24]");
  CHECK(shape_after(Op::flatten, AxisAttributes{4}) == "[24, 1]");
  CHECK(shape_after(Op::flatten, AxisAttributes{-1}) == "[6, 4]");
  CHECK(shape_after(Op::reshape, ReshapeAttributes{{0, -1}}) == "[2, 12]");
  CHECK(shape_after(Op::reshape, ReshapeAttributes{{-1}}) == "[24]");
  CHECK(shape_after(Op::reshape, ReshapeAttributes{{4, 6}}) == "[4, 6]");
  CHECK(shape_after(Op::reshape, ReshapeAttributes{{batch_dimension, 12}}) == "[2, 12]");
  CHECK(shape_after(Op::reshape, ReshapeAttributes{{batch_dimension, -1, 2}}) == "[2, 6, 2]");
  CHECK(shape_after(Op::reshape, ReshapeAttributes{{batch_dimension, 3, unknown_dimension}}) == "[2, 3, 4]");
  CHECK(shape_after(Op::squeeze, AxesAttributes{}) == "[2, 3, 4]");
  CHECK(shape_after(Op::squeeze, AxesAttributes{{-2}}) == "[2, 3, 4]");
  CHECK(shape_after(Op::unsqueeze, AxesAttributes{{0, -1}}) == "[1, 2, 3, 1, 4, 1]");

  const auto refused = [&x](Op op, Attributes attributes) {
    return try_interpret(node_of(op, std::move(attributes)), {&x});
  };
  check_error(refused(Op::reshape, ReshapeAttributes{{5, -1}}), ErrorCode::mismatch, {"[2, 3, 1, 4]"});
  check_error(refused(Op::reshape, ReshapeAttributes{{25}}), ErrorCode::mismatch);
  check_error(refused(Op::reshape, ReshapeAttributes{{-1, -1}}), ErrorCode::malformed);
  check_error(refused(Op::reshape, ReshapeAttributes{{24, -2}}), ErrorCode::malformed);
  check_error(refused(Op::reshape, ReshapeAttributes{{2, 3, 1, 4, 0}}), ErrorCode::mismatch);
  check_error(refused(Op::reshape, ReshapeAttributes{{unknown_dimension, unknown_dimension}}), ErrorCode::mismatch);
  check_error(refused(Op::reshape, ReshapeAttributes{{INT64_MAX, INT64_MAX}}), ErrorCode::limit);
  check_error(refused(Op::squeeze, AxesAttributes{{1}}), ErrorCode::mismatch);
  check_error(refused(Op::flatten, AxisAttributes{5}), ErrorCode::mismatch);
}

TEST_CASE("shape operands give what attributes give") {
  const Value x = counting({2, 3, 1, 4});
  const Value target = integers({2}, {0, -1});
  CHECK(interpreted(node_of(Op::reshape), {&x, &target}).shape == Shape{2, 12});
  const Value axis = integers({1}, {2});
  CHECK(interpreted(node_of(Op::squeeze), {&x, &axis}).shape == Shape{2, 3, 4});
  CHECK(interpreted(node_of(Op::unsqueeze), {&x, &axis}).shape == Shape{2, 3, 1, 1, 4});
  const Value wrong = floats({1}, {2});
  check_error(try_interpret(node_of(Op::squeeze), {&x, &wrong}), ErrorCode::mismatch, {"expected integers"});
  const Value many = counting({1000});
  check_error(try_interpret(node_of(Op::reshape), {&x, &many}), ErrorCode::limit);
  const Value matrix = integers({1, 1}, {2});
  check_error(try_interpret(node_of(Op::squeeze), {&x, &matrix}), ErrorCode::unsupported);
}

TEST_CASE("shape_of and constant_of_shape") {
  const Value x = pattern({2, 3}, 1);
  check_integers(interpreted(node_of(Op::shape_of), {&x}), {2}, {2, 3});
  const Value shape = integers({2}, {2, 3});
  check_floats(
      interpreted(node_of(Op::constant_of_shape, ConstantOfShapeAttributes{ElementType::float32, 1.5}), {&shape}),
      {2, 3}, std::vector<float>(6, 1.5f));
  check_integers(
      interpreted(node_of(Op::constant_of_shape, ConstantOfShapeAttributes{ElementType::int64, 4}), {&shape}), {2, 3},
      std::vector<std::int64_t>(6, 4));
  const Value nothing = integers({2}, {0, INT64_MAX});
  CHECK(interpreted(node_of(Op::constant_of_shape), {&nothing}).floats().empty());
  const Value absurd = integers({2}, {std::int64_t{1} << 31, 2});
  check_error(try_interpret(node_of(Op::constant_of_shape), {&absurd}), ErrorCode::limit, {"elements"});
  const Value overflowing = integers({2}, {INT64_MAX, 3});
  check_error(try_interpret(node_of(Op::constant_of_shape), {&overflowing}), ErrorCode::limit);
  const Value negative = integers({1}, {-3});
  check_error(try_interpret(node_of(Op::constant_of_shape), {&negative}), ErrorCode::mismatch, {"-3"});
}

TEST_CASE("values that do not fill their shape are refused") {
  const Value broken{{2, 3}, std::vector<float>(5)};
  check_error(try_interpret(node_of(Op::relu), {&broken}), ErrorCode::invalid_argument, {"5 elements", "[2, 3]"});
}

}  // namespace
}  // namespace residua::tests
