// Digests: every changed bit of a file is noticed, and weights that are no numbers are reported.
#include "engine/integrity.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>

#include "engine/digest.h"
#include "engine/log.h"
#include "engine/model.h"
#include "engine/odd_weights.h"
#include "graph/text.h"
#include "tests/data.h"
#include "tests/temporary_folder.h"

namespace residua::tests {
namespace {

using namespace engine;
namespace fs = std::filesystem;

constexpr const char* of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

std::string digest_of(const std::string& content) { return sha256_of(std::as_bytes(std::span(content))); }

std::string error_of_load(const fs::path& path) {
  const auto model = Model::load(path, {});
  return model ? "" : model.error().message;
}

struct Messages {
  Messages() {
    set_log_callback([](void* self, const char* message) { static_cast<Messages*>(self)->text += message; }, this);
  }
  ~Messages() { set_log_callback(nullptr, nullptr); }
  std::string text;
};

TEST_CASE("SHA-256 as in FIPS 180-4") {
  CHECK(digest_of("abc") == of_abc);
  CHECK(digest_of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("a file's digest beside it is compared, as sha256sum writes it or alone") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "m.onnx", list = folder.path() / "m.onnx.sha256";
  const std::string content = content_of(source_root() / "tests" / "golden" / "onnx" / "opset7.onnx");
  write_content(file, content);
  CHECK(error_of_load(file) == "");
  const std::string digest = digest_of(content);
  std::string upper = digest;
  for (char& letter : upper) letter = static_cast<char>(std::toupper(letter));
  for (const std::string& text :
       {digest + "  m.onnx\n", digest + " *m.onnx\n", digest + "  ./m.onnx", digest, digest + "\r\n", upper + "\n",
        std::string(of_abc) + "  other\n" + digest + "  m.onnx\n"}) {
    CAPTURE(text);
    write_content(folder.path() / "other", "abc");
    write_content(list, text);
    CHECK(error_of_load(file) == "");
  }
  const auto refused = [&](const std::string& text, const std::string& part) {
    CAPTURE(text);
    write_content(list, text);
    CHECK(error_of_load(file).find(part) != std::string::npos);
  };
  refused(std::string(of_abc) + "  m.onnx\n", "its SHA-256 digest is " + digest + ", expected " + of_abc);
  refused(digest + "  m.onnx\n" + of_abc + "  m.onnx\n", "m.onnx stands there twice");
  refused(std::string(of_abc) + "  other\n", "holds no digest of m.onnx");
  refused(digest + "  m.onnx\n" + of_abc + "  missing\n", "missing");
  refused(digest + "  m.onnx\n" + of_abc + "  ../other\n", "leaves the model's folder");
  refused(digest.substr(1) + "  m.onnx\n", "line 1: expected a SHA-256 digest");
  refused(digest + " m.onnx\n", "line 1: expected a SHA-256 digest");
  refused("\xff\xfe", "line 1: expected a SHA-256 digest");
  refused("", "holds no digest of m.onnx");
}

TEST_CASE("a sidecar's digests of the file and of the weights are compared") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "m.onnx", sidecar = folder.path() / "m.onnx.json";
  const std::string content = content_of(source_root() / "tests" / "golden" / "onnx" / "opset7.onnx");
  write_content(file, content);
  const auto model = Model::load(file, {});
  REQUIRE(model.ok());
  const std::string weights = weights_digest((*model)->imported());
  write_content(sidecar, R"({"sha256": ")" + digest_of(content) + R"(", "weights_sha256": ")" + weights + "\"}");
  CHECK(error_of_load(file) == "");
  write_content(sidecar, R"({"weights_sha256": ")" + std::string(of_abc) + "\"}");
  CHECK(error_of_load(file).find("their SHA-256 digest is " + weights) != std::string::npos);
  std::string large = weights;
  for (char& letter : large)
    if (letter >= 'a') letter = static_cast<char>(letter - 'a' + 'A');
  write_content(sidecar, R"({"weights_sha256": ")" + large + "\"}");
  CHECK(error_of_load(file) == "");
  write_content(sidecar, R"({"weights_sha256": "abc"})");
  CHECK(error_of_load(file).find("expected 64 hexadecimal digits") != std::string::npos);
  write_content(sidecar, R"({"sha256": ")" + std::string(of_abc) + "\"}");
  CHECK(error_of_load(file).find("expected " + std::string(of_abc)) != std::string::npos);
  write_content(sidecar, R"({"sha256": "abc"})");
  CHECK(error_of_load(file).find("expected 64 hexadecimal digits") != std::string::npos);
  write_content(sidecar, R"({"sha256": 7})");
  CHECK(error_of_load(file).find("expected a text") != std::string::npos);
}

