// Whole weight files against what PyTorch computes with them.
#include <doctest/doctest.h>

#include <cmath>

#include "graph/import/weights_model.h"
#include "graph/interpret.h"
#include "tests/graph/import/weight_files.h"
#include "tests/sanitized.h"

namespace residua::tests {
namespace {

using namespace graph;
using Reader = Result<WeightFile> (*)(const FileBytes&);

struct Case {
  const char* file;
  const char* expected;
  Reader read;
  const char* architecture;
};

const Case cases[] = {
    {"option_a.safetensors", "option_a", read_safetensors,
     "resnet (custom: 1-1-1 basic blocks of 2-4-8 channels, 3x3 stem, parameter-free shortcuts)"},
    {"option_a.f16.safetensors", "option_a.f16", read_safetensors,
     "resnet (custom: 1-1-1 basic blocks of 2-4-8 channels, 3x3 stem, parameter-free shortcuts)"},
    {"option_a.bf16.safetensors", "option_a.bf16", read_safetensors,
     "resnet (custom: 1-1-1 basic blocks of 2-4-8 channels, 3x3 stem, parameter-free shortcuts)"},
    {"option_a.pth", "option_a", read_pth_zip,
     "resnet (custom: 1-1-1 basic blocks of 2-4-8 channels, 3x3 stem, parameter-free shortcuts)"},
    {"option_a.checkpoint.legacy.pth", "option_a", read_pth_legacy,
     "resnet (custom: 1-1-1 basic blocks of 2-4-8 channels, 3x3 stem, parameter-free shortcuts)"},
    {"bottleneck.strided.pth", "bottleneck", read_pth_zip,
     "resnet (custom: 1-1 bottleneck blocks of 2-4 channels, 2x32)"},
    {"bottleneck.strided.legacy.pth", "bottleneck", read_pth_legacy,
     "resnet (custom: 1-1 bottleneck blocks of 2-4 channels, 2x32)"},
    {"projection.safetensors", "projection", read_safetensors,
     "resnet (custom: 1-1 basic blocks of 2-4 channels, 3x3 stem)"},
    {"projection.f64.legacy.pth", "projection", read_pth_legacy,
     "resnet (custom: 1-1 basic blocks of 2-4 channels, 3x3 stem)"},
};

Value expected_value(const Case& each, const char* name) {
  auto file = read_safetensors(file_of(golden(std::string(each.expected) + ".expected.safetensors")));
  REQUIRE_MESSAGE(file.ok(), message_of(file));
  return value_of(file->tensors.at(name));
}

ImportedModel model_of(const Case& each) {
  auto file = each.read(file_of(golden(each.file)));
  REQUIRE_MESSAGE(file.ok(), message_of(file));
  auto model = model_of_weights(std::move(*file), "test", {});
  REQUIRE_MESSAGE(model.ok(), message_of(model));
  return std::move(*model);
}

TEST_CASE("networks from weight files compute what PyTorch computes") {
  for (const Case& each : cases) {
    CAPTURE(each.file);
    const ImportedModel model = model_of(each);
    CHECK(model.architecture == each.architecture);
    const std::vector<Value> inputs{expected_value(each, "input")};
    const auto outputs = interpret(model.graph, inputs);
    REQUIRE_MESSAGE(outputs.ok(), message_of(outputs));
    REQUIRE(outputs->size() == 1);
    const Value logits = expected_value(each, "logits");
    REQUIRE(outputs->front().shape == logits.shape);
    for (std::size_t i = 0; i < logits.floats().size(); ++i) {
      CHECK(std::abs(outputs->front().floats()[i] - logits.floats()[i]) < 2e-5f);
    }
  }
}

TEST_CASE("the ways of saving one network give one network") {
  const auto plain = read_safetensors(file_of(golden("option_a.safetensors")));
  const auto zip = read_pth_zip(file_of(golden("option_a.pth")));
  const auto legacy = read_pth_legacy(file_of(golden("option_a.checkpoint.legacy.pth")));
  REQUIRE(plain.ok());
  REQUIRE(zip.ok());
  REQUIRE(legacy.ok());
  for (const auto& entry : plain->tensors) {  // no structured binding: CAPTURE's lambda cannot hold one
    const std::string& name = entry.first;
    const Tensor& tensor = entry.second;
    CAPTURE(name);
    CHECK(read_floats(zip->tensors.at(name)) == read_floats(tensor));
    CHECK(read_floats(legacy->tensors.at("module." + name)) == read_floats(tensor));
  }
  CHECK(zip->tensors.at("bn1.num_batches_tracked").type == ElementType::int64);
  CHECK(legacy->tensors.size() == plain->tensors.size());
}

TEST_CASE("metadata stays as the file holds it") {
  auto file = read_safetensors(file_of(golden("projection.safetensors")));
  REQUIRE(file.ok());
  const auto model = model_of_weights(std::move(*file), "safetensors", {});
  REQUIRE_MESSAGE(model.ok(), message_of(model));
  CHECK(model->format == "safetensors");
  CHECK(model->metadata ==
        std::map<std::string, std::string>{{"labels", R"(["a", "b", "c", "d"])"}, {"mean", "[0.5, 0.5, 0.5]"}});
}

TEST_CASE("the options name the network before the metadata, the metadata before the tensors") {
  const auto with = [](const std::string& metadata, const std::string& option) {
    auto file = read_safetensors(file_of(golden("option_a.safetensors")));
    REQUIRE(file.ok());
    if (!metadata.empty()) file->metadata["arch"] = metadata;
    return model_of_weights(std::move(*file), "safetensors", ImportOptions{option});
  };
  CHECK_FAILS(with("resnet18", ""), mismatch,
              "tensor 'conv1.weight': found [2, 3, 3, 3], expected [64, 3, 7, 7] for resnet18");
  CHECK_FAILS(with("resnet18", "resnet34"), mismatch, "resnet34");
  CHECK_FAILS(with("vgg16", ""), unsupported,
              "architecture 'vgg16' from the file's metadata is not supported; known are resnet101,");
  CHECK_FAILS(with("resnet18", "alexnet"), unsupported, "'alexnet' from the options");
}

TEST_CASE("a truncated file is an error at every length") {
  struct Truncated {
    const char* file;
    Reader read;
  };
  for (const Truncated& each :
       {Truncated{"option_a.f16.safetensors", read_safetensors}, Truncated{"option_a.pth", read_pth_zip},
        Truncated{"option_a.checkpoint.legacy.pth", read_pth_legacy}}) {
    const std::string whole = golden(each.file);
    REQUIRE(each.read(file_of(whole)).ok());
    for (std::size_t length = 0; length < whole.size(); ++length) {
      const auto result = each.read(file_of(std::string_view(whole).substr(0, length)));
      if (!result.ok() && !result.error().message.empty()) continue;
      FAIL_CHECK(each.file << " was read from " << length << " of " << whole.size() << " bytes");
    }
  }
}

TEST_CASE("a file with one changed bit is read or refused") {
  struct Changed {
    const char* file;
    Reader read;
  };
  constexpr std::size_t step = sanitized ? 5 : 1;  // of bytes; 5 and 8 share no factor: every bit has its turn
  std::size_t refused = 0;
  for (const Changed& each :
       {Changed{"option_a.f16.safetensors", read_safetensors}, Changed{"option_a.pth", read_pth_zip},
        Changed{"option_a.checkpoint.legacy.pth", read_pth_legacy}}) {
    std::string bytes = golden(each.file);
    for (std::size_t i = 0; i < bytes.size(); i += step) {
      const char before = bytes[i];
      bytes[i] = static_cast<char>(before ^ (1 << i % 8));
      auto file = each.read(file_of(bytes));
      refused += file.ok() && model_of_weights(std::move(*file), "test", {}).ok() ? 0 : 1;
      bytes[i] = before;
    }
  }
  CHECK(refused > 1000 / step);
}

}  // namespace
}  // namespace residua::tests
