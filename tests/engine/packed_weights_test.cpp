// Packed weights: shared while held, and what they were packed from leaves memory.
#include "engine/packed_weights.h"

#include <doctest/doctest.h>

#include <cstring>

#include "graph/import/import.h"
#include "tests/resident_memory.h"
#include "tests/temporary_folder.h"

namespace residua::tests {
namespace {

using namespace engine;

constexpr std::size_t count = 300000;

void copy(std::span<const float> values, std::int64_t, std::byte* packed) {
  std::memcpy(packed, values.data(), values.size_bytes());
}

float first_of(const std::shared_ptr<const std::byte>& packed) {
  float value = 0;
  std::memcpy(&value, packed.get(), sizeof value);
  return value;
}

graph::Tensor constant_of(const graph::FileBytes& bytes) {
  return {"w", graph::ElementType::float32, {3, count / 3}, bytes.piece(0, count * sizeof(float))};
}

TEST_CASE("a constant is packed once a layout, while somebody holds it") {
  PackedWeights packed;
  const graph::Tensor constant = graph::make_float_constant("w", {2}, {1, 2});
  int packings = 0;
  const PackedWeights::Pack counted = [&packings](std::span<const float> values, std::int64_t part, std::byte* to) {
    ++packings;
    copy(values, part, to);
  };
  auto first = packed.get(constant, {"plain", 8}, counted);
  CHECK(packed.get(constant, {"plain", 8}, counted) == first);
  CHECK(packed.get(constant, {"other", 8}, counted) != first);
  CHECK(packings == 2);
  CHECK(packed.bytes() == 8);
  first.reset();
  CHECK(packed.bytes() == 0);
  CHECK(first_of(packed.get(constant, {"plain", 8}, counted)) == 1);
  CHECK(packings == 3);
}

TEST_CASE("the same bytes under other row factors are another constant") {
  PackedWeights packed;
  const graph::Tensor plain = graph::make_float_constant("w", {2}, {1, 2});
  graph::Tensor scaled = plain;
  scaled.constant.row_scale = std::make_shared<const std::vector<double>>(std::vector<double>{3, 5});
  const auto one = packed.get(plain, {"plain", 8}, copy), other = packed.get(scaled, {"plain", 8}, copy);
  CHECK(first_of(one) == 1);
  CHECK(first_of(other) == 3);
}

TEST_CASE("parts are packed by several threads, from values read by several") {
  constexpr std::int64_t parts = 100;
  std::vector<float> stored(parts * 5000);
  for (std::size_t i = 0; i < stored.size(); ++i) stored[i] = static_cast<float>(i);
  graph::Tensor constant = graph::make_float_constant("w", {parts, 5000}, stored);
  constant.constant.row_scale = std::make_shared<const std::vector<double>>(parts, 0.5);
  PackedWeights packed;
  const PackedWeights::Threads three(packed, 3), one(packed, 1);
  const auto data = packed.get(constant, {"last of each row", parts * sizeof(float), parts},
                               [](std::span<const float> values, std::int64_t part, std::byte* to) {
                                 const float value = values[static_cast<std::size_t>(part) * 5000 + 4999];
                                 std::memcpy(to + static_cast<std::size_t>(part) * sizeof value, &value, sizeof value);
                               });
  packed.end_packing();
  for (std::int64_t part = 0; part < parts; ++part) {
    float value = 0;
    std::memcpy(&value, data.get() + static_cast<std::size_t>(part) * sizeof value, sizeof value);
    CHECK(value == static_cast<float>(part * 5000 + 4999) * 0.5F);
  }
}

TEST_CASE("what was packed before is handed out where constant, layout and size are the same") {
  PackedWeights packed;
  const graph::Tensor constant = graph::make_float_constant("w", {2}, {1, 2});
  const graph::ConstantData before = graph::make_float_constant("", {2}, {5, 6}).constant;
  packed.offer({{constant.constant, "plain", before}});
  CHECK(packed.get(constant, {"plain", 4, 0}, copy) != before.bytes);
  CHECK(packed.packings() == 1);
  CHECK(packed.get(constant, {"plain", 8}, copy) == before.bytes);
  CHECK(packed.packings() == 1);
  const auto other = packed.get(constant, {"other", 8}, copy);
  CHECK(first_of(other) == 1);
  CHECK(packed.packings() == 2);
  CHECK(packed.all().size() == 2);  // what is offered and what is held
}

TEST_CASE("a mapped constant leaves memory once it is packed") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  write_content(path, std::string(count * sizeof(float), '\x3f'));
  const auto bytes = graph::map_file(path);
  REQUIRE(bytes.ok());
  graph::Tensor constant = constant_of(*bytes);
  for (const bool scale : {false, true}) {
    if (scale) constant.constant.row_scale = std::make_shared<const std::vector<double>>(3, 2.0);
    PackedWeights packed;
    const auto data = packed.get(constant, {"plain", count * sizeof(float)}, copy);
    CHECK(resident_bytes(path) == 0);
    CHECK(first_of(data) == graph::read_floats(constant).front());
    CHECK(resident_bytes(path) > 0);
  }
}

}  // namespace
}  // namespace residua::tests