TEST_CASE("the same weights in two formats have one digest, and other weights another") {
  const fs::path golden = source_root() / "tests" / "golden" / "weights";
  const auto digest = [&](const char* name) {
    const auto model = Model::load(golden / name, {});
    REQUIRE_MESSAGE(model.ok(), model.error().message);
    return weights_digest((*model)->imported());
  };
  CHECK(digest("option_a.pth") == digest("option_a.safetensors"));
  CHECK(digest("option_a.pth") != digest("option_a.f16.safetensors"));
}

TEST_CASE("weights in other files need digests as well") {
  const TemporaryFolder folder;
  const fs::path golden = source_root() / "tests" / "golden" / "onnx";
  const fs::path file = folder.path() / "dynamo_external.onnx", data = folder.path() / "dynamo_external.onnx.data";
  fs::copy_file(golden / file.filename(), file);
  fs::copy_file(golden / data.filename(), data);
  const std::string own = digest_of(content_of(file)) + "  dynamo_external.onnx\n";
  write_content(file.string() + ".sha256", own);
  CHECK(error_of_load(file).find("of which there is no digest") != std::string::npos);
  write_content(file.string() + ".sha256", own + digest_of(content_of(data)) + "  dynamo_external.onnx.data\n");
  CHECK(error_of_load(file) == "");
  std::string damaged = content_of(data);
  damaged[10] = static_cast<char>(damaged[10] ^ 4);
  write_content(data, damaged);
  CHECK(error_of_load(file).find("is damaged or not the file meant") != std::string::npos);
}

// RESIDUA_TEST_FLIPS: how many.
TEST_CASE("every single changed bit of a file with a digest is noticed") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "m.safetensors";
  std::string content = content_of(source_root() / "tests" / "golden" / "weights" / "option_a.safetensors");
  write_content(file.string() + ".sha256", digest_of(content) + "  m.safetensors\n");
  write_content(file, content);
  REQUIRE(error_of_load(file) == "");
  const char* wanted = std::getenv("RESIDUA_TEST_FLIPS");
  const int flips = wanted ? std::atoi(wanted) : 300;
  std::mt19937 random(20151210);
  int noticed = 0;
  for (int i = 0; i < flips; ++i) {
    const std::size_t place = random() % content.size();
    const char bit = static_cast<char>(1 << random() % 8);
    content[place] = static_cast<char>(content[place] ^ bit);
    write_content(file, content);
    noticed += error_of_load(file).find("is damaged or not the file meant") != std::string::npos ? 1 : 0;
    content[place] = static_cast<char>(content[place] ^ bit);
  }
  CHECK(noticed == flips);
}

TEST_CASE("weights that are no numbers are reported") {
  std::vector<float> values(10000, 1.0f);
  graph::Graph network;
  network.name = "g";
  network.inputs = {network.add({"x", graph::ElementType::float32, {graph::batch_dimension, 10000}, {}})};
  const auto report = [&](const std::vector<float>& weights) {
    graph::Graph changed = network;
    const graph::TensorId weight = changed.add(graph::make_float_constant("w", {1, 10000}, weights));
    const graph::TensorId output = changed.add({"y", graph::ElementType::float32, {graph::batch_dimension, 1}, {}});
    changed.nodes.push_back(
        {graph::Op::fully_connected, "n", {changed.inputs[0], weight}, output, graph::NoAttributes{}});
    changed.outputs = {output};
    const Messages messages;
    report_odd_weights("m.onnx", changed);
    return messages.text;
  };
  CHECK(report(values) == "");
  values[9000] = std::numeric_limits<float>::quiet_NaN();
  CHECK(report(values) == "m.onnx: weight \"w\" holds 1 infinities or NaN, the first one as its value 9000");
  values[4095] = -std::numeric_limits<float>::infinity();
  CHECK(report(values) == "m.onnx: weight \"w\" holds 2 infinities or NaN, the first one as its value 4095");
}

}  // namespace
}  // namespace residua::tests
