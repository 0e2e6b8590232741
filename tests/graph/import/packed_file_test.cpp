// Packed model files: what is written comes back, and whatever else comes is refused or harmless.
#include "graph/import/packed_file.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "graph/import/packed_file_bytes.h"
#include "graph/text.h"
#include "tests/graph/import/weight_files.h"

namespace residua::tests {
namespace {

using namespace graph;

constexpr const char* network = R"(graph "small \x01"
input %0 "x" float32 [N, 1, ?, ?]
const %1 "w\"" float32 [2, 1, 1, 1] values [1, 2]
const %2 "b" float32 [2] values [3, 4]
node %3 "y" float32 [N, 2, ?, ?] = convolution(%0, %1, %2)  # a node
output %3
)";

ImportedModel small_model() {
  auto graph = parse_text(network);
  REQUIRE_MESSAGE(graph.ok(), message_of(graph));
  ImportedModel model;
  model.graph = std::move(graph).value();
  model.graph.tensor(1).constant.row_scale = std::make_shared<const std::vector<double>>(std::vector<double>{0.1, 3});
  model.format = "onnx";
  model.architecture = "resnet18";
  model.metadata = {{"labels", "[\"a\"]"}, {"resize", "7"}};
  model.packed_for = "this engine";
  model.made_from = "some file";
  const ConstantData blob = make_float_constant("", {3}, {7, 8, 9}).constant;
  model.packed = {{model.graph.tensor(1).constant, "wide", blob},
                  {make_float_constant("", {1}, {1}).constant, "of a constant that is not there", blob}};
  return model;
}

std::string written(const ImportedModel& model) {
  std::string content;
  const Status status = write_packed_file(model, [&](std::span<const std::byte> bytes) -> Status {
    content.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  });
  REQUIRE(status.ok());
  return content;
}

// A file with whole checksums around `index`.
FileBytes file_with(const IndexWriter& index, std::size_t behind = 2048) {
  const PackedHeader header{packed_header_size + index.bytes().size() + behind, index.bytes().size(),
                            checksum_of(index.bytes())};
  const auto head = header_bytes(header);
  std::string content(reinterpret_cast<const char*>(head.data()), head.size());
  content.append(reinterpret_cast<const char*>(index.bytes().data()), index.bytes().size());
  return file_of(content + std::string(behind, '\0'));
}

// The network's text as a file has it: the values stand elsewhere.
const std::string bare = to_text(parse_text(network).value(), {.constant_values_up_to = 0, .digests = false});

IndexWriter texts(std::string_view graph = bare) {
  IndexWriter index;
  for (const char* text : {"engine", "", "onnx", ""}) index.text(text);
  index.number(0);
  index.text(graph);
  return index;
}

constexpr std::uint64_t zeros = 1024;  // where file_with has nothing but these

void piece(IndexWriter& index, std::uint64_t offset, std::uint64_t size) {
  const std::uint64_t checksum = checksum_of(std::vector<std::byte>(std::min<std::uint64_t>(size, 64)));
  for (const std::uint64_t value : {offset, size, checksum}) index.number(value);
}

TEST_CASE("packed file: what is written comes back") {
  const ImportedModel model = small_model();
  const FileBytes bytes = file_of(written(model));
  const auto format = recognise(bytes.span());
  REQUIRE(format.ok());
  CHECK(*format == FileFormat::packed);
  auto read = import_bytes(bytes, {});
  REQUIRE_MESSAGE(read.ok(), message_of(read));
  CHECK(to_text(read->graph) == to_text(model.graph));
  CHECK(to_text(read->graph).find("values [0.1, 6]") != std::string::npos);
  CHECK(read->is_packed);
  CHECK(read->format == "onnx");
  CHECK(read->architecture == "resnet18");
  CHECK(read->metadata == model.metadata);
  CHECK(read->packed_for == "this engine");
  CHECK(read->made_from == "some file");
  REQUIRE(read->packed.size() == 1);
  const PackedBlob& blob = read->packed[0];
  CHECK(blob.layout == "wide");
  CHECK(blob.constant.bytes == read->graph.tensor(read->graph.nodes[0].inputs[1]).constant.bytes);
  CHECK(read_floats({"", ElementType::float32, {3}, blob.bytes}) == std::vector<float>{7, 8, 9});
  CHECK((blob.bytes.bytes.get() - bytes.data.get()) % 64 == 0);
  // Packed again, it is the same.
  ImportedModel again = std::move(read).value();
  CHECK(written(again) == written(small_model()));
}

TEST_CASE("packed file: cut short anywhere it is refused") {
  const std::string whole = written(small_model());
  std::size_t read = 0;
  for (std::size_t size = 0; size < whole.size(); ++size)
    read += read_packed_file(file_of(whole.substr(0, size)), false).ok() ? 1 : 0;
  CHECK(read == 0);
  CHECK_FAILS(read_packed_file(file_of(whole + "x"), false), malformed, "its header says");
}

TEST_CASE("packed file: one changed bit is found, in small constants and blobs in any case") {
  const std::string whole = written(small_model());
  const std::string text = to_text(small_model().graph);
  std::size_t index_size = 0;
  std::memcpy(&index_size, whole.data() + 24, sizeof index_size);
  std::size_t unnoticed = 0, wrong = 0;
  for (std::size_t i = 0; i < whole.size() * 8; ++i) {
    std::string damaged = whole;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << i % 8));
    const bool in_head = i / 8 < packed_header_size + index_size;
    const FileBytes bytes = file_of(damaged);
    if (in_head && i / 8 >= packed_file_magic.size()) unnoticed += read_packed_file(bytes, false).ok() ? 1 : 0;
    if (in_head || i % 97 != 0) continue;
    const auto verified = read_packed_file(bytes, true);
    if (verified.ok() && to_text(verified->graph) != text) ++wrong;  // padding may change
    CHECK(read_packed_file(bytes, false).ok() == verified.ok());
  }
  CHECK(unnoticed == 0);
  CHECK(wrong == 0);
  std::string later = whole;
  later[8] = 2;
  CHECK_FAILS(read_packed_file(file_of(later), false), unsupported, "version 2");
}

