#include "graph/tensor.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "graph/operators.h"
#include "graph/text.h"
#include "tests/graph/values.h"

namespace residua::tests {
namespace {

using namespace residua::graph;

Tensor raw_constant(ElementType type, Shape shape, const std::vector<std::uint8_t>& bytes) {
  auto storage = std::make_shared<std::vector<std::uint8_t>>(bytes);
  const auto* data = reinterpret_cast<const std::byte*>(storage->data());
  return {"raw", type, std::move(shape), {std::shared_ptr<const std::byte>(storage, data), bytes.size()}};
}

TEST_CASE("element types have names and sizes") {
  const std::vector<std::pair<std::string, std::size_t>> expected{{"float32", 4},  {"float64", 8}, {"float16", 2},
                                                                  {"bfloat16", 2}, {"int64", 8},   {"int32", 4},
                                                                  {"uint8", 1},    {"int8", 1},    {"boolean", 1}};
  for (const auto& entry : expected) {
    const std::string& name = entry.first;
    CAPTURE(name);
    const ElementType type = parse_element_type(name).value();
    CHECK(name_of(type) == name);
    CHECK(size_of(type) == entry.second);
    CHECK(is_floating_point(type) == (name.find("float") != std::string::npos));
  }
  check_error(parse_element_type("float"), ErrorCode::malformed, {"'float'"});
}

TEST_CASE("every op is in the table under its own name") {
  for (int i = 0; i <= static_cast<int>(Op::constant_of_shape); ++i) {
    const OperatorInfo& info = info_of(static_cast<Op>(i));
    CHECK(find_operator(info.name) == &info);
    CHECK((info.max_inputs < 0 || info.min_inputs <= info.max_inputs));
  }
  CHECK(find_operator("") == nullptr);
  CHECK(find_operator("Convolution") == nullptr);
}

TEST_CASE("shapes as text and as element counts") {
  CHECK(to_string(Shape{batch_dimension, 3, unknown_dimension, 0}) == "[N, 3, ?, 0]");
  CHECK(to_string(Shape{}) == "[]");
  CHECK(element_count({}).value() == 1);
  CHECK(element_count({2, 3, 4}).value() == 24);
  CHECK(element_count({2, 0, 4}).value() == 0);
  check_error(element_count({2, unknown_dimension}), ErrorCode::mismatch, {"[2, ?]"});
  check_error(element_count({2, -1}), ErrorCode::mismatch);
  check_error(element_count({std::int64_t{1} << 32, std::int64_t{1} << 31}), ErrorCode::limit);
  // An empty tensor's strides must fit too.
  check_error(element_count({std::int64_t{1} << 32, 0, std::int64_t{1} << 31}), ErrorCode::limit);
}

TEST_CASE("constants of every floating-point type read as float") {
  CHECK(read_floats(make_float_constant("c", {2}, {1.5f, -2})) == std::vector<float>{1.5f, -2});
  CHECK(read_floats(raw_constant(ElementType::float16, {2}, {0x55, 0x35, 0x00, 0xfc})) ==
        std::vector<float>{0.333251953125f, -std::numeric_limits<float>::infinity()});
  CHECK(read_floats(raw_constant(ElementType::bfloat16, {1}, {0xcd, 0xbd})) == std::vector<float>{-0.10009765625f});
  CHECK(read_floats(raw_constant(ElementType::float64, {1}, {0, 0, 0, 0, 0, 0, 0xf8, 0x3f})) ==
        std::vector<float>{1.5f});
  CHECK(read_floats(make_float_constant("c", {3, 0}, {})).empty());
  CHECK_THROWS_AS(make_float_constant("c", {3}, {1}), InternalError);
  CHECK_THROWS_AS(read_floats(make_integer_constant("c", {1}, {1})), InternalError);
}

TEST_CASE("constants of every integer type read as int64") {
  CHECK(read_integers(make_integer_constant("c", {2}, {INT64_MIN, 7})) == std::vector<std::int64_t>{INT64_MIN, 7});
  CHECK(read_integers(raw_constant(ElementType::int32, {1}, {0xfe, 0xff, 0xff, 0xff})) ==
        std::vector<std::int64_t>{-2});
  CHECK(read_integers(raw_constant(ElementType::uint8, {2}, {0xff, 1})) == std::vector<std::int64_t>{255, 1});
  CHECK(read_integers(raw_constant(ElementType::int8, {2}, {0xff, 1})) == std::vector<std::int64_t>{-1, 1});
  CHECK(read_integers(raw_constant(ElementType::boolean, {2}, {0, 2})) == std::vector<std::int64_t>{0, 1});
  CHECK_THROWS_AS(read_integers(make_float_constant("c", {1}, {1})), InternalError);
}

TEST_CASE("constants are read where they lie, aligned or not") {
  const std::vector<float> values{1, 2, 3, 4};
  for (std::size_t offset = 0; offset < 4; ++offset) {
    auto storage = std::make_shared<std::vector<std::byte>>(offset + 16);
    std::memcpy(storage->data() + offset, values.data(), 16);
    const Tensor tensor{
        "c", ElementType::float32, {4}, {std::shared_ptr<const std::byte>(storage, storage->data() + offset), 16}};
    CHECK(read_floats(tensor) == values);
    CHECK(digest(tensor) == digest(make_float_constant("other name", {4}, values)));
  }
}

TEST_CASE("a constant's size is checked") {
  check_error(check_constant(raw_constant(ElementType::int32, {2}, {1, 2, 3})), ErrorCode::malformed,
              {"\"raw\"", "3 bytes", "expected 8"});
  check_error(check_constant(raw_constant(ElementType::int32, {batch_dimension}, {1})), ErrorCode::mismatch);
  check_error(check_constant(raw_constant(ElementType::int64, {std::int64_t{1} << 62, 1}, {1})), ErrorCode::limit);
  check_error(check_constant(Tensor{}), ErrorCode::malformed, {"no data"});
  CHECK_THROWS_AS(read_floats(raw_constant(ElementType::float32, {2}, {1, 2, 3})), InternalError);
}

TEST_CASE("half precision, against numpy") {
  const std::vector<std::pair<double, std::uint16_t>> expected{{1, 0x3c00},
                                                               {65504, 0x7bff},
                                                               {65519.99, 0x7bff},
                                                               {65520, 0x7c00},
                                                               {6.1e-5, 0x3ff},
                                                               {5.96e-8, 1},
                                                               {2.98e-8, 0},
                                                               {2.99e-8, 1},
                                                               {-0.0, 0x8000},
                                                               {1.0009765625, 0x3c01},
                                                               {1.00048828125, 0x3c00},
                                                               {1.00146484375, 0x3c02},
                                                               {1.0 / 3, 0x3555},
                                                               {-2.5e-7, 0x8004},
                                                               {INFINITY, 0x7c00}};
  for (const auto& entry : expected) {
    CAPTURE(entry.first);
    CHECK(float_to_half(static_cast<float>(entry.first)) == entry.second);
  }
  CHECK(half_to_float(0x0001) == 0x1p-24f);
  CHECK(half_to_float(0x03ff) == 6.097555160522461e-05f);
  CHECK(half_to_float(0x8400) == -0x1p-14f);
  CHECK(std::isnan(half_to_float(float_to_half(std::nanf("")))));
  int changed = 0;
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float widened = half_to_float(half);
    if (!std::isnan(widened) && float_to_half(widened) != half) ++changed;
  }
  CHECK(changed == 0);
}

TEST_CASE("bfloat16, against PyTorch") {
  const std::vector<std::pair<float, std::uint16_t>> expected{{1, 0x3f80},           {1.0f / 3, 0x3eab},
                                                              {3.4e38f, 0x7f80},     {1.00390625f, 0x3f80},
                                                              {1.01171875f, 0x3f82}, {-0.1f, 0xbdcd}};
  for (const auto& [value, bits] : expected) CHECK(float_to_bfloat16(value) == bits);
  CHECK(bfloat16_to_float(0xbdcd) == -0.10009765625f);
  CHECK(std::isnan(bfloat16_to_float(float_to_bfloat16(std::nanf("")))));
}

TEST_CASE("the digest sees type, shape, every byte and the place of a sign") {
  const Tensor original = make_float_constant("a", {2, 3}, {1, 2, 3, 4, 5, 6});
  const std::uint64_t expected = digest(original);
  CHECK(digest(make_float_constant("b", {2, 3}, {1, 2, 3, 4, 5, 6})) == expected);
  CHECK(digest(make_float_constant("a", {3, 2}, {1, 2, 3, 4, 5, 6})) != expected);
  CHECK(digest(make_float_constant("a", {2, 3}, {1, -2, 3, -4, 5, 6})) != expected);
  CHECK(digest(make_float_constant("a", {2, 3}, {1, 2, 3, -4, 5, -6})) != expected);
  CHECK(digest(raw_constant(ElementType::uint8, {3}, {1, 2, 3})) !=
        digest(raw_constant(ElementType::int8, {3}, {1, 2, 3})));
  for (std::uint8_t i = 0; i < 11; ++i) {
    std::vector<std::uint8_t> bytes(11, 7);
    const std::uint64_t before = digest(raw_constant(ElementType::uint8, {11}, bytes));
    bytes[i] ^= 1;
    CHECK(digest(raw_constant(ElementType::uint8, {11}, bytes)) != before);
  }
}

TEST_CASE("row factors: values, pieces, text and digest are those of the products, rounded once") {
  const std::vector<float> stored{1, 3, 1e-3F, -7, 0.1F, 1e30F};
  const auto scale = std::make_shared<const std::vector<double>>(std::vector<double>{1.0 / 3, -0.7});
  Tensor scaled = make_float_constant("w", {2, 3, 1}, stored);
  scaled.constant.row_scale = scale;
  std::vector<float> expected;
  for (std::size_t i = 0; i < stored.size(); ++i)
    expected.push_back(static_cast<float>(static_cast<double>(stored[i]) * (*scale)[i / 3]));
  CHECK(check_constant(scaled).ok());
  CHECK(read_floats(scaled) == expected);
  for (std::size_t first = 0; first <= expected.size(); ++first) {
    for (std::size_t count = 0; first + count <= expected.size(); ++count) {
      std::vector<float> piece(count);
      read_floats(scaled, first, piece);
      CHECK(std::equal(piece.begin(), piece.end(), expected.begin() + static_cast<std::ptrdiff_t>(first)));
    }
  }
  std::vector<float> beyond(2);
  CHECK_THROWS_AS(read_floats(scaled, 5, beyond), InternalError);
  CHECK(floats_in_place(scaled).empty());
  CHECK(digest(scaled) == digest(make_float_constant("w", {2, 3, 1}, expected)));
  CHECK(digest(scaled) != digest(make_float_constant("w", {2, 3, 1}, stored)));
  std::vector<float> many(10001, 0.3F);  // more than one piece of the digest's
  Tensor long_rows = make_float_constant("w", {1, 10001}, many);
  long_rows.constant.row_scale = std::make_shared<const std::vector<double>>(1, 0.1);
  for (float& value : many) value = static_cast<float>(static_cast<double>(value) * 0.1);
  CHECK(digest(long_rows) == digest(make_float_constant("w", {1, 10001}, many)));
}

TEST_CASE("row factors that do not fit their constant are refused") {
  const auto with = [](Tensor tensor, std::size_t factors) {
    tensor.constant.row_scale = std::make_shared<const std::vector<double>>(factors, 2.0);
    return check_constant(tensor);
  };
  CHECK(with(make_float_constant("w", {2, 0}, {}), 2).ok());
  check_error(with(make_float_constant("w", {2}, {1, 2}), 3), ErrorCode::malformed, {"\"w\"", "3 row factors"});
  check_error(with(make_float_constant("w", {}, {1}), 1), ErrorCode::malformed, {"1 row factors"});
  check_error(with(make_integer_constant("w", {1}, {1}), 1), ErrorCode::malformed, {"int64"});
}

TEST_CASE("floats in place: only where they lie ready") {
  const Tensor tensor = make_float_constant("w", {2}, {1, 2});
  REQUIRE(floats_in_place(tensor).size() == 2);
  CHECK(floats_in_place(tensor)[1] == 2);
  Tensor odd = tensor;
  const auto bytes = std::make_shared<std::vector<std::byte>>(12);
  odd.constant.bytes = std::shared_ptr<const std::byte>(bytes, bytes->data() + 1);
  CHECK(floats_in_place(odd).empty());
  CHECK(floats_in_place(raw_constant(ElementType::float16, {2}, {0, 0, 0, 0})).empty());
}

}  // namespace
}  // namespace residua::tests
