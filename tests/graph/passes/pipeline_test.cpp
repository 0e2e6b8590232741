#include <fstream>
#include <iterator>

#include "graph/architectures/resnet.h"
#include "graph/operators.h"
#include "pass_testing.h"
#include "tests/data.h"

namespace residua::tests {
namespace {

using namespace residua::graph;

Graph optimized(const Graph& graph) {
  Result<Graph> result = optimize(graph);
  REQUIRE_MESSAGE(result.ok(), result.error().message);
  return std::move(result).value();
}

Graph resnet(const ResNetConfiguration& configuration) {
  Result<Graph> graph = build_resnet(configuration, random_weights(configuration, 7));
  REQUIRE_MESSAGE(graph.ok(), graph.error().message);
  return std::move(graph).value();
}

Graph resnet(std::string_view name) {
  const auto configuration = find_architecture(name);
  REQUIRE(configuration.has_value());
  return resnet(*configuration);
}

ResNetConfiguration small(bool bottleneck, bool option_a) {
  ResNetConfiguration configuration;
  configuration.name = "small";
  configuration.bottleneck = bottleneck;
  configuration.blocks = {2, 1};
  configuration.channels = {8, 16};
  configuration.cifar_stem = option_a;
  configuration.option_a_shortcut = option_a;
  configuration.classes = 5;
  return configuration;
}

void check_counts(const Graph& graph, const std::vector<std::pair<Op, std::size_t>>& expected) {
  std::size_t total = 0;
  for (const auto& entry : expected) {
    CHECK_MESSAGE(count_of(graph, entry.first) == entry.second, info_of(entry.first).name);
    total += entry.second;
  }
  CHECK(graph.nodes.size() == total);
}

TEST_CASE("ResNet-50 becomes 53 convolutions, two pools and a classifier") {
  const Graph graph = optimized(resnet("resnet50"));
  check_counts(graph,
               {{Op::convolution, 53}, {Op::max_pool, 1}, {Op::global_average_pool, 1}, {Op::fully_connected, 1}});
  const std::filesystem::path path = source_root() / "tests/golden/passes/resnet50_optimized.txt";
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), path.string());
  const std::string golden{std::istreambuf_iterator<char>(file), {}};
  const std::string text = to_text(graph, {0, false});
  if (text != golden) {
    const auto difference = std::mismatch(text.begin(), text.end(), golden.begin(), golden.end());
    const auto line = std::count(text.begin(), difference.first, '\n') + 1;
    FAIL("the text differs from ", path.string(), " in line ", line, ":\n", text);
  }
}

TEST_CASE("the family") {
  check_counts(optimized(resnet("resnet18")),
               {{Op::convolution, 20}, {Op::max_pool, 1}, {Op::global_average_pool, 1}, {Op::fully_connected, 1}});
  // 19 convolutions, and two shortcuts without parameters
  check_counts(
      optimized(resnet("resnet20_cifar_a")),
      {{Op::convolution, 19}, {Op::slice, 2}, {Op::pad, 2}, {Op::global_average_pool, 1}, {Op::fully_connected, 1}});
}

