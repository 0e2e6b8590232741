// Rules of the ONNX importer that exporters' files do not reach, and its messages.
#include "graph/text.h"
#include "tests/data.h"
#include "tests/graph/import/onnx_model.h"

namespace residua::tests::onnx {
namespace {

using graph::Op;
using graph::Shape;

void check_contains(const std::string& message, const std::vector<std::string>& parts) {
  CAPTURE(message);
  for (const std::string& part : parts) {
    CAPTURE(part);
    CHECK(message.find(part) != std::string::npos);
  }
}

graph::ImportedModel imported(const Model& model) {
  auto result = import(model);
  const std::string message = result ? "" : result.error().message;
  REQUIRE_MESSAGE(result.ok(), message);
  return *result;
}

const Model relu{{node("Relu", {"x"}, {"y"})}};

TEST_CASE("unsupported operators, opsets and domains are named") {
  check_contains(error_of({{node("LeakyRelu", {"x"}, {"y"}, {}, {"act1", ""})}}),
                 {"\"act1\"", "LeakyRelu", "at byte ", "opset 17", "supported: Add, AveragePool, BatchNormalization"});
  check_contains(error_of({{node("FusedConv", {"x"}, {"y"}, {}, {"", "com.microsoft"})}}),
                 {"FusedConv_0", "com.microsoft", "ai.onnx"});
  Model model{{node("Block", {"x"}, {"y"}, {}, {"", "local"})}};
  model.functions = {{"Block", "local"}};
  check_contains(error_of(model), {"Block", "function", "local"});
  model = relu;
  for (const std::int64_t opset : {6, 23}) {
    model.opset = opset;
    check_contains(error_of(model), {"opset " + std::to_string(opset), "expected 7 to 22"});
  }
  model.opset = 7;
  CHECK(error_of(model) == "");
  model.opset_domain = "ai.onnx";
  CHECK(error_of(model) == "");
  model.opset_domain = "com.microsoft";
  check_contains(error_of(model), {"no opset of ai.onnx"});
  model = relu;
  model.ir_version = 2;
  check_contains(error_of(model), {"ir_version is 2"});
  model = {{node("ConstantOfShape", {"s"}, {"y"})}, {tensor("s", int64, {1}, raw<std::int64_t>({1}))}, 8};
  check_contains(error_of(model), {"ConstantOfShape", "opset 8"});
}

TEST_CASE("names must be defined once, before they are used") {
  check_contains(error_of({{node("Relu", {"a"}, {"y"}), node("Relu", {"x"}, {"a"}, {}, {"late", ""})}}),
                 {"Relu_0", "\"a\"", "\"late\"", "topological"});
  check_contains(error_of({{node("Relu", {"y"}, {"y"})}}), {"\"y\"", "its own output"});
  check_contains(error_of({{node("Relu", {"ghost"}, {"y"})}}), {"\"ghost\"", "no input, initializer or node"});
  check_contains(error_of({{node("Relu", {"x"}, {"y"}), node("Relu", {"x"}, {"y"})}}),
                 {"Relu_1", "\"y\"", "second time"});
  check_contains(error_of({{node("Relu", {"x"}, {"x"})}}), {"\"x\"", "second time"});
  check_contains(error_of({{node("Relu", {"x"}, {"y"})}, {zeros("w", {1}), zeros("w", {1})}}),
                 {"\"w\"", "second time"});
  Model model = relu;
  model.outputs = {"z"};
  check_contains(error_of(model), {"output", "\"z\""});
  model.outputs = {};
  check_contains(error_of(model), {"no output"});
}

TEST_CASE("the input must be images") {
  Model model = relu;
  model.inputs = {value_info("x", float32, {symbol, 3, symbol, nothing})};
  CHECK(imported(model).graph.tensor(0).shape ==
        Shape{graph::batch_dimension, 3, graph::unknown_dimension, graph::unknown_dimension});
  for (const std::int64_t first : {symbol, nothing, std::int64_t{1}}) {
    model.inputs = {value_info("x", float32, {first, 3, 4, 5})};
    CHECK(imported(model).graph.tensor(0).shape == Shape{graph::batch_dimension, 3, 4, 5});
  }
  model.inputs = {value_info("x", float32, {4, 3, 4, 5})};
  CHECK(imported(model).graph.tensor(0).shape == Shape{4, 3, 4, 5});
  model.inputs = {value_info("x", float32, {symbol, 0, 4, 5})};
  check_contains(error_of(model), {"\"x\"", "dimension of 0"});
  model.inputs = {value_info("x", float32, {symbol, 3})};
  check_contains(error_of(model), {"\"x\"", "rank 2", "expected rank 4"});
  model.inputs = {value_info("x", uint8, {symbol, 3, 4, 5})};
  check_contains(error_of(model), {"\"x\"", "UINT8", "expected FLOAT"});
  model.inputs = {value_info("x", text, {symbol, 3, 4, 5})};
  check_contains(error_of(model), {"\"x\"", "element type 8", "FLOAT (1)"});
  model.inputs = {value_info("x", float32, {symbol, 3, 4, 5}), value_info("z", float32, {1})};
  check_contains(error_of(model), {"\"x\"", "\"z\"", "expected one"});
  model.inputs = {};
  check_contains(error_of(model), {"no input"});
}

TEST_CASE("a weight of the wrong rank is named with its node") {
  const Model model{{node("Conv", {"x", "w"}, {"y"}, {}, {"conv1", ""})}, {zeros("w", {4, 3, 3})}};
  CHECK(
      error_of(model) ==
      "node \"conv1\" (Conv): weight \"w\" has shape [4, 3, 3] for an input of shape [N, 3, 8, 8], expected rank 4 (or "
      "3) of both and known sizes");
}

TEST_CASE("attributes of a wrong type, unknown ones and repeated ones are refused") {
  const std::vector<std::string> weight{zeros("w", {4, 3, 3, 3})};
  const auto conv = [&](const std::vector<std::string>& attributes) {
    return error_of({{node("Conv", {"x", "w"}, {"y"}, attributes)}, weight});
  };
  CHECK(conv({}) == "");
  check_contains(conv({number_attribute("group", 1)}), {"\"group\"", "type 1", "expected INT"});
  check_contains(conv({integer_attribute("group", 1), integer_attribute("group", 1)}), {"\"group\"", "twice"});
  check_contains(conv({integer_attribute("colour", 1)}), {"\"colour\"", "not known"});
  check_contains(conv({integers_attribute("strides", {1, 1, 1})}), {"strides", "[1, 1, 1]"});
  check_contains(conv({integers_attribute("strides", {0, 1})}), {"strides", "[0, 1]"});
  check_contains(conv({integers_attribute("pads", {-1, 0, 0, 0})}), {"pads", "[-1, 0, 0, 0]"});
  check_contains(conv({integers_attribute("kernel_shape", {5, 5})}), {"kernel_shape", "[5, 5]", "[4, 3, 3, 3]"});
  check_contains(conv({text_attribute("auto_pad", "SOME")}), {"auto_pad"});
}

TEST_CASE("auto_pad SAME puts the odd pixel where it says") {
  const std::vector<std::string> weight{zeros("w", {4, 3, 3, 3})};
  const auto padding = [&](const char* mode, const Dims& strides, const Dims& image) {
    Model model{
        {node("Conv", {"x", "w"}, {"y"}, {text_attribute("auto_pad", mode), integers_attribute("strides", strides)})},
        weight};
    model.inputs = {value_info("x", float32, image)};
    const auto result = imported(model);
    return graph::attributes_of<graph::ConvolutionAttributes>(result.graph.nodes[0]).padding;
  };
  CHECK(padding("SAME_UPPER", {2, 2}, {symbol, 3, 8, 7}) == graph::Padding{0, 1, 1, 1});
  CHECK(padding("SAME_LOWER", {2, 2}, {symbol, 3, 8, 7}) == graph::Padding{1, 1, 0, 1});
  CHECK(padding("SAME_UPPER", {1, 1}, {symbol, 3, symbol, symbol}) == graph::Padding{1, 1, 1, 1});
  CHECK(padding("VALID", {2, 2}, {symbol, 3, symbol, symbol}) == graph::Padding{});
  Model model{{node("Conv", {"x", "w"}, {"y"},
                    {text_attribute("auto_pad", "SAME_UPPER"), integers_attribute("strides", {2, 2})})},
              weight};
  model.inputs = {value_info("x", float32, {symbol, 3, symbol, symbol})};
  check_contains(error_of(model), {"auto_pad SAME", "known image size", "[N, 3, ?, ?]"});
}

TEST_CASE("networks in training mode are refused") {
  const std::vector<std::string> statistics{zeros("s", {3})};
  const std::vector<std::string> inputs{"x", "s", "s", "s", "s"};
  CHECK(error_of({{node("BatchNormalization", inputs, {"y"})}, statistics}) == "");
  check_contains(
      error_of({{node("BatchNormalization", inputs, {"y"}, {integer_attribute("training_mode", 1)})}, statistics}),
      {"training"});
  check_contains(error_of({{node("BatchNormalization", inputs, {"y", "mean"})}, statistics, 9}), {"statistics"});
  check_contains(
      error_of({{node("BatchNormalization", inputs, {"y"}, {integer_attribute("spatial", 0)})}, statistics, 8}),
      {"spatial"});
  check_contains(error_of({{node("BatchNormalization", inputs, {"y"}, {integer_attribute("spatial", 0)})}, statistics}),
                 {"spatial"});
  const std::string on = tensor("on", 9, {}, std::string(1, '\1')), off = tensor("on", 9, {}, std::string(1, '\0'));
  CHECK(error_of({{node("Dropout", {"x", "", "on"}, {"y"})}, {off}}) == "");
  check_contains(error_of({{node("Dropout", {"x", "", "on"}, {"y"})}, {on}}), {"training_mode"});
  check_contains(error_of({{node("Dropout", {"x"}, {"d", "mask"}), node("Relu", {"mask"}, {"y"})}}),
                 {"Relu_1", "\"mask\"", "Dropout"});
  check_contains(error_of({{node("MaxPool", {"x"}, {"p", "y"}, {integers_attribute("kernel_shape", {2, 2})})}}),
                 {"\"y\"", "MaxPool"});
}

TEST_CASE("Gemm becomes a fully connected layer with weights [O, K] and a bias [O]") {
  const std::vector<float> weight{1, 2, 3, 4, 5, 6};  // [3, 2]
  const auto gemm = [&](const std::vector<std::string>& attributes, const std::string& bias) {
    Model model{{node("GlobalAveragePool", {"x"}, {"g"}), node("Flatten", {"g"}, {"f"}),
                 node("Gemm", {"f", "w", "b"}, {"y"}, attributes)},
                {tensor("w", float32, {3, 2}, raw(weight)), bias}};
    return imported(model).graph;
  };
  const auto constant = [](const graph::Graph& g, std::size_t index) { return g.tensor(g.nodes.back().input(index)); };
  auto result = gemm({number_attribute("alpha", 2), number_attribute("beta", 3)},
                     tensor("b", float32, {1, 2}, raw<float>({1, -1})));
  CHECK(result.nodes.back().op == Op::fully_connected);
  CHECK(constant(result, 1).shape == Shape{2, 3});
  CHECK(read_floats(constant(result, 1)) == std::vector<float>{2, 6, 10, 4, 8, 12});
  CHECK(constant(result, 2).shape == Shape{2});
  CHECK(read_floats(constant(result, 2)) == std::vector<float>{3, -3});
  result = gemm({}, tensor("b", float32, {}, raw<float>({7})));
  CHECK(read_floats(constant(result, 2)) == std::vector<float>{7, 7});
  result = gemm({number_attribute("beta", 0)}, tensor("b", float32, {}, raw<float>({7})));
  CHECK(result.nodes.back().inputs.size() == 2);
  Model model{{node("Flatten", {"x"}, {"f"}), node("Gemm", {"f", "w", "b"}, {"y"}, {integer_attribute("transA", 1)})},
              {zeros("w", {192, 2}), zeros("b", {2})}};
  check_contains(error_of(model), {"transA"});
  model.nodes[1] = node("Gemm", {"f", "f", "b"}, {"y"});
  check_contains(error_of(model), {"weight \"f\"", "computed"});
  model.nodes[1] = node("Gemm", {"f", "w", "b"}, {"y"});
  model.initializers[1] = zeros("b", {3, 1});
  check_contains(error_of(model), {"bias \"b\"", "[3, 1]"});
}

TEST_CASE("constants that only configure a node, and unused ones, leave the graph") {
  const Model model{{node("Reshape", {"x", "s"}, {"y"})},
                    {tensor("s", int32, {2}, raw<std::int32_t>({0, -1})), zeros("unused", {1000})}};
  const auto result = imported(model).graph;
  CHECK(result.tensors.size() == 2);
  CHECK(graph::attributes_of<graph::ReshapeAttributes>(result.nodes[0]).shape == std::vector<std::int64_t>{0, -1});
  CHECK(result.nodes[0].name == "Reshape_0");
}

TEST_CASE("a leading 1 in a shape becomes the batch only where the file fixes the batch to 1 and x has it") {
  Model model{{node("Reshape", {"x", "s"}, {"y"})}, {tensor("s", int64, {2}, raw<std::int64_t>({1, -1}))}};
  const auto target = [&] {
    return graph::attributes_of<graph::ReshapeAttributes>(imported(model).graph.nodes[0]).shape;
  };
  CHECK(target() == std::vector<std::int64_t>{1, -1});
  model.inputs = {value_info("x", float32, {1, 3, 8, 8})};
  CHECK(target() == std::vector<std::int64_t>{0, -1});
  model.nodes.insert(model.nodes.begin(), node("Transpose", {"x"}, {"t"}, {integers_attribute("perm", {1, 0, 2, 3})}));
  model.nodes[1] = node("Reshape", {"t", "s"}, {"y"});
  const auto moved = imported(model).graph;
  CHECK(graph::attributes_of<graph::ReshapeAttributes>(moved.nodes[1]).shape == std::vector<std::int64_t>{1, -1});
}

TEST_CASE("Pad: mode, axes and computed operands") {
  const std::string pads = tensor("p", int64, {4}, raw<std::int64_t>({1, 2, 3, 4}));
  const std::string axes = tensor("a", int64, {2}, raw<std::int64_t>({-1, 2}));
  Model model{{node("Pad", {"x", "p", "", "a"}, {"y"})}, {pads, axes}, 18};
  const auto pad = graph::attributes_of<graph::PadAttributes>(imported(model).graph.nodes[0]);
  CHECK(pad.before == std::vector<std::int64_t>{0, 0, 2, 1});
  CHECK(pad.after == std::vector<std::int64_t>{0, 0, 4, 3});
  model.nodes = {node("Pad", {"x", "p", "", "a"}, {"y"}, {text_attribute("mode", "reflect")})};
  CHECK(graph::attributes_of<graph::PadAttributes>(imported(model).graph.nodes[0]).mode == graph::PadMode::reflect);
  model.nodes = {node("Pad", {"x", "p", "", "a"}, {"y"}, {text_attribute("mode", "wrap")})};
  check_contains(error_of(model), {"mode", "reflect"});
  model.nodes = {node("Pad", {"x", "p"}, {"y"})};
  check_contains(error_of(model), {"4 pads", "4 axes"});
  model.initializers[1] = tensor("a", int64, {2}, raw<std::int64_t>({2, -2}));
  model.nodes = {node("Pad", {"x", "p", "", "a"}, {"y"})};
  check_contains(error_of(model), {"axis 2 twice"});
  model.nodes = {node("Shape", {"x"}, {"s"}), node("Pad", {"x", "s", "", "a"}, {"y"})};
  check_contains(error_of(model), {"computed"});
}

TEST_CASE("Split: sizes that are given, equal ones, and ones that do not fit") {
  const std::string sizes = tensor("s", int64, {2}, raw<std::int64_t>({1, 2}));
  const auto starts = [](const Model& model) {
    std::vector<std::int64_t> values;
    for (const auto& slice : imported(model).graph.nodes)
      values.push_back(graph::attributes_of<graph::SliceAttributes>(slice).starts[0]);
    return values;
  };
  const std::string axis = integer_attribute("axis", 1);
  Model model{{node("Split", {"x", "s"}, {"y", "z"}, {axis})}, {sizes}, 13};
  CHECK(starts(model) == std::vector<std::int64_t>{0, 1});
  model.nodes = {node("Split", {"x"}, {"y", "", "z"}, {axis})};
  CHECK(starts(model) == std::vector<std::int64_t>{0, 2});
  model.nodes = {node("Split", {"x", "s"}, {"y", "z", "u"}, {axis})};
  check_contains(error_of(model), {"[1, 2]", "3 outputs"});
  model.initializers = {tensor("s", int64, {2}, raw<std::int64_t>({INT64_MAX, 2}))};
  model.nodes = {node("Split", {"x", "s"}, {"y", "z"}, {axis})};
  check_contains(error_of(model), {"splits 3 into"});
  model.nodes = {node("Split", {"x"}, {"y", "z"}, {integer_attribute("axis", 0)})};
  check_contains(error_of(model), {"known size"});
}

TEST_CASE("quantisation that the graph can't hold is refused by name") {
  const auto half = [](const std::string& name) { return tensor(name, float32, {}, raw<float>({0.5f})); };
  const std::vector<std::string> constants{half("s"), tensor("z", int64, {}, raw<std::int64_t>({3})),
                                           tensor("n", float32, {}, raw<float>({-1.0f})), zeros("many", {3})};
  const auto message = [&](const std::vector<std::string>& inputs, const std::string& op = "QuantizeLinear") {
    return error_of({{node(op, inputs, {"y"})}, constants, 13});
  };
  CHECK(message({"x", "s"}) == "");
  check_contains(message({"x", "s", "z"}), {"int64", "8-bit"});
  check_contains(message({"x", "n"}), {"\"n\"", "positive"});
  check_contains(message({"x", "many"}), {"one element"});
  check_contains(message({"x", "x"}), {"computed"});
  check_contains(message({"z", "many"}, "DequantizeLinear"), {"scale", "[3]"});
}

TEST_CASE("map_file tells why a file cannot be read") {
  const auto message = [](const std::filesystem::path& path) -> std::string {
    const auto file = graph::map_file(path);
    return file ? "" : file.error().message;
  };
  check_contains(message("/nonexistent/model.onnx"), {"/nonexistent/model.onnx", "No such file"});
  check_contains(message("/"), {"folder", "regular file"});
  check_contains(message("/dev/null"), {"/dev/null", "not a regular file"});
  CHECK(message(source_root() / "meson.build") == "");
}

}  // namespace
}  // namespace residua::tests::onnx
