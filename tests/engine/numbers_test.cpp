// Infinities and NaN go through a network as through PyTorch, by the interpreter's word, on every instruction set;
// denormal numbers count as zero.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "engine/bound_plan.h"
#include "engine/environment.h"
#include "engine/layout.h"
#include "engine/threads.h"
#include "graph/infer.h"
#include "graph/interpret.h"
#include "graph/text.h"

namespace residua::tests {
namespace {

using namespace engine;

constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();

graph::Graph network(const std::string& lines, const std::string& input) {
  auto parsed = graph::parse_text("graph \"g\"\ninput %0 \"x\" float32 " + input + "\n" + lines);
  REQUIRE_MESSAGE(parsed.ok(), parsed.error().message);
  auto inferred = graph::infer_shapes(std::move(parsed).value());
  REQUIRE_MESSAGE(inferred.ok(), inferred.error().message);
  return std::move(inferred).value();
}

struct Run {
  std::vector<float> output;
  std::string implementations;
};

// `strassen`: as where Strassen's step pays, whatever this CPU's rules say.
Run run(const graph::Graph& graph, const graph::Value& input, kernels::InstructionSet set, bool direct,
        bool strassen = false) {
  static_cast<void>(kernel_table());
  PackedWeights packed;
  auto kernels = kernels::make_kernel_table(kernels::detect_cpu(), set);
  if (strassen) {
    kernels.loads_bind_products = false;
    kernels.instruction_set = kernels::InstructionSet::avx512;  // for the rules: the kernels stay
  }
  const PlanKey key{input.shape[0], input.shape[2], input.shape[3], 1, input.shape[0]};
  const auto plan = make_plan(graph, key, kernels, packed, {.direct = direct});
  REQUIRE_MESSAGE(plan.ok(), plan.error().message);
  BoundPlan bound;
  Block memory;
  bound.bind(*plan, 1, memory.at_least(BoundPlan::bytes_for(**plan, 1)));
  from_row_major(input.shape, input.floats().data(), bound.input());
  run_phases(bound.phases(), 1);
  const graph::Shape& shape = (*plan)->graph.tensor((*plan)->graph.outputs[0]).shape;
  Run result{std::vector<float>(float_count(shape)), ""};
  to_row_major(shape, bound.output(), result.output.data());
  for (const Step& step : (*plan)->steps) result.implementations += std::string(step.implementation) + ";";
  return result;
}

std::vector<float> expected_of(const graph::Graph& graph, const graph::Value& input) {
  const auto outputs = graph::interpret(graph, {&input, 1});
  REQUIRE_MESSAGE(outputs.ok(), outputs.error().message);
  return (*outputs)[0].floats();
}

graph::Value random_image(const graph::Shape& shape, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(static_cast<std::size_t>(*graph::element_count(shape)));
  for (float& value : values) value = uniform(random);
  return {shape, values};
}

// Some values become `kind`.
graph::Value with(graph::Value image, float kind, std::size_t every) {
  auto& values = std::get<0>(image.elements);
  for (std::size_t i = every / 2; i < values.size(); i += every) values[i] = kind;
  return image;
}

bool same(float found, float expected) {
  if (std::isnan(expected)) return std::isnan(found);
  if (std::isinf(expected)) return found == expected;
  return std::fabs(found - expected) <= 1e-4f * std::max(1.0f, std::fabs(expected));
}

void check_like_reference(const graph::Graph& graph, const graph::Value& input) {
  const std::vector<float> expected = expected_of(graph, input);
  for (const kernels::InstructionSet set : kernels::all_instruction_sets()) {
    const Run found = run(graph, input, set, true);
    CAPTURE(name_of(set));
    CAPTURE(found.implementations);
    CHECK(found.implementations.find("winograd") == std::string::npos);
    CHECK(found.implementations.find("strassen") == std::string::npos);
    CHECK(found.implementations.find("tiles") == std::string::npos);
    REQUIRE(found.output.size() == expected.size());
    std::size_t different = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (same(found.output[i], expected[i])) continue;
      if (different++ == 0) MESSAGE("output ", i, " is ", found.output[i], ", expected ", expected[i]);
    }
    CHECK(different == 0);
  }
}

struct Layer {
  const char* name;
  const char* lines;
};

constexpr Layer layers[] = {
    {"relu", "node %1 \"y\" float32 [] = relu(%0)\noutput %1\n"},
    {"clip", "node %1 \"y\" float32 [] = clip(%0) minimum=-0.5 maximum=0.5\noutput %1\n"},
    {"sigmoid", "node %1 \"y\" float32 [] = sigmoid(%0)\noutput %1\n"},
    {"scale", "const %1 \"c\" float32 [18, 1, 1]\nnode %2 \"y\" float32 [] = multiply(%0, %1)\noutput %2\n"},
    {"convolution of each channel alone, relu",
     "const %1 \"w\" float32 [18, 1, 3, 3]\n"
     "node %2 \"y\" float32 [] = convolution(%0, %1) padding=[1, 1, 1, 1] groups=18 activation=relu\noutput %2\n"},
    {"max pool",
     "node %1 \"y\" float32 [] = max_pool(%0) kernel=[3, 3] strides=[2, 2] padding=[1, 1, 1, 1]\noutput %1\n"},
    {"average pool",
     "node %1 \"y\" float32 [] = average_pool(%0) kernel=[3, 3] strides=[2, 2] padding=[1, 1, 1, 1]\noutput %1\n"},
    {"global average pool", "node %1 \"y\" float32 [] = global_average_pool(%0)\noutput %1\n"},
    {"add",
     "node %1 \"r\" float32 [] = max_pool(%0) kernel=[3, 3] padding=[1, 1, 1, 1]\n"
     "node %2 \"y\" float32 [] = add(%0, %1)\noutput %2\n"},
    {"convolution 1x1, relu",
     "const %1 \"w\" float32 [32, 18, 1, 1]\nconst %2 \"b\" float32 [32]\n"
     "node %3 \"y\" float32 [] = convolution(%0, %1, %2) activation=relu\noutput %3\n"},
    {"convolution 3x3, relu",
     "const %1 \"w\" float32 [33, 18, 3, 3]\n"
     "node %2 \"y\" float32 [] = convolution(%0, %1) padding=[1, 1, 1, 1] activation=relu\noutput %2\n"},
    {"convolution 3x3, stride 2",
     "const %1 \"w\" float32 [16, 18, 3, 3]\n"
     "node %2 \"y\" float32 [] = convolution(%0, %1) padding=[1, 1, 1, 1] strides=[2, 2]\noutput %2\n"},
    {"convolution in groups, relu",
     "const %1 \"w\" float32 [18, 6, 3, 3]\n"
     "node %2 \"y\" float32 [] = convolution(%0, %1) padding=[1, 1, 1, 1] groups=3 activation=relu\noutput %2\n"},
    {"convolution with a residual, relu",
     "const %1 \"w\" float32 [18, 18, 3, 3]\n"
     "node %2 \"y\" float32 [] = convolution(%0, %1, _, %0) padding=[1, 1, 1, 1] activation=relu\noutput %2\n"},
    {"softmax",
     "node %1 \"p\" float32 [] = global_average_pool(%0)\nnode %2 \"f\" float32 [] = flatten(%1)\n"
     "node %3 \"y\" float32 [] = softmax(%2) axis=1\noutput %3\n"},
    {"classifier",
     "node %1 \"p\" float32 [] = global_average_pool(%0)\nnode %2 \"f\" float32 [] = flatten(%1)\n"
     "const %3 \"w\" float32 [10, 18]\nnode %4 \"y\" float32 [] = fully_connected(%2, %3)\noutput %4\n"},
};

TEST_CASE("numbers: NaN and infinities go through every layer as through the reference") {
  for (const Layer& layer : layers) {
    CAPTURE(std::string(layer.name));
    const graph::Graph graph = network(layer.lines, "[N, 18, 11, 9]");
    const graph::Value image = random_image({2, 18, 11, 9}, 5);
    for (const float kind : {nan, infinity, -infinity}) {
      CAPTURE(kind);
      for (const std::size_t every : {std::size_t{7}, std::size_t{101}, std::size_t{997}})
        check_like_reference(graph, with(image, kind, every));
      check_like_reference(graph, with(image, kind, 1));  // all: no -FLT_MAX comes of a maximum of NaN
    }
    check_like_reference(graph, with(with(image, infinity, 13), -infinity, 17));
  }
}

TEST_CASE("numbers: denormal numbers count as zero, and change nothing else") {
  const float tiny = std::bit_cast<float>(std::uint32_t{12345});
  constexpr float smallest = std::numeric_limits<float>::min();
  for (const Layer& layer : layers) {
    CAPTURE(std::string(layer.name));
    const graph::Graph graph = network(layer.lines, "[N, 18, 11, 9]");
    const graph::Value image = with(with(random_image({1, 18, 11, 9}, 5), tiny, 1), -tiny, 3);
    const std::vector<float> expected = expected_of(graph, image);
    for (const kernels::InstructionSet set : kernels::all_instruction_sets()) {
      const std::vector<float> found = run(graph, image, set, true).output;
      for (std::size_t i = 0; i < expected.size(); ++i)
        REQUIRE(std::fabs(found[i] - expected[i]) <= 1e-3f * std::fabs(expected[i]) + smallest);
    }
  }
  // Sums of them are not one bit more than zero: that no thread spends its time on them.
  for (const int groups : {1, 3, 18}) {
    const graph::Graph graph =
        network("const %1 \"w\" float32 [18, " + std::to_string(18 / groups) + ", 3, 3]\nnode %2 \"y\" float32 [] = " +
                    "convolution(%0, %1) padding=[1, 1, 1, 1] groups=" + std::to_string(groups) + "\noutput %2\n",
                "[N, 18, 11, 9]");
    const graph::Value image = with(random_image({1, 18, 11, 9}, 5), tiny, 1);
    for (const kernels::InstructionSet set : kernels::all_instruction_sets())
      for (const bool direct : {false, true})
        for (const float value : run(graph, image, set, direct).output) REQUIRE(value == 0);
  }
}

TEST_CASE("numbers: by transforms, NaN stays NaN and reaches no further than the tile around it") {
  const graph::Graph graph = network(
      "const %1 \"w\" float32 [64, 64, 3, 3]\n"
      "node %2 \"y\" float32 [] = convolution(%0, %1) padding=[1, 1, 1, 1] activation=relu\noutput %2\n",
      "[N, 64, 28, 28]");
  constexpr std::size_t side = 28, place = 14;
  graph::Value image = random_image({4, 64, side, side}, 5);
  const std::vector<float> clean = expected_of(graph, image);
  std::get<0>(image.elements)[place * side + place] = nan;  // image 0, channel 0
  const std::vector<float> expected = expected_of(graph, image);
  bool by_transforms = false;
  for (const kernels::InstructionSet set : kernels::all_instruction_sets()) {
    const Run found = run(graph, image, set, false);
    CAPTURE(name_of(set));
    by_transforms |= found.implementations.find("winograd") != std::string::npos;
    std::size_t lost = 0, far = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const std::size_t pixel = i % (side * side), picture = i / (64 * side * side);
      const auto distance = [](std::size_t at) { return at > place ? at - place : place - at; };
      const bool near = picture == 0 && distance(pixel / side) <= 6 && distance(pixel % side) <= 6;
      if (std::isnan(expected[i]) && !std::isnan(found.output[i])) ++lost;
      if (!near && !same(found.output[i], clean[i])) ++far;
    }
    CHECK(lost == 0);
    CHECK(far == 0);
  }
  CHECK(by_transforms);
}

TEST_CASE("numbers: by Strassen's algorithm, what must be NaN is NaN") {
  const graph::Graph graph = network(
      "const %1 \"w\" float32 [256, 256, 1, 1]\n"
      "node %2 \"y\" float32 [] = convolution(%0, %1) activation=relu\noutput %2\n",
      "[N, 256, 28, 28]");
  const graph::Value image = with(random_image({2, 256, 28, 28}, 5), nan, 5003);
  const std::vector<float> expected = expected_of(graph, image);
  for (const kernels::InstructionSet set : kernels::all_instruction_sets()) {
    const Run found = run(graph, image, set, false, true);
    CAPTURE(name_of(set));
    CHECK(found.implementations.find("strassen") != std::string::npos);
    std::size_t lost = 0;
    for (std::size_t i = 0; i < expected.size(); ++i)
      if (std::isnan(expected[i]) && !std::isnan(found.output[i])) ++lost;
    CHECK(lost == 0);
  }
}

}  // namespace
}  // namespace residua::tests