// As one exporter writes a network: batch norm folded already, shortcut and pads computed, the mean by reduce_mean.
const std::string exported = R"(
input %0 "input" float32 [N, 3, 8, 8]
const %1 "" float32 [4, 3, 3, 3] digest 1
const %2 "" float32 [8, 4, 3, 3] digest 2
const %3 "" float32 [8, 8, 3, 3] digest 3
const %4 "" float32 [8] digest 4
node %5 "" float32 [] = convolution(%0, %1) padding=[1, 1, 1, 1]
node %6 "" float32 [] = relu(%5)
node %7 "" float32 [] = convolution(%6, %2, %4) padding=[1, 1, 1, 1] strides=[2, 2]
node %8 "" float32 [] = relu(%7)
node %9 "" float32 [] = convolution(%8, %3, %4) padding=[1, 1, 1, 1]
const %10 "" int64 [1] values [2]
const %11 "" int64 [1] values [0]
const %12 "" int64 [1] values [9223372036854775807]
const %13 "" int64 [1] values [3]
node %14 "" float32 [] = slice(%6, %11, %12, %10, %10)
node %15 "" float32 [] = slice(%14, %11, %12, %13, %10)
const %16 "" int64 [8] values [0, 2, 0, 0, 0, 2, 0, 0]
node %17 "" int64 [] = identity(%16)
node %18 "" float32 [] = pad(%15, %17)
node %19 "" float32 [] = add(%18, %9)
node %20 "" float32 [] = relu(%19)
node %21 "" float32 [] = reduce_mean(%20) axes=[2, 3] keep_dimensions=false
node %22 "" int64 [] = shape_of(%21)
node %23 "" int64 [] = gather(%22, %11) axis=0
const %24 "" int64 [1] values [-1]
node %25 "" int64 [] = concat(%23, %24) axis=0
node %26 "" float32 [] = reshape(%21, %25)
const %27 "" float32 [8, 5] digest 5
const %28 "" float32 [5] digest 6
node %29 "" float32 [] = matmul(%26, %27)
node %30 "logits" float32 [] = add(%28, %29)
node %31 "probabilities" float32 [] = softmax(%30) axis=-1
output %31
)";

// As a channels-last framework's converter writes one: NHWC input, zero pads, pooling over a pad, pixels squeezed.
const std::string channels_last = R"(
input %0 "image" float32 [N, ?, ?, 3]
node %1 "" float32 [] = transpose(%0) permutation=[0, 3, 1, 2]
node %2 "" float32 [] = pad(%1) before=[0, 0, 3, 3] after=[0, 0, 3, 3]
const %3 "" float32 [8, 3, 7, 7] digest 1
const %4 "" float32 [1, 8, 1, 1] digest 2
const %5 "" float32 [8] digest 3
const %6 "" float32 [8] digest 4
node %7 "" float32 [] = convolution(%2, %3) strides=[2, 2]
node %8 "" float32 [] = add(%7, %4)
node %9 "" float32 [] = batch_norm(%8, %5, %6, %6, %5) epsilon=1.001
node %10 "" float32 [] = relu(%9)
node %11 "" float32 [] = pad(%10) before=[0, 0, 1, 1] after=[0, 0, 1, 1]
node %12 "" float32 [] = max_pool(%11) kernel=[3, 3] strides=[2, 2]
const %13 "" float32 [8, 8, 1, 1] digest 5
node %14 "" float32 [] = convolution(%12, %13)
node %15 "" float32 [] = convolution(%12, %13)
node %16 "" float32 [] = multiply(%15, %4)
node %17 "" float32 [] = add(%14, %16)
node %18 "" float32 [] = clip(%17) minimum=0
node %19 "" float32 [] = global_average_pool(%18)
node %20 "" float32 [] = transpose(%19) permutation=[0, 2, 3, 1]
node %21 "" float32 [] = squeeze(%20) axes=[1, 2]
const %22 "" float32 [8, 5] digest 6
node %23 "" float32 [] = matmul(%21, %22)
output %23
)";

TEST_CASE("exporters' graphs come out the same way") {
  const Graph option_a = optimized(graph_of(exported));
  check_counts(option_a, {{Op::convolution, 3},
                          {Op::slice, 1},
                          {Op::pad, 1},
                          {Op::global_average_pool, 1},
                          {Op::fully_connected, 1},
                          {Op::softmax, 1}});
  check_equivalent(option_a, graph_of(exported));

  const Graph keras = optimized(graph_of(channels_last));
  check_counts(keras,
               {{Op::convolution, 3}, {Op::max_pool, 1}, {Op::global_average_pool, 1}, {Op::fully_connected, 1}});
  CHECK(to_string(keras.tensor(keras.inputs[0]).shape) == "[N, 3, ?, ?]");
}

