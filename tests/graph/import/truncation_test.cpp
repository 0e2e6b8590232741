// Files cut short at every byte: an error, or the network that the whole file holds.
#include <doctest/doctest.h>

#include <cstring>

#include "graph/import/packed_file.h"
#include "graph/text.h"
#include "tests/data.h"
#include "tests/temporary_folder.h"

namespace residua::tests {
namespace {

using namespace graph;
namespace fs = std::filesystem;

// Exactly as long as `content`, so that a sanitizer sees every read beyond it.
FileBytes file_of(const std::string& content) {
  const std::shared_ptr<std::byte[]> copy(new std::byte[content.size()]);
  if (!content.empty()) std::memcpy(copy.get(), content.data(), content.size());
  return {std::shared_ptr<const std::byte>(copy, copy.get()), content.size()};
}

fs::path golden(const char* name) { return source_root() / "tests" / "golden" / name; }

std::string text_of(const ImportedModel& model) { return to_text(model.graph, {.constant_values_up_to = 0}); }

// How many lengths gave the whole network.
std::size_t cut_everywhere(const std::string& content, const fs::path& folder = {}) {
  const auto whole = import_bytes(file_of(content), folder);
  REQUIRE(whole.ok());
  std::size_t complete = 0;
  for (std::size_t length = 0; length < content.size(); ++length) {
    const auto part = import_bytes(file_of(content.substr(0, length)), folder);
    if (part) {
      ++complete;
      CHECK_MESSAGE(text_of(*part) == text_of(*whole), "cut at ", length);
    } else {
      CHECK_MESSAGE(!part.error().message.empty(), "cut at ", length);
      CHECK_MESSAGE(part.error().code != ErrorCode::internal, "cut at ", length);
    }
  }
  return complete;
}

TEST_CASE("truncation: ONNX") {
  // The fields behind the graph may go.
  CHECK(cut_everywhere(content_of(golden("onnx/opset7.onnx"))) < 100);
  CHECK(cut_everywhere(content_of(golden("onnx/bf16.onnx"))) < 100);
}

TEST_CASE("truncation: safetensors, whose size the header tells") {
  CHECK(cut_everywhere(content_of(golden("weights/option_a.safetensors"))) == 0);
}

TEST_CASE("truncation: .pth, zip and legacy") {
  CHECK(cut_everywhere(content_of(golden("weights/option_a.pth"))) == 0);
  CHECK(cut_everywhere(content_of(golden("weights/projection.f64.legacy.pth"))) == 0);
}

TEST_CASE("truncation: packed, whose size the header tells") {
  const std::string small = content_of(golden("onnx/bf16.onnx"));
  const auto model = import_bytes(file_of(small), {});
  REQUIRE(model.ok());
  std::string content;
  REQUIRE(write_packed_file(*model, [&](std::span<const std::byte> bytes) -> Status {
            content.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
            return {};
          }).ok());
  CHECK(cut_everywhere(content) == 0);
}

TEST_CASE("truncation: the text form of a graph") {
  const auto model = import_bytes(file_of(content_of(golden("onnx/bf16.onnx"))), {});
  REQUIRE(model.ok());
  const std::string whole = to_text(model->graph, {.constant_values_up_to = SIZE_MAX, .digests = false});
  for (std::size_t length = 0; length < whole.size(); ++length) static_cast<void>(parse_text(whole.substr(0, length)));
  CHECK(parse_text(whole).ok());
}

TEST_CASE("truncation: external data") {
  const TemporaryFolder folder;
  fs::copy_file(golden("onnx/dynamo_external.onnx"), folder.path() / "m.onnx");
  const std::string data = content_of(golden("onnx/dynamo_external.onnx.data"));
  const auto whole = import_file(golden("onnx/dynamo_external.onnx"));
  REQUIRE(whole.ok());
  for (std::size_t length = 0; length < data.size(); length += 37) {
    write_content(folder.path() / "dynamo_external.onnx.data", data.substr(0, length));
    const auto part = import_file(folder.path() / "m.onnx");
    if (part) CHECK(text_of(*part) == text_of(*whole));
  }
}

}  // namespace
}  // namespace residua::tests
