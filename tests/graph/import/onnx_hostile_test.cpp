// Damaged and malicious ONNX files: an error or an equal graph, never a crash (run under ASan and UBSan, too).

#include <limits>

#include "graph/text.h"
#include "tests/data.h"
#include "tests/graph/import/onnx_model.h"
#include "tests/temporary_folder.h"

namespace residua::tests::onnx {
namespace {

std::string golden_bytes(const std::string& name) {
  const auto file = graph::map_file(source_root() / "tests" / "golden" / "onnx" / name);
  REQUIRE(file.ok());
  return {reinterpret_cast<const char*>(file->data.get()), file->size};
}

TEST_CASE("a file cut anywhere gives an error or an equal graph") {
  for (const std::string name : {"opset22.onnx", "opset7.onnx", "bf16.onnx"}) {
    CAPTURE(name);
    const std::string whole = golden_bytes(name);
    const auto complete = graph::import_onnx(in_memory(whole), {});
    REQUIRE(complete.ok());
    const std::string expected = graph::to_text(complete->graph);
    std::size_t refused = 0;
    for (std::size_t length = 0; length < whole.size(); ++length) {
      const auto cut = graph::import_onnx(in_memory(std::string_view(whole).substr(0, length)), {});
      if (cut) {
        CHECK(graph::to_text(cut->graph) == expected);
      } else {
        CHECK(!cut.error().message.empty());
        ++refused;
      }
    }
    CHECK(refused > whole.size() / 2);
  }
}

TEST_CASE("a file with any byte changed gives an error or a graph") {
  for (const std::string name : {"opset22.onnx", "opset7.onnx", "bf16.onnx", "opset11_softmax.onnx"}) {
    CAPTURE(name);
    const std::string whole = golden_bytes(name);
    for (std::size_t position = 0; position < whole.size(); ++position) {
      for (const int change : {0x01, 0x08, 0x7f, 0x80, 0xff}) {
        std::string damaged = whole;
        damaged[position] = static_cast<char>(static_cast<unsigned char>(damaged[position]) ^ change);
        const auto result = graph::import_onnx(in_memory(damaged), {});
        if (!result) CHECK(!result.error().message.empty());
      }
    }
  }
}

TEST_CASE("other files are refused with the byte where they stop making sense") {
  for (const std::string& bytes : {std::string("PK\3\4 a zip file"), std::string(100, '\0'), std::string(100, '\xff'),
                                   std::string("{\"json\": true}"), std::string(1, '\x08')}) {
    const auto result = graph::import_onnx(in_memory(bytes), {});
    REQUIRE(!result.ok());
    CHECK(result.error().code == graph::ErrorCode::malformed);
  }
}

Model with_weight(std::string weight) { return {{node("Add", {"x", "w"}, {"y"})}, {std::move(weight)}}; }

void check_refused(const Model& model, const std::string& part, const std::filesystem::path& folder = {}) {
  const std::string message = error_of(model, folder);
  CAPTURE(message);
  CAPTURE(part);
  CHECK(message.find(part) != std::string::npos);
}

TEST_CASE("a tensor's bytes must fit its shape") {
  CHECK(error_of(with_weight(zeros("w", {3, 1, 1}))) == "");
  check_refused(with_weight(tensor("w", float32, {3, 1, 1}, "1234567")), "raw_data holds 7 bytes");
  check_refused(with_weight(tensor("w", float32, {-3, 1, 1}, "1234")), "-3 is negative");
  constexpr std::int64_t large = std::int64_t{1} << 40;
  check_refused(with_weight(tensor("w", float32, {large, large}, "1234")), "too large");
  check_refused(with_weight(tensor("w", float32, {large, 1 << 22}, "1234")), "too large");
  check_refused(with_weight(tensor("w", float32, {large}, "1234")), "asks for");
  check_refused(with_weight(tensor("w", float16, {large}, "1234")), "asks for");
  check_refused(with_weight(tensor("w", 8, {1}, "1234")), "element type 8");
  check_refused(with_weight(tensor("w", float32, Dims(9, 1), "1234")), "dimensions: 9, more than the limit rank=8");
  // the count is taken from the shape, the values from float_data
  std::string typed;
  protozero::pbf_writer writer(typed);
  writer.add_int64(1, large);
  writer.add_int32(2, float32);
  writer.add_float(4, 1.0F);
  writer.add_string(8, "w");
  check_refused(with_weight(typed), "holds 1 values");
}

TEST_CASE("shape operands of absurd size are refused") {
  const auto reshape = [](std::int64_t count) {
    return Model{{node("Reshape", {"x", "s"}, {"y"})},
                 {tensor("s", int64, {count}, std::string(static_cast<std::size_t>(count) * 8, '\1'))}};
  };
  check_refused(reshape(100'000), "at most 64");
  check_refused(reshape(5), "Reshape_0");
  constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  // symbols of the graph are not to be had from a file
  for (const std::int64_t value : {lowest, lowest + 1, lowest + 2}) {
    Model model{{node("Reshape", {"x", "s"}, {"y"})}, {tensor("s", int64, {2}, raw<std::int64_t>({0, value}))}};
    CHECK(error_of(model) != "");
    model.nodes = {node("ConstantOfShape", {"s"}, {"y"})};
    CHECK(error_of(model) != "");
  }
}

TEST_CASE("limits hold for the number of nodes") {
  Model model;
  model.nodes.assign(20'001, node("Relu", {"x"}, {""}));
  check_refused(model, "20001, more than the limit nodes=20000");
  // one node of the file that becomes too many of the graph
  model.nodes = {node("Sum", std::vector<std::string>(20'010, "x"), {"y"})};
  check_refused(model, "20001, more than the limit nodes=20000");
}

TEST_CASE("one weight converted over and over does not exhaust the memory") {
  constexpr std::int64_t size = 1000;
  Model model{{node("Flatten", {"x"}, {"f"})}, {zeros("w", {192, size}), zeros("b", {size})}};
  for (int i = 0; i < 200; ++i) model.nodes.push_back(node("Gemm", {"f", "w", "b"}, {"y" + std::to_string(i)}));
  model.outputs = {"y0"};
  check_refused(model, "more than the limit conversion_ratio=16");
}

TEST_CASE("a field of 2^32 bytes does not pass for an empty one") {
  for (const std::uint64_t length : {std::uint64_t{1} << 32, std::uint64_t{1} << 63}) {
    std::string file;
    protozero::pbf_writer(file).add_int64(1, 8);
    protozero::add_varint_to_buffer(&file, 20 << 3 | 2);
    protozero::add_varint_to_buffer(&file, length);
    const auto result = graph::import_onnx(in_memory(file), {});
    REQUIRE(!result.ok());
    CHECK(result.error().message.find("runs past the end of its message") != std::string::npos);
  }
}

TEST_CASE("wrong wire types are refused") {
  std::string graph_as_number;
  protozero::pbf_writer writer(graph_as_number);
  writer.add_int64(1, 8);
  writer.add_int64(7, 8);
  const auto result = graph::import_onnx(in_memory(graph_as_number), {});
  REQUIRE(!result.ok());
  CHECK(result.error().message == "byte 2 (model): field 7 has wire type 0, expected 2");
}

// A folder that files of zeros are written into.
class Folder : public TemporaryFolder {
 public:
  std::filesystem::path write(const std::string& name, std::size_t size) const {
    write_content(path() / name, std::string(size, '\0'));
    return path() / name;
  }
};

TEST_CASE("external data stays in the model's folder and inside its file") {
  namespace fs = std::filesystem;
  const Folder folder;
  const fs::path model = folder.path() / "model";
  const fs::path outside = folder.write("outside.bin", 12);
  folder.write("model/weights.bin", 16);
  folder.write("model/inner/weights.bin", 12);
  folder.write("model/empty.bin", 0);
  folder.write("model-beside.bin", 12);
  fs::create_symlink("../outside.bin", model / "link.bin");
  fs::create_symlink(folder.path(), model / "up");
  fs::create_symlink("weights.bin", model / "good.bin");
  using Entries = std::vector<std::pair<std::string, std::string>>;
  const auto with = [](const Entries& entries) { return with_weight(external_tensor("w", {3, 1, 1}, entries)); };
  CHECK(error_of(with({{"location", "weights.bin"}}), model) == "");
  CHECK(error_of(with({{"location", "weights.bin"}, {"offset", "4"}, {"length", "12"}}), model) == "");
  CHECK(error_of(with({{"location", "inner/weights.bin"}}), model) == "");
  CHECK(error_of(with({{"location", "./good.bin"}}), model) == "");
  check_refused(with({{"location", "weights.bin"}}), "has no folder");
  check_refused(with({{"location", "../outside.bin"}}), "leaves the model's folder", model);
  check_refused(with({{"location", "inner/../../outside.bin"}}), "leaves the model's folder", model);
  check_refused(with({{"location", "../model-beside.bin"}}), "leaves the model's folder", model);
  check_refused(with({{"location", outside.string()}}), "relative", model);
  check_refused(with({{"location", "link.bin"}}), "outside", model);
  check_refused(with({{"location", "up/outside.bin"}}), "outside", model);
  check_refused(with({{"location", "inner"}}), "folder", model);
  check_refused(with({{"location", "."}}), "outside", model);
  check_refused(with({{"location", ""}}), "relative", model);
  check_refused(with({}), "relative", model);
  check_refused(with({{"location", std::string("weights.bin\0x", 13)}}), "relative", model);
  check_refused(with({{"location", "missing.bin"}}), "No such file", model);
  check_refused(with({{"location", "empty.bin"}}), "empty", model);
  check_refused(with({{"location", "weights.bin"}, {"offset", "5"}}), "lie outside", model);
  check_refused(with({{"location", "weights.bin"}, {"offset", "18446744073709551615"}}), "lie outside", model);
  check_refused(with({{"location", "weights.bin"}, {"offset", "-4"}}), "byte count", model);
  check_refused(with({{"location", "weights.bin"}, {"offset", "99999999999999999999"}}), "byte count", model);
  check_refused(with({{"location", "weights.bin"}, {"length", "8"}}), "length is 8", model);
}

}  // namespace
}  // namespace residua::tests::onnx
