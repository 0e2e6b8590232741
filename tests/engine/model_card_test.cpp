#include "engine/model_card.h"

#include <doctest/doctest.h>

#include "graph/text.h"
#include "tests/temporary_folder.h"

using namespace residua::engine;
namespace graph = residua::graph;
namespace fs = std::filesystem;

namespace {

// A folder that models, sidecars and label files are written into.
class Folder : public residua::tests::TemporaryFolder {
 public:
  fs::path write(const std::string& name, const std::string& text) const {
    residua::tests::write_content(path() / name, text);
    return path() / name;
  }
};

graph::ImportedModel imported(const std::string& input_shape, std::map<std::string, std::string> metadata = {}) {
  auto parsed = graph::parse_text("graph \"g\"\ninput %0 \"x\" float32 " + input_shape + "\nnode %1 \"y\" float32 " +
                                  input_shape + " = relu(%0)\noutput %1\n");
  REQUIRE_MESSAGE(parsed.ok(), parsed.error().message);
  return {std::move(parsed).value(), "onnx", "", std::move(metadata)};
}

std::string error_of(const graph::Result<ModelCard>& result) { return result.ok() ? "" : result.error().message; }

}  // namespace

TEST_CASE("the preset is ImageNet's, and follows a fixed input size") {
  const auto card = read_model_card(imported("[N, 3, ?, ?]"), {});
  REQUIRE(card.ok());
  CHECK(card->input_height == 224);
  CHECK(card->resize == 256);
  const auto small = read_model_card(imported("[N, 3, 32, 32]"), {});
  REQUIRE(small.ok());
  CHECK(small->input_width == 32);
  CHECK(small->resize == 32);
  auto named = imported("[N, 3, ?, ?]");
  named.architecture = "resnet20_cifar";
  CHECK(read_model_card(named, {})->input_height == 32);
}

TEST_CASE("sidecar before metadata before preset; the caller's labels before all") {
  const Folder folder;
  const auto model = folder.write("m.onnx", "");
  const auto source = imported("[N, 3, ?, ?]", {{"input_size", "[3, 192, 256]"},
                                                {"interpolation", "bicubic"},
                                                {"mean", "[0.5, 0.5, 0.5]"},
                                                {"labels", R"(["a", "b"])"}});
  auto card = read_model_card(source, {.model = model, .labels = {}});
  REQUIRE_MESSAGE(card.ok(), error_of(card));
  CHECK(card->input_height == 192);
  CHECK(card->input_width == 256);
  CHECK(card->interpolation == residua::kernels::Interpolation::bicubic);
  CHECK(card->mean[2] == 0.5f);
  CHECK(card->standard_deviation[0] == 0.229f);
  CHECK(card->labels == std::vector<std::string>{"a", "b"});

  folder.write("m.onnx.json", R"({"input_size": 160, "resize": 176, "std": [1, 2, 3], "labels": "names.txt"})");
  folder.write("names.txt", "0\tn01\tcat\r\n1\tn02\tdog\n\n");
  card = read_model_card(source, {.model = model, .labels = {}});
  REQUIRE_MESSAGE(card.ok(), error_of(card));
  CHECK(card->input_width == 160);
  CHECK(card->resize == 176);
  CHECK(card->standard_deviation[2] == 3.0f);
  CHECK(card->labels == std::vector<std::string>{"cat", "dog"});

  const auto mine = folder.write("mine.txt", "x\ny\n");
  card = read_model_card(source, {.model = model, .labels = mine});
  REQUIRE(card.ok());
  CHECK(card->labels == std::vector<std::string>{"x", "y"});
}

TEST_CASE("a value that makes no sense names its source and key") {
  const Folder folder;
  const auto model = folder.write("m.onnx", "");
  const char* texts[] = {R"({"input_size": "large"})",  R"({"input_size": [1]})",
                         R"({"input_size": 0})",        R"({"resize": -4})",
                         R"({"interpolation": 3})",     R"({"mean": [1, 2]})",
                         R"({"std": [0, 1, 1]})",       R"({"labels": 7})",
                         R"({"labels": ["a", 7]})",     R"({"labels": "../other/secret.txt"})",
                         R"({"labels": "/etc/passwd"})"};
  for (const char* text : texts) {
    CAPTURE(text);
    folder.write("m.onnx.json", text);
    const auto card = read_model_card(imported("[N, 3, ?, ?]"), {.model = model, .labels = {}});
    REQUIRE_FALSE(card.ok());
    CHECK(card.error().message.find("m.onnx.json") != std::string::npos);
    CHECK(card.error().message.find("expected") != std::string::npos);
  }
  for (const char* text : {"[]", "{", "", "nonsense"}) {
    folder.write("m.onnx.json", text);
    CHECK_FALSE(read_model_card(imported("[N, 3, ?, ?]"), {.model = model, .labels = {}}).ok());
  }
  folder.write("m.onnx.json", "{}");
  CHECK_FALSE(
      read_model_card(imported("[N, 3, ?, ?]"), {.model = model, .labels = folder.path() / "missing.txt"}).ok());
  CHECK_FALSE(read_labels(folder.write("empty.txt", "\n\n")).ok());
}

TEST_CASE("the sidecar's architecture") {
  const Folder folder;
  const auto model = folder.write("w.pth", "");
  CHECK(*sidecar_text({.model = model, .labels = {}}, "arch") == "");
  folder.write("w.pth.json", R"({"arch": "resnet50"})");
  CHECK(*sidecar_text({.model = model, .labels = {}}, "arch") == "resnet50");
  folder.write("w.pth.json", R"({"arch": 50})");
  CHECK_FALSE(sidecar_text({.model = model, .labels = {}}, "arch").ok());
}