std::vector<Graph> networks() {
  std::vector<Graph> graphs{graph_of(exported)};
  for (const bool bottleneck : {false, true}) graphs.push_back(resnet(small(bottleneck, false)));
  graphs.push_back(resnet(small(false, true)));
  return graphs;
}

TEST_CASE("every pass and the whole pipeline compute what the network computed") {
  for (const Graph& graph : networks()) {
    CAPTURE(to_text(graph));
    Graph current = graph;
    for (const Pass& pass : optimization_passes()) {
      CAPTURE(pass.name);
      check_equivalent(run_pass(pass.name, graph), graph, 16);  // alone
      current = run_pass(pass.name, std::move(current));        // and after all before it
      check_equivalent(current, graph, 16);
    }
    check_equivalent(optimized(graph), graph, 16);
  }
}

TEST_CASE("an optimised network is left as it is") {
  std::vector<Graph> graphs = networks();
  graphs.push_back(graph_of(channels_last));
  for (const Graph& graph : graphs) {
    const Graph once = optimized(graph);
    CHECK(to_text(optimized(once)) == to_text(once));
  }
}

TEST_CASE("with sizes given before or after, the outputs are the same") {
  const Graph graph = resnet(small(true, false));
  const Shape shape{2, 3, 33, 40};
  Result<Graph> fixed_first = with_input_shape(graph, shape);
  REQUIRE(fixed_first.ok());
  Result<Graph> fixed_last = with_input_shape(optimized(graph), shape);
  REQUIRE(fixed_last.ok());
  CHECK(structure_of(optimized(*fixed_first)) == structure_of(*fixed_last));
}

TEST_CASE("the observer sees the import and each pass that changed something") {
  std::vector<std::string> stages;
  std::vector<std::string> texts;
  const Result<Graph> result = optimize(graph_of(exported), [&](std::string_view stage, const Graph& graph) {
    stages.emplace_back(stage);
    texts.push_back(to_text(graph));
  });
  REQUIRE(result.ok());
  REQUIRE(stages.size() > 3);
  CHECK(stages[0] == "imported");
  CHECK(stages[1] == "fold_shape_arithmetic");
  CHECK(texts[0] == to_text(graph_of(exported)));
  CHECK(texts.back() == to_text(*result));
  for (std::size_t i = 1; i < texts.size(); ++i) CHECK(texts[i] != texts[i - 1]);
  stages.clear();
  REQUIRE(optimize(*result, [&](std::string_view stage, const Graph&) { stages.emplace_back(stage); }).ok());
  CHECK(stages == std::vector<std::string>{"imported"});
}

TEST_CASE("a pass that breaks an invariant is named") {
  const Pass harmless{"harmless", "", [](Graph graph) { return graph; }};
  const Pass reverses{"reverses", "", [](Graph graph) {
                        std::reverse(graph.nodes.begin(), graph.nodes.end());
                        return graph;
                      }};
  const Pass throws{"throws", "", [](Graph) -> Graph { throw InternalError("lost count"); }};
  for (const auto& [pass, detail] : {std::pair{reverses, "reads"}, std::pair{throws, "lost count"}}) {
    const Pass passes[] = {harmless, pass};
    const Result<Graph> result = run_passes(passes, graph_of(exported));
    REQUIRE(!result.ok());
    CHECK(result.error().code == ErrorCode::internal);
    CHECK(result.error().message.find(pass.name) != std::string::npos);
    CHECK(result.error().message.find(detail) != std::string::npos);
  }
}

TEST_CASE("a graph that is broken already is refused as it is") {
  Graph graph = graph_of(exported);
  graph.nodes[1].inputs[0] = 4711;
  const Result<Graph> result = optimize(graph);
  REQUIRE(!result.ok());
  CHECK(result.error().code == ErrorCode::malformed);
}

TEST_CASE("every pass promises something") {
  for (const Pass& pass : optimization_passes()) {
    CHECK(!pass.name.empty());
    CHECK(!pass.promise.empty());
    CHECK(pass.promise.find('\n') == std::string_view::npos);
  }
}

}  // namespace
}  // namespace residua::tests
