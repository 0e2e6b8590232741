// Recognising a file by its bytes, and importing it by its path.
#include <doctest/doctest.h>

#include <algorithm>

#include "graph/architectures/resnet.h"
#include "graph/interpret.h"
#include "tests/graph/import/weight_files.h"

namespace residua::tests {
namespace {

using namespace graph;
using namespace std::string_view_literals;

Result<FileFormat> recognise_text(std::string_view bytes) { return recognise(file_of(bytes).span()); }

TEST_CASE("each format is told from its first bytes") {
  const auto format = [](std::string_view bytes) {
    const auto result = recognise_text(bytes);
    REQUIRE_MESSAGE(result.ok(), message_of(result));
    return *result;
  };
  CHECK(format(golden("option_a.safetensors")) == FileFormat::safetensors);
  CHECK(format(golden("option_a.pth")) == FileFormat::pth_zip);
  CHECK(format(golden("option_a.checkpoint.legacy.pth")) == FileFormat::pth_legacy);
  CHECK(format("\x08\x08\x12\x07pytorch\x1a\x03"
               "2.1:\0"sv) == FileFormat::onnx);
  CHECK(format("\x08\x01\x12\x07producer"sv) == FileFormat::onnx);
  CHECK(format("\x08\x07:\xff\xff\xff\x7f"sv) == FileFormat::onnx);  // truncated: the importer says so
  CHECK(format("\x80\x04\x95\x0d\0\0\0\0\0\0\0\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."sv) ==
        FileFormat::pth_legacy);
}

TEST_CASE("any other file is refused by what it looks like") {
  struct Other {
    std::string bytes;
    const char* words;
  };
  const Other others[] = {
      {"", "an empty file"},
      {"\x1f\x8b\x08", "a gzip archive"},
      {"\x89HDF\r\n", "an HDF5 file"},
      {std::string("\x08\x01\x12\xd0\x0f\x0a\x20\x12", 8), "a TensorFlow SavedModel"},
      {std::string("\x1c\0\0\0TFL3", 8), "a TensorFlow Lite model"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "a Git LFS pointer"},
      {"\n <!DOCTYPE HTML><html><body>404", "a web page (HTML)"},
      {"<html>", "a web page (HTML)"},
      {"{\"error\": 1}", "a JSON text"},
      {"Entry not found", "a text file"},
      {"2" + std::string(200, '2'), "a text file"},  // digits that are protobuf tags too
      {"\x89PNG\r\n\x1a\n", "an image (PNG)"},
      {"\xff\xd8\xff\xe0", "an image (JPEG)"},
      {"RIFF....WEBPVP8 ", "an image (WebP)"},
      {"\x93NUMPY\x01", "a NumPy array"},
      {"\x80\x04N.", "a Python pickle that PyTorch did not write"},
      {std::string(257, 's') + "ustar\00000", "a tar archive, perhaps of PyTorch before 0.1.10"},
      {"PK\5\6", "an empty zip archive"},
      {std::string(16, '\0'), "unknown: it starts with the bytes 00 00 00 00 00 00 00 00"},
      {std::string(1, '\x08'), "unknown: it starts with the bytes 08"},
  };
  for (const Other& other : others) CHECK_FAILS(recognise_text(other.bytes), unsupported, other.words);
}

TEST_CASE("a file is imported by its path, and errors start with it") {
  const auto path = golden_weights() / "projection.safetensors";
  const auto model = import_file(path);
  REQUIRE_MESSAGE(model.ok(), message_of(model));
  CHECK(model->format == "safetensors");
  CHECK(model->metadata.at("mean") == "[0.5, 0.5, 0.5]");
  const auto wrong = import_file(path, ImportOptions{"resnet18"});
  REQUIRE_FALSE(wrong.ok());
  CHECK(wrong.error().message ==
        path.string() + ": tensor 'conv1.weight': found [2, 3, 3, 3], expected [64, 3, 7, 7] for resnet18");
  const auto missing = import_file(golden_weights() / "none.pth");
  REQUIRE_FALSE(missing.ok());
  CHECK(contains(missing.error().message, "none.pth"));
  CHECK_FAILS(import_file(source_root() / "meson.build"), unsupported,
              "meson.build: this is no model file that Residua reads");
}

// Channels-first pixels, scaled and normalised as CIFAR-10's networks here want it.
Value cifar_image(std::string_view record) {
  static constexpr float mean[] = {0.485f, 0.456f, 0.406f}, deviation[] = {0.229f, 0.224f, 0.225f};
  std::vector<float> pixels(3072);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const auto byte = static_cast<unsigned char>(record[1 + i]);
    pixels[i] = (static_cast<float>(byte) / 255.f - mean[i / 1024]) / deviation[i / 1024];
  }
  return {{1, 3, 32, 32}, std::move(pixels)};
}

TEST_CASE("a checkpoint of the years before zip files classifies CIFAR-10 images") {
  const auto data = evaluation_data();
  if (data.empty()) {
    MESSAGE("no evaluation data: skipped");
    return;
  }
  const auto model = import_file(data / "weights" / "resnet20-12fca82f.th");
  REQUIRE_MESSAGE(model.ok(), message_of(model));
  CHECK(model->format == "pth (legacy)");
  CHECK(model->architecture == "resnet20_cifar_a");
  const std::string images = content_of(data / "cifar10" / "test_first1000.bin");
  int right = 0;
  for (std::size_t i = 0; i < 10; ++i) {
    const std::string_view record = std::string_view(images).substr(i * 3073, 3073);
    const std::vector<Value> inputs{cifar_image(record)};
    const auto outputs = interpret(model->graph, inputs);
    REQUIRE_MESSAGE(outputs.ok(), message_of(outputs));
    const auto& logits = outputs->front().floats();
    right += std::max_element(logits.begin(), logits.end()) - logits.begin() == record[0] ? 1 : 0;
  }
  CHECK(right >= 9);  // 91.5 % of the 1000
}

}  // namespace
}  // namespace residua::tests
