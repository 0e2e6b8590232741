#include <doctest/doctest.h>

#include "tests/graph/import/weight_files.h"

namespace residua::tests {
namespace {

using namespace graph;

Result<WeightFile> read(std::string_view header, std::string_view data = {}) {
  return read_safetensors(file_of(safetensors(header, data)));
}

TEST_CASE("safetensors: every element type that the graph has") {
  const auto file = read(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                         R"("b":{"dtype":"F16","shape":[1,1],"data_offsets":[8,10]},)"
                         R"("c":{"dtype":"BF16","shape":[],"data_offsets":[10,12]},)"
                         R"("d":{"dtype":"F64","shape":[1],"data_offsets":[12,20]},)"
                         R"("e":{"dtype":"I64","shape":[1],"data_offsets":[20,28]},)"
                         R"("f":{"dtype":"I8","shape":[0,3],"data_offsets":[28,28]},)"
                         R"("__metadata__":{"arch":"x","labels":"[\"a\"]"}}   )",
                         raw(1.5f) + raw(-2.f) + raw(std::uint16_t{0x3e00}) + raw(std::uint16_t{0xc040}) + raw(0.25) +
                             raw(std::int64_t{-7}));
  REQUIRE_MESSAGE(file.ok(), message_of(file));
  CHECK(read_floats(file->tensors.at("a")) == std::vector<float>{1.5f, -2.f});
  CHECK(read_floats(file->tensors.at("b")) == std::vector<float>{1.5f});
  CHECK(read_floats(file->tensors.at("c")) == std::vector<float>{-3.f});
  CHECK(read_floats(file->tensors.at("d")) == std::vector<float>{0.25f});
  CHECK(file->tensors.at("d").type == ElementType::float32);
  CHECK(read_integers(file->tensors.at("e")) == std::vector<std::int64_t>{-7});
  CHECK(file->tensors.at("f").is_constant());
  CHECK(file->tensors.at("f").shape == Shape{0, 3});
  CHECK(file->metadata == std::map<std::string, std::string>{{"arch", "x"}, {"labels", "[\"a\"]"}});
}

TEST_CASE("safetensors: float32 tensors share the file's bytes") {
  const FileBytes bytes = file_of(safetensors(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", raw(1.f)));
  const auto file = read_safetensors(bytes);
  REQUIRE(file.ok());
  CHECK(file->tensors.at("a").constant.bytes.get() == bytes.data.get() + bytes.size - 4);
}

TEST_CASE("safetensors: what a header may not say") {
  const std::string four(4, '\0'), eight(8, '\0');
  const auto tensor = [](const char* fields) { return "{\"t\":{" + std::string(fields) + "}}"; };
  CHECK_FAILS(read(""), malformed, "not valid JSON at its byte");
  CHECK_FAILS(read("{"), malformed, "not valid JSON at its byte");
  CHECK_FAILS(read("{} x"), malformed, "not valid JSON");
  CHECK_FAILS(read("[]"), malformed, "the file holds an array");
  CHECK_FAILS(read("3"), malformed, "the file holds a number");
  CHECK_FAILS(read(std::string(100000, '[')), malformed, "the file holds an array");
  CHECK_FAILS(read("{\"t\":{\"shape\":" + std::string(100000, '{')), malformed, "tensor 't' holds an object");
  CHECK_FAILS(read(tensor(R"("dtype":"F32")")), malformed, "tensor 't' lacks one of dtype, shape and data_offsets");
  CHECK_FAILS(read(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0]})")), malformed,
              "data_offsets has 1 numbers, expected 2");
  CHECK_FAILS(read(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,8])"), four), malformed,
              "more than 2 numbers");
  CHECK_FAILS(read(tensor(R"("dtype":"F32","dtype":"F32")")), malformed, "holds 'dtype' twice");
  CHECK_FAILS(read(tensor(R"("strides":[1])")), malformed, "unknown key 'strides'");
  CHECK_FAILS(read(tensor(R"("shape":[-1])")), malformed, "a negative number");
  CHECK_FAILS(read(tensor(R"("shape":[1.5])")), malformed, "a number that is no count");
  CHECK_FAILS(read(tensor(R"("shape":[18446744073709551615])")), malformed, "beyond 64 bits");
  CHECK_FAILS(read(tensor(R"("shape":[[1]])")), malformed, "tensor 't' holds an array");
  CHECK_FAILS(read(tensor(R"("shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1])")), limit,
              "dimensions: 9, more than the limit rank=8");
  CHECK_FAILS(read(tensor(R"("shape":null)")), malformed, "tensor 't' holds null");
  CHECK_FAILS(read(tensor(R"("dtype":7)")), malformed, "tensor 't' holds a number");
  CHECK_FAILS(read(tensor(R"("dtype":"F8_E4M3")")), unsupported, "tensor 't' has the element type 'F8_E4M3'");
  CHECK_FAILS(read(R"({"__metadata__":{"a":1}})"), malformed, "__metadata__ (a map of strings) holds a number");
  CHECK_FAILS(read(R"({"__metadata__":{"a":"1","a":"2"}})"), malformed, "__metadata__ holds 'a' twice");
  CHECK_FAILS(read(R"({"__metadata__":{},"__metadata__":{}})"), malformed, "'__metadata__' stands there twice");
  CHECK_FAILS(read(R"({"":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", four), malformed, "empty name");
  CHECK_FAILS(read(R"({"a\n\u001b[2J":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", four), malformed, "'a??[2J'");
  CHECK_FAILS(read("{\"\xff\":{}}"), malformed, "not valid JSON");
}

TEST_CASE("safetensors: what tensors may not claim") {
  const std::string four(4, '\0'), eight(8, '\0');
  CHECK_FAILS(read_safetensors(file_of("1234567")), malformed, "7 bytes are too few");
  CHECK_FAILS(read_safetensors(file_of(raw(std::uint64_t{3}) + "{}")), malformed,
              "claims 3 bytes, but the file has 2 left");
  CHECK_FAILS(read_safetensors(file_of(raw(UINT64_MAX) + "{}")), limit,
              "bytes of the header: 18446744073709551615, more than the limit header_bytes=100000000");
  CHECK_FAILS(read(R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", four), malformed,
              "0 to 8 do not lie within the file's 4");
  CHECK_FAILS(read(R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", four), malformed,
              "4 to 0 do not lie within");
  CHECK_FAILS(read(R"({"t":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", eight), malformed,
              "but float32 [3] needs 3 x 4");
  CHECK_FAILS(read(R"({"t":{"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,0]}})"), malformed,
              "needs 4611686018427387904 x 8");
  const auto huge = read(R"({"t":{"dtype":"F32","shape":[4611686018427387904,16],"data_offsets":[0,0]}})");
  CHECK_FALSE(huge.ok());
  CHECK_FAILS(
      read(
          R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"u":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
          four),
      malformed, "tensor 'u' begins at byte 0 of the data, expected 4: it overlaps");
  CHECK_FAILS(read(R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", eight), malformed,
              "begins at byte 4 of the data, expected 0: the bytes between belong to no tensor");
  CHECK_FAILS(read(R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", eight), malformed,
              "the last 4 of 8 bytes");
  CHECK_FAILS(
      read(
          R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
          eight),
      malformed, "'t' stands there twice");
}

}  // namespace
}  // namespace residua::tests