TEST_CASE("packed file: an index that lies") {
  const auto with = [](std::uint64_t offset, std::uint64_t size, std::string_view graph = bare) {
    IndexWriter index = texts(graph);
    index.number(2);
    for (int i = 0; i < 2; ++i) {
      piece(index, offset, size);
      index.factors({});
    }
    index.number(0);
    return read_packed_file(file_with(index), false);
  };
  CHECK(with(zeros, 8).ok());
  CHECK_FAILS(with(65, 8), malformed, "constant 0 claims 8 bytes at byte 65");
  CHECK_FAILS(with(UINT64_MAX - 63, 8), malformed, "claims 8 bytes");
  CHECK_FAILS(with(64, UINT64_MAX), malformed, "claims 18446744073709551615 bytes");
  CHECK_FAILS(with(zeros, 12), malformed, "holds 12 bytes; expected 8");
  CHECK_FAILS(with(zeros, 8, "nonsense"), malformed, "the network's text: ");
  CHECK_FAILS(with(zeros, 8, "graph \"\"\ninput %0 \"x\" float32 [1]\noutput %0\n"), malformed,
              "0 constants, the file 2");

  IndexWriter few = texts();
  few.number(1);
  piece(few, zeros, 8);
  few.factors({});
  few.number(0);
  CHECK_FAILS(read_packed_file(file_with(few), false), malformed, "\"b\" has no data");

  IndexWriter scaled = texts();
  scaled.number(2);
  for (int i = 0; i < 2; ++i) {
    piece(scaled, zeros, 8);
    scaled.factors(std::vector<double>(3, 1.0));
  }
  scaled.number(0);
  CHECK_FAILS(read_packed_file(file_with(scaled), false), malformed, "3 row factors");

  for (const std::uint64_t count : {std::uint64_t{5}, UINT64_MAX, UINT64_MAX / 32}) {
    IndexWriter many = texts();
    many.number(count);
    CHECK_FAILS(read_packed_file(file_with(many), false), malformed, "the index asks for");
  }
  IndexWriter text;
  text.number(UINT64_MAX);
  CHECK_FAILS(read_packed_file(file_with(text), false), malformed, "the index asks for");

  IndexWriter blob = texts();
  blob.number(2);
  for (int i = 0; i < 2; ++i) {
    piece(blob, zeros, 8);
    blob.factors({});
  }
  blob.number(1);
  blob.number(2);
  blob.text("layout");
  piece(blob, zeros, 8);
  CHECK_FAILS(read_packed_file(file_with(blob), false), malformed, "is of constant 2; there are 2");
}

}  // namespace
}  // namespace residua::tests
