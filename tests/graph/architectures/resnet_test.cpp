#include "graph/architectures/resnet.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "graph/interpret.h"
#include "graph/text.h"
#include "graph/verify.h"

namespace residua::tests {
namespace {

using namespace graph;
using Tensors = std::map<std::string, Tensor>;

ResNetConfiguration known(std::string_view name) {
  auto configuration = find_architecture(name);
  REQUIRE_MESSAGE(configuration.has_value(), std::string(name));
  return *configuration;
}

// Small enough for the interpreter.
ResNetConfiguration tiny(bool bottleneck) {
  ResNetConfiguration configuration;
  configuration.name = "tiny";
  configuration.bottleneck = bottleneck;
  configuration.blocks = {1, 2};
  configuration.channels = {4, 8};
  configuration.classes = 5;
  return configuration;
}

Tensor constant(const Shape& shape) {
  std::size_t count = 1;
  for (const Dimension dimension : shape) count *= static_cast<std::size_t>(dimension);
  return make_float_constant("", shape, std::vector<float>(count, 0.5f));
}

template <class T>
void check_fails(const Result<T>& result, ErrorCode code, std::string_view words) {
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == code);
  const std::string message = result.error().message;
  CHECK_MESSAGE(message.find(words) != std::string::npos, message);
}

TEST_CASE("the published sizes of the networks") {
  struct Published {
    const char* name;
    std::int64_t parameters;
  };
  // torchvision's documentation, timm's networks; for CIFAR He et al.'s table 6 and akamaster's counts (option A) in
  // full
  for (const Published& each : {Published{"resnet18", 11689512},         Published{"resnet34", 21797672},
                                Published{"resnet50", 25557032},         Published{"resnet101", 44549160},
                                Published{"resnet152", 60192808},        Published{"resnext50_32x4d", 25028904},
                                Published{"resnext101_32x8d", 88791336}, Published{"resnext101_64x4d", 83455272},
                                Published{"wide_resnet50_2", 68883240},  Published{"wide_resnet101_2", 126886696},
                                Published{"resnet18d", 11708744},        Published{"resnet50c", 25576264},
                                Published{"resnet50d", 25576264},        Published{"seresnet50", 28088024},
                                Published{"resnetv2_50", 25549352},      Published{"seresnext50_32x4d", 27559896},
                                Published{"resnet20_cifar_a", 269722},   Published{"resnet32_cifar_a", 464154},
                                Published{"resnet44_cifar_a", 658586},   Published{"resnet56_cifar_a", 853018},
                                Published{"resnet110_cifar_a", 1727962}}) {
    CAPTURE(each.name);
    std::int64_t parameters = 0;
    for (const auto& [name, tensor] : random_weights(known(each.name), 1)) {
      if (name.find(".running_") == std::string::npos) parameters += *element_count(tensor.shape);
    }
    CHECK(parameters == each.parameters);
  }
}

TEST_CASE("names are sorted and each is found, with timm's tag too") {
  const auto names = known_architectures();
  CHECK(std::is_sorted(names.begin(), names.end()));
  CHECK(names.size() == 43);
  for (const std::string& name : names) CHECK(known(name).name == name);
  CHECK(known("resnet50.a1_in1k").name == "resnet50");
  CHECK_FALSE(find_architecture("resnet").has_value());
  CHECK_FALSE(find_architecture("").has_value());
}

TEST_CASE("every known network is recognised from its tensors, whatever the number of classes") {
  for (const std::string& name : known_architectures()) {
    const auto holds = [&name](const char* part) { return name.find(part) != std::string::npos; };
    if (holds("101") || holds("152") || holds("1202") || holds("110")) continue;  // the same paths, a second each
    CAPTURE(name);
    ResNetConfiguration configuration = known(name);
    configuration.classes = 7;
    const Tensors tensors = random_weights(configuration, 3);
    const auto found = recognise_resnet(tensors);
    REQUIRE_MESSAGE(found.ok(), found.error().message);
    CHECK(found->name == name);
    CHECK(found->classes == 7);
    CHECK(found->input_size == configuration.input_size);
    const auto graph = build_resnet(*found, tensors);
    REQUIRE_MESSAGE(graph.ok(), graph.error().message);
    CHECK(graph->tensor(graph->outputs[0]).shape == Shape{batch_dimension, 7});
    CHECK(graph->tensor(graph->inputs[0]).shape == Shape{batch_dimension, 3, unknown_dimension, unknown_dimension});
    CHECK(graph->tensor(graph->inputs[0]).name == "input");
  }
}

TEST_CASE("a bottleneck network, node by node") {
  const auto graph = build_resnet(tiny(true), random_weights(tiny(true), 1));
  REQUIRE_MESSAGE(graph.ok(), graph.error().message);
  std::string nodes;
  for (const Node& node : graph->nodes) nodes += node.name + " ";
  CHECK(nodes ==
        "conv1 bn1 relu maxpool "
        "layer1.0.conv1 layer1.0.bn1 layer1.0.relu1 layer1.0.conv2 layer1.0.bn2 layer1.0.relu2 layer1.0.conv3 "
        "layer1.0.bn3 "
        "layer1.0.downsample.0 layer1.0.downsample.1 layer1.0.add layer1.0.relu "
        "layer2.0.conv1 layer2.0.bn1 layer2.0.relu1 layer2.0.conv2 layer2.0.bn2 layer2.0.relu2 layer2.0.conv3 "
        "layer2.0.bn3 "
        "layer2.0.downsample.0 layer2.0.downsample.1 layer2.0.add layer2.0.relu "
        "layer2.1.conv1 layer2.1.bn1 layer2.1.relu1 layer2.1.conv2 layer2.1.bn2 layer2.1.relu2 layer2.1.conv3 "
        "layer2.1.bn3 "
        "layer2.1.add layer2.1.relu avgpool flatten fc ");
  const auto strides_of = [&](const std::string& name) {
    const auto node =
        std::find_if(graph->nodes.begin(), graph->nodes.end(), [&](const Node& n) { return n.name == name; });
    REQUIRE(node != graph->nodes.end());
    return attributes_of<ConvolutionAttributes>(*node).strides;
  };
  CHECK(strides_of("layer2.0.conv1") == Pair{1, 1});
  CHECK(strides_of("layer2.0.conv2") == Pair{2, 2});
  CHECK(strides_of("layer2.0.downsample.0") == Pair{2, 2});
  CHECK(strides_of("layer2.1.conv2") == Pair{1, 1});
}

TEST_CASE("a deep stem, averaged shortcuts and gates, node by node") {
  ResNetConfiguration configuration = tiny(false);
  configuration.deep_stem = {2, 3};
  configuration.average_shortcut = true;
  configuration.gates = {1, 2};
  const auto graph = build_resnet(configuration, random_weights(configuration, 1));
  REQUIRE_MESSAGE(graph.ok(), graph.error().message);
  const auto node_called = [&](const std::string& name) {
    const auto node =
        std::find_if(graph->nodes.begin(), graph->nodes.end(), [&](const Node& n) { return n.name == name; });
    REQUIRE_MESSAGE(node != graph->nodes.end(), name);
    return *node;
  };
  CHECK(graph->tensor(node_called("conv1.3").output).shape[1] == 3);
  CHECK(attributes_of<ConvolutionAttributes>(node_called("conv1.0")).strides == Pair{2, 2});
  CHECK(attributes_of<ConvolutionAttributes>(node_called("conv1.6")).strides == Pair{1, 1});
  const auto pool = attributes_of<PoolAttributes>(node_called("layer2.0.shortcut.average"));
  CHECK(pool.strides == Pair{2, 2});
  CHECK_FALSE(pool.count_include_pad);
  CHECK(attributes_of<ConvolutionAttributes>(node_called("layer2.0.downsample.1")).strides == Pair{1, 1});
  CHECK(graph->tensor(node_called("layer2.1.se.fc1").output).shape[1] == 2);
  CHECK(node_called("layer2.1.se").op == Op::multiply);
}

TEST_CASE("a pre-activation network, node by node") {
  ResNetConfiguration configuration = tiny(true);
  configuration.pre_activation = true;
  const auto graph = build_resnet(configuration, random_weights(configuration, 1));
  REQUIRE_MESSAGE(graph.ok(), graph.error().message);
  std::string order;
  for (const Node& node : graph->nodes) order += node.name + " ";
  CHECK(
      order.starts_with("stem.conv maxpool stages.0.blocks.0.norm1 stages.0.blocks.0.norm1.relu "
                        "stages.0.blocks.0.downsample.conv stages.0.blocks.0.conv1 stages.0.blocks.0.norm2 "));
  CHECK(order.find("stages.1.blocks.0.add stages.1.blocks.1.norm1 ") != std::string::npos);  // no relu after the sum
  CHECK(order.ends_with("stages.1.blocks.1.add norm norm.relu avgpool flatten head.fc "));
  Tensors tensors = random_weights(configuration, 1);
  tensors["stages.0.blocks.0.bias"] = constant({4});
  check_fails(build_resnet(configuration, tensors), ErrorCode::mismatch, "has no place in tiny");
  configuration.gates = {1, 2};
  check_fails(build_resnet(configuration, tensors), ErrorCode::invalid_argument, "no gates");
}

TEST_CASE("tensors that are missing, misshapen, of another type or too many are named") {
  const Tensors good = random_weights(tiny(false), 1);
  const auto with = [&](const auto& change) {
    Tensors tensors = good;
    change(tensors);
    return build_resnet(tiny(false), tensors);
  };
  CHECK(with([](Tensors& t) { t["bn1.num_batches_tracked"] = make_integer_constant("", {}, {3}); }).ok());
  check_fails(with([](Tensors& t) { t.erase("layer2.1.bn2.running_var"); }), ErrorCode::mismatch,
              "tensor 'layer2.1.bn2.running_var' [8] of tiny is missing");
  check_fails(with([](Tensors& t) {
                t["layer1.0.conv1.weight"] = constant({4, 4, 1, 1});
              }),
              ErrorCode::mismatch,
              "tensor 'layer1.0.conv1.weight': found [4, 4, 1, 1], expected [4, 4, 3, 3] for tiny");
  check_fails(with([](Tensors& t) {
                t["fc.bias"] = make_integer_constant("", {5}, {1, 2, 3, 4, 5});
              }),
              ErrorCode::mismatch, "tensor 'fc.bias': found int64, expected a float32 constant");
  check_fails(with([](Tensors& t) { t["conv1.bias"] = constant({4}); }), ErrorCode::mismatch,
              "tensor 'conv1.bias' [4] has no place in tiny");
}

TEST_CASE("relatives of the family are refused by the tensor that tells") {
  struct Relative {
    const char* name;
    Shape shape;
    const char* what;
  };
  for (const Relative& each : {Relative{"layer1.0.se_module.fc1.weight", {1, 4, 1, 1}, "an older naming"},
                               Relative{"layer1.0.se.conv.weight", {1, 1, 5}, "channel attention"},
                               Relative{"layer1.0.conv1.paths.0.conv.weight", {4, 4, 3, 3}, "SKNet"},
                               Relative{"layer1.0.convs.0.weight", {4, 4, 3, 3}, "Res2Net"},
                               Relative{"maxpool.0.weight", {4, 4, 3, 3}, "ResNet-RS"},
                               Relative{"stages.0.blocks.0.norm1.weight", {4}, "pre-activation"}}) {
    CAPTURE(each.name);
    Tensors tensors = random_weights(tiny(false), 1);
    tensors[each.name] = constant(each.shape);
    const std::string start = "tensor '" + std::string(each.name) + "' belongs to ";
    check_fails(recognise_resnet(tensors), ErrorCode::unsupported, start);
    check_fails(recognise_resnet(tensors), ErrorCode::unsupported, each.what);
    check_fails(build_resnet(tiny(false), tensors), ErrorCode::unsupported, start);
  }
  Tensors group_norm = random_weights(tiny(false), 1);
  std::erase_if(group_norm, [](const auto& entry) { return entry.first.find(".running_") != std::string::npos; });
  check_fails(recognise_resnet(group_norm), ErrorCode::unsupported, "a norm without running statistics");
  Tensors tensors = random_weights(tiny(false), 1);
  for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"})
    tensors.erase(std::string("bn1") + part);
  check_fails(recognise_resnet(tensors), ErrorCode::unsupported, "a pre-activation network");
}

TEST_CASE("tensors that describe no network are refused") {
  const auto with = [&](const char* name, const Shape& shape) {
    Tensors tensors = random_weights(tiny(true), 1);
    tensors[name] = constant(shape);
    return recognise_resnet(tensors);
  };
  check_fails(recognise_resnet({}), ErrorCode::mismatch, "tensor 'conv1.weight' is missing: these 0 tensors");
  check_fails(recognise_resnet({{"a.b", constant({1})}}), ErrorCode::mismatch, "(the first is 'a.b')");
  check_fails(recognise_resnet({{"conv1.weight", constant({4, 3, 7, 7})}}), ErrorCode::mismatch,
              "'layer1.0.conv1.weight' is missing");
  check_fails(with("conv1.weight", {4, 3, 5, 5}), ErrorCode::unsupported, "found [4, 3, 5, 5], expected a stem");
  check_fails(with("conv1.weight", {4, 1, 7, 7}), ErrorCode::unsupported, "a stem of 3 input channels");
  check_fails(with("conv1.weight", {4, 3}), ErrorCode::mismatch, "expected 4 positive dimensions");
  check_fails(with("layer1.0.conv3.weight", {0, 4, 1, 1}), ErrorCode::mismatch, "expected 4 positive dimensions");
  check_fails(with("layer1.0.conv3.weight", {18, 4, 1, 1}), ErrorCode::mismatch,
              "18 output channels, expected a multiple of 4");
  check_fails(with("layer1.0.conv2.weight", {4, 3, 3, 3}), ErrorCode::unsupported, "no grouping");
  check_fails(with("layer1.0.conv2.weight", {2, 4, 3, 3}), ErrorCode::unsupported, "no grouping");
  Tensors lacking = random_weights(tiny(true), 1);
  lacking.erase("fc.weight");
  check_fails(recognise_resnet(lacking), ErrorCode::mismatch, "'fc.weight' is missing");
  // an ImageNet network without its projections is not one of option A
  Tensors bare = random_weights(tiny(false), 1);
  std::erase_if(bare, [](const auto& entry) { return entry.first.find("downsample") != std::string::npos; });
  const auto configuration = recognise_resnet(bare);
  REQUIRE(configuration.ok());
  check_fails(build_resnet(*configuration, bare), ErrorCode::mismatch, "'layer2.0.downsample.0.weight'");
}

TEST_CASE("configurations out of range are refused") {
  const auto with = [](const auto& change) {
    ResNetConfiguration configuration = tiny(false);
    change(configuration);
    return build_resnet(configuration, {});
  };
  check_fails(with([](auto& c) { c.blocks = {}; }), ErrorCode::invalid_argument, "0 stages");
  check_fails(with([](auto& c) { c.blocks = {1, 0}; }), ErrorCode::invalid_argument, "stage 2: 0 blocks");
  check_fails(with([](auto& c) { c.channels = {1, 1 << 30}; }), ErrorCode::invalid_argument, "stage 2");
  check_fails(with([](auto& c) { c.classes = 0; }), ErrorCode::invalid_argument, "classes");
  check_fails(with([](auto& c) { c.groups = 2; }), ErrorCode::invalid_argument, "only bottleneck blocks have groups");
  check_fails(with([](auto& c) {
                c.option_a_shortcut = true;
                c.channels = {4, 5};
              }),
              ErrorCode::invalid_argument, "from 4 to 5");
  check_fails(with([](auto& c) { c.bottleneck = c.option_a_shortcut = true; }), ErrorCode::invalid_argument,
              "parameter-free");
}

TEST_CASE("random weights: the same for a seed, another for another") {
  const Tensors first = random_weights(tiny(true), 7), again = random_weights(tiny(true), 7),
                other = random_weights(tiny(true), 8);
  for (const auto& [name, tensor] : first) {
    CHECK(digest(tensor) == digest(again.at(name)));
    CHECK(digest(tensor) != digest(other.at(name)));
  }
  // on every platform: the standard fixes the generator's draws
  const auto weights = read_floats(first.at("conv1.weight"));
  const float bound = std::sqrt(3.f / 147.f);
  CHECK(std::all_of(weights.begin(), weights.end(), [&](float w) { return std::abs(w) <= bound; }));
  CHECK(std::abs(std::accumulate(weights.begin(), weights.end(), 0.f)) <
        0.1f * bound * static_cast<float>(weights.size()));
}

TEST_CASE("random weights: activations stay of order one through a hundred and ten layers") {
  const ResNetConfiguration configuration = known("resnet110_cifar");
  const auto graph = build_resnet(configuration, random_weights(configuration, 5));
  REQUIRE_MESSAGE(graph.ok(), graph.error().message);
  std::vector<float> pixels(3 * 8 * 8);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = 1.4f * std::sin(static_cast<float>(i * i % 97));
  const std::vector<Value> inputs{{{1, 3, 8, 8}, pixels}};
  const auto outputs = interpret(*graph, inputs);
  REQUIRE_MESSAGE(outputs.ok(), outputs.error().message);
  float largest = 0;
  for (const float logit : outputs->front().floats()) largest = std::max(largest, std::abs(logit));
  CHECK(largest > 0.05f);
  CHECK(largest < 10.f);
}

}  // namespace
}  // namespace residua::tests
