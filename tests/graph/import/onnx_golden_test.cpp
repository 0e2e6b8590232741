// Networks as exporters write them compute what ONNX Runtime computes (make_onnx_cases.py).
#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "graph/import/import.h"
#include "graph/interpret.h"
#include "graph/text.h"
#include "tests/data.h"

namespace residua::tests {
namespace {

using namespace residua::graph;

template <class T>
std::string message_of(const Result<T>& result) {
  return result ? "" : result.error().message;
}

struct NamedValue {
  std::string name;
  Value value;
};

struct Case {
  std::vector<NamedValue> inputs, outputs;
};

std::filesystem::path golden(const std::string& name) { return source_root() / "tests" / "golden" / "onnx" / name; }

Case read_case(const std::string& name) {
  std::ifstream file(golden(name + ".txt"));
  REQUIRE_MESSAGE(file, "cannot open the golden values of ", name);
  Case result;
  std::string kind;
  while (file >> kind) {
    NamedValue item;
    std::size_t rank = 0;
    file >> item.name >> rank;
    std::size_t count = 1;
    item.value.shape.resize(rank);
    for (Dimension& dimension : item.value.shape) {
      file >> dimension;
      count *= static_cast<std::size_t>(dimension);
    }
    std::vector<float> values(count);
    for (float& value : values) file >> value;
    REQUIRE(file);
    item.value.elements = std::move(values);
    (kind == "input" ? result.inputs : result.outputs).push_back(std::move(item));
  }
  return result;
}

ImportedModel import_golden(const std::string& name) {
  const auto file = map_file(golden(name + ".onnx"));
  REQUIRE_MESSAGE(file.ok(), name);
  auto model = import_onnx(*file, golden(""));
  REQUIRE_MESSAGE(model.ok(), name, ": ", message_of(model));
  return *model;
}

void check_equal(const Value& found, const Value& expected, double tolerance) {
  CHECK(found.shape == expected.shape);
  REQUIRE(found.floats().size() == expected.floats().size());
  double largest = 0, difference = 0;
  for (std::size_t i = 0; i < found.floats().size(); ++i) {
    const auto a = static_cast<double>(found.floats()[i]), b = static_cast<double>(expected.floats()[i]);
    largest = std::max(largest, std::abs(b));
    difference = std::isnan(a) ? INFINITY : std::max(difference, std::abs(a - b));
  }
  CHECK(largest > 0);
  CHECK(difference <= tolerance * largest);
}

void check_case(const std::string& name, double tolerance) {
  CAPTURE(name);
  const Case expected = read_case(name);
  const ImportedModel model = import_golden(name);
  CHECK(model.format == "onnx");
  REQUIRE(expected.inputs.size() == 1);
  REQUIRE(model.graph.inputs.size() == 1);
  CHECK(model.graph.tensor(model.graph.inputs[0]).name == expected.inputs[0].name);
  CHECK(model.graph.tensor(model.graph.inputs[0]).shape[0] == batch_dimension);
  const auto outputs = interpret(model.graph, std::vector<Value>{expected.inputs[0].value});
  REQUIRE_MESSAGE(outputs.ok(), message_of(outputs));
  REQUIRE(outputs->size() == expected.outputs.size());
  for (std::size_t i = 0; i < outputs->size(); ++i) {
    CHECK(model.graph.tensor(model.graph.outputs[i]).name == expected.outputs[i].name);
    check_equal((*outputs)[i], expected.outputs[i].value, tolerance);
  }
}

TEST_CASE("networks of PyTorch's TorchScript exporter") {
  for (const char* name : {"torchscript_opset9", "torchscript_opset13", "torchscript_opset18", "torchscript_unfolded",
                           "torchscript_view", "torchscript_fixed_batch", "torchscript_extras", "torchscript_option_a",
                           "torchscript_option_a_opset17", "torchscript_gates", "torchscript_group_norm", "timm"}) {
    check_case(name, 1e-5);
  }
}

TEST_CASE("networks of PyTorch's dynamo exporter, external data included") {
  for (const char* name : {"dynamo", "dynamo_view", "dynamo_fixed_batch", "dynamo_extras", "dynamo_external",
                           "dynamo_gates", "dynamo_group_norm"}) {
    check_case(name, 1e-5);
  }
}

TEST_CASE("a network as tf2onnx writes it, and its metadata") {
  check_case("tf2onnx_like", 1e-5);
  const ImportedModel model = import_golden("tf2onnx_like");
  CHECK(model.architecture == "small");
  CHECK(model.metadata == std::map<std::string, std::string>{{"arch", "small"}, {"labels", "a.txt"}});
}

TEST_CASE("the forms of the oldest and the newest opset") {
  for (const char* name : {"opset7", "opset11_softmax", "opset21", "opset22"}) check_case(name, 1e-5);
}

TEST_CASE("a network in 8 bits, its numbers in float") {
  check_case("quantized", 1e-5);
  const ImportedModel model = import_golden("quantized");
  const auto quantisers = std::count_if(model.graph.nodes.begin(), model.graph.nodes.end(),
                                        [](const Node& node) { return node.op == Op::quantize; });
  CHECK(quantisers == 3);  // one of them, without its inverse, is no longer read
}

TEST_CASE("half-precision files are widened to float32") {
  check_case("fp16", 0.01);  // the expected values were computed in half precision
  check_case("bf16", 1e-5);
  const ImportedModel model = import_golden("fp16");
  for (const Tensor& tensor : model.graph.tensors) {
    CHECK((tensor.type == ElementType::float32 || tensor.type == ElementType::int64));
  }
}

TEST_CASE("a file with a fixed batch of 1 runs any batch") {
  for (const std::string name : {"torchscript_fixed_batch", "dynamo_fixed_batch"}) {
    CAPTURE(name);
    const Case expected = read_case(name);
    const ImportedModel model = import_golden(name);
    Value twice = expected.inputs[0].value;
    twice.shape[0] = 2;
    std::vector<float> pixels = twice.floats();
    pixels.insert(pixels.end(), twice.floats().begin(), twice.floats().end());
    twice.elements = pixels;
    const auto outputs = interpret(model.graph, std::vector<Value>{twice});
    REQUIRE_MESSAGE(outputs.ok(), message_of(outputs));
    Value doubled = expected.outputs[0].value;
    doubled.shape[0] = 2;
    std::vector<float> logits = doubled.floats();
    logits.insert(logits.end(), doubled.floats().begin(), doubled.floats().end());
    doubled.elements = logits;
    check_equal((*outputs)[0], doubled, 1e-5);
  }
}

TEST_CASE("float32 weights are not copied") {
  const auto file = map_file(golden("torchscript_opset13.onnx"));
  REQUIRE(file.ok());
  const auto model = import_onnx(*file, {});
  REQUIRE(model.ok());
  std::size_t constants = 0;
  for (const Tensor& tensor : model->graph.tensors) {
    if (!tensor.is_constant()) continue;
    ++constants;
    CHECK(tensor.constant.bytes.get() >= file->data.get());
    CHECK(tensor.constant.bytes.get() + tensor.constant.size <= file->data.get() + file->size);
  }
  CHECK(constants > 10);
}

TEST_CASE("the graph outlives the file's own handle") {
  const Case expected = read_case("dynamo_external");
  Graph graph = import_golden("dynamo_external").graph;  // file and mapping are out of scope here
  const auto outputs = interpret(graph, std::vector<Value>{expected.inputs[0].value});
  REQUIRE(outputs.ok());
  check_equal((*outputs)[0], expected.outputs[0].value, 1e-5);
}

TEST_CASE("the CIFAR-10 network with shape arithmetic in its graph recognises the test images") {
  const auto data = evaluation_data();
  if (data.empty()) {
    MESSAGE("no evaluation data here");
    return;
  }
  const auto file = map_file(data / "weights" / "resnet20_cifar10_optionA.onnx");
  REQUIRE(file.ok());
  const auto model = import_onnx(*file, {});
  REQUIRE_MESSAGE(model.ok(), message_of(model));
  constexpr std::size_t images = 4, pixels = 32 * 32;
  constexpr float mean[] = {0.485F, 0.456F, 0.406F}, deviation[] = {0.229F, 0.224F, 0.225F};
  std::ifstream test(data / "cifar10" / "test_first1000.bin", std::ios::binary);
  std::vector<float> values;
  std::vector<int> labels;
  for (std::size_t image = 0; image < images; ++image) {
    char record[1 + 3 * pixels];
    test.read(record, sizeof record);
    labels.push_back(record[0]);
    for (std::size_t i = 0; i < 3 * pixels; ++i) {
      const auto byte = static_cast<unsigned char>(record[1 + i]);
      values.push_back((static_cast<float>(byte) / 255.0F - mean[i / pixels]) / deviation[i / pixels]);
    }
  }
  REQUIRE(test);
  const auto outputs = interpret(model->graph, std::vector<Value>{{{images, 3, 32, 32}, values}});
  REQUIRE_MESSAGE(outputs.ok(), message_of(outputs));
  const std::vector<float>& logits = (*outputs)[0].floats();
  REQUIRE(logits.size() == images * 10);
  for (std::size_t image = 0; image < images; ++image) {
    const auto* row = logits.data() + image * 10;
    CHECK(std::max_element(row, row + 10) - row == labels[image]);
  }
}

}  // namespace
}  // namespace residua::tests
