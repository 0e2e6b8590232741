// Plans against the interpreter: every op, its layouts, broadcasts and fusions.
#include "engine/plan.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "engine/bound_plan.h"
#include "engine/environment.h"
#include "engine/layout.h"
#include "engine/threads.h"
#include "graph/architectures/resnet.h"
#include "graph/infer.h"
#include "graph/interpret.h"
#include "graph/pipeline.h"
#include "graph/text.h"

using namespace residua::engine;
namespace graph = residua::graph;

namespace {

std::vector<float> random_floats(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(random);
  return values;
}

graph::Graph parse(const std::string& text) {
  auto parsed = graph::parse_text(text);
  REQUIRE_MESSAGE(parsed.ok(), parsed.error().message);
  return std::move(parsed).value();
}

// One input x of `shape`, the given lines (which name their own outputs without shapes to check), the last tensor out.
std::shared_ptr<const Plan> plan_of(const graph::Graph& network, const PlanKey& key, PackedWeights& packed) {
  auto plan = make_plan(network, key, kernel_table(), packed);
  REQUIRE_MESSAGE(plan.ok(), plan.error().message);
  return *plan;
}

std::vector<float> run(const Plan& plan, const std::vector<float>& input) {
  BoundPlan bound;
  Block memory;
  bound.bind(std::make_shared<const Plan>(plan), plan.key.threads,
             memory.at_least(BoundPlan::bytes_for(plan, plan.key.threads)));
  const graph::TensorId in = plan.graph.inputs[0], out = plan.graph.outputs[0];
  std::vector<float> result;
  for (int repeat = 0; repeat < 2; ++repeat) {  // the second run meets the memory that the first one left
    from_row_major(plan.graph.tensor(in).shape, input.data(), bound.address(in));
    run_phases(bound.phases(), plan.key.threads);
    result.resize(float_count(plan.graph.tensor(out).shape));
    to_row_major(plan.graph.tensor(out).shape, bound.address(out), result.data());
  }
  return result;
}

// Runs `network` both ways and returns the largest difference relative to the largest value.
double difference(const graph::Graph& network, const PlanKey& key) {
  PackedWeights packed;
  const auto plan = plan_of(network, key, packed);
  const graph::Shape& shape = plan->graph.tensor(plan->graph.inputs[0]).shape;
  const std::vector<float> input = random_floats(float_count(shape), 7);
  const std::vector<float> found = run(*plan, input);
  const graph::Value value{shape, input};
  const auto expected = graph::interpret(network, {&value, 1});
  REQUIRE_MESSAGE(expected.ok(), expected.error().message);
  const std::vector<float>& reference = (*expected)[0].floats();
  REQUIRE(reference.size() == found.size());
  double worst = 0, largest = 1e-3;
  for (std::size_t i = 0; i < found.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(found[i]) - reference[i]));
    largest = std::max(largest, std::abs(static_cast<double>(reference[i])));
    if (std::isnan(found[i])) return 1e9;
  }
  return worst / largest;
}

// Shapes of node outputs are left to inference: the text says float32 [] and this fills them in.
graph::Graph network(std::initializer_list<const char*> lines, const std::string& input = "[N, 6, 9, 7]") {
  std::string text = "graph \"g\"\ninput %0 \"x\" float32 " + input + "\n", last;
  for (const char* line : lines) text += std::string(line) + "\n";
  const auto at = text.rfind("node %");
  last = text.substr(at + 5, text.find(' ', at + 5) - at - 5);
  auto inferred = graph::infer_shapes(parse(text + "output " + last + "\n"));
  REQUIRE_MESSAGE(inferred.ok(), inferred.error().message);
  return std::move(inferred).value();
}

std::string implementation(const graph::Graph& g) {
  PackedWeights packed;
  return plan_of(g, {.batch = 2, .height = 9, .width = 7, .threads = 1}, packed)->steps.back().implementation;
}

}  // namespace

TEST_CASE("every op, on its way of running and against the interpreter") {
  struct Case {
    const char* what;
    graph::Graph g;
    const char* runs_on;  // how the last step's implementation begins; "": that depends on the CPU
  };
  const char* weight = "const %1 \"w\" float32 [8, 6, 3, 3] digest 1";
  const Case cases[] = {
      {"convolution",
       network(
           {weight, "const %2 \"b\" float32 [8] digest 2",
            "node %3 \"y\" float32 [] = convolution(%0, %1, %2) strides=[2, 1] padding=[1, 2, 0, 1] activation=relu"}),
       ""},
      {"grouped, dilated",
       network({"const %1 \"w\" float32 [12, 3, 3, 2] digest 1",
                "node %3 \"y\" float32 [] = convolution(%0, %1) dilations=[2, 3] groups=2 padding=[1, 1, 1, 1]"}),
       ""},
      {"weights that are computed",
       network({"const %1 \"w\" float32 [6, 6, 1, 1] digest 1", "node %2 \"v\" float32 [] = relu(%1)",
                "node %3 \"y\" float32 [] = convolution(%0, %2)"}),
       "interpreter"},
      {"residual in place",
       network({"const %1 \"w\" float32 [16, 16, 3, 3] digest 1", "node %2 \"a\" float32 [] = relu(%0)",
                "node %3 \"b\" float32 [] = sigmoid(%2)",
                "node %4 \"y\" float32 [] = convolution(%3, %1, _, %2) padding=[1, 1, 1, 1] activation=relu"},
               "[N, 16, 9, 7]"),
       "winograd"},
      {"residual is x",
       network({"const %1 \"w\" float32 [16, 16, 3, 3] digest 1",
                "node %4 \"y\" float32 [] = convolution(%0, %1, _, %0) padding=[1, 1, 1, 1]"},
               "[N, 16, 9, 7]"),
       "winograd"},
      {"an image of few channels",
       network({"const %1 \"w\" float32 [32, 3, 3, 3] digest 1",
                "node %4 \"y\" float32 [] = convolution(%0, %1) padding=[1, 1, 1, 1] strides=[2, 2]"},
               "[N, 3, 9, 7]"),
       "grouped"},
      {"an image of few channels to few",
       network({"const %1 \"w\" float32 [5, 3, 3, 3] digest 1",
                "node %4 \"y\" float32 [] = convolution(%0, %1) padding=[1, 1, 1, 1]"},
               "[N, 3, 9, 7]"),
       "onednn"},
      {"residual is read later",
       network({"const %1 \"w\" float32 [6, 6, 1, 1] digest 1", "node %2 \"a\" float32 [] = relu(%0)",
                "node %4 \"y\" float32 [] = convolution(%0, %1, _, %2)", "node %5 \"z\" float32 [] = add(%4, %2)"}),
       ""},
      {"max pool",
       network({"node %1 \"y\" float32 [] = max_pool(%0) kernel=[3, 2] strides=[2, 2] padding=[1, 0, 1, 1] "
                "ceil_mode=true"}),
       "max_pool"},
      {"average pool",
       network({"node %1 \"y\" float32 [] = average_pool(%0) kernel=[3, 3] strides=[2, 2] padding=[1, 1, 1, 1] "
                "ceil_mode=true"}),
       "average_pool"},
      {"average with padding",
       network({"node %1 \"y\" float32 [] = average_pool(%0) kernel=[3, 3] strides=[2, 2] padding=[1, 1, 1, 1] "
                "count_include_pad=true"}),
       "average_pool"},
      {"global average", network({"node %1 \"y\" float32 [] = global_average_pool(%0)"}), "global_average"},
      {"batch norm",
       network({"const %1 \"s\" float32 [6] digest 1", "const %2 \"b\" float32 [6] digest 2",
                "const %3 \"m\" float32 [6] digest 3", "const %4 \"v\" float32 [6] values [1, 2, 0.5, 3, 0.1, 1]",
                "node %5 \"y\" float32 [] = batch_norm(%0, %1, %2, %3, %4)"}),
       "scale_shift"},
      {"batch norm and relu",
       network({"const %1 \"s\" float32 [6] digest 1", "const %2 \"b\" float32 [6] digest 2",
                "const %3 \"m\" float32 [6] digest 3", "const %4 \"v\" float32 [6] values [1, 2, 0.5, 3, 0.1, 1]",
                "node %5 \"y\" float32 [] = batch_norm(%0, %1, %2, %3, %4) activation=relu"}),
       "scale_shift"},
      {"group norm",
       network({"const %1 \"s\" float32 [6] digest 1", "const %2 \"b\" float32 [6] digest 2",
                "node %3 \"y\" float32 [] = group_norm(%0, %1, %2) groups=3"}),
       "group_norm"},
      {"instance norm of few pixels, and relu",
       network({"const %1 \"s\" float32 [6] digest 1", "const %2 \"b\" float32 [6] digest 2",
                "node %4 \"p\" float32 [] = average_pool(%0) kernel=[5, 3] strides=[5, 3]",
                "node %5 \"y\" float32 [] = group_norm(%4, %1, %2) groups=6 activation=relu"}),
       "group_norm"},
      {"quantize", network({"node %1 \"y\" float32 [] = quantize(%0) scale=0.125 zero_point=3 dequantize=true"}),
       "quantize"},
      {"quantize to whole numbers",
       network({"node %1 \"y\" float32 [] = quantize(%0) scale=0.03125 zero_point=100 minimum=0 maximum=130"}),
       "quantize"},
      {"relu", network({"node %1 \"y\" float32 [] = relu(%0)"}), "clamp"},
      {"sigmoid", network({"node %1 \"y\" float32 [] = sigmoid(%0)"}), "sigmoid"},
      {"clip", network({"node %1 \"y\" float32 [] = clip(%0) minimum=-0.25 maximum=0.5"}), "clamp"},
      {"softmax over channels", network({"node %1 \"y\" float32 [] = softmax(%0) axis=1"}), "softmax"},
      {"softmax over columns", network({"node %1 \"y\" float32 [] = softmax(%0) axis=-1"}), "softmax"},
      {"a single value", network({"const %1 \"c\" float32 [] digest 1", "node %2 \"y\" float32 [] = multiply(%0, %1)"}),
       "onednn"},
      {"add to itself", network({"node %1 \"y\" float32 [] = add(%0, %0)"}), "loop"},
      {"a channel's constant",
       network({"const %1 \"c\" float32 [6, 1, 1] digest 1", "node %2 \"y\" float32 [] = multiply(%0, %1)"}), "onednn"},
      {"constant first",
       network({"const %1 \"c\" float32 [1, 6, 1, 1] digest 1", "node %2 \"y\" float32 [] = add(%1, %0)"}), "onednn"},
      {"constant minus x",
       network({"const %1 \"c\" float32 [1, 6, 1, 1] digest 1", "node %2 \"y\" float32 [] = subtract(%1, %0)"}),
       "interpreter"},
      {"a gate",
       network({"node %1 \"a\" float32 [] = global_average_pool(%0)", "node %2 \"b\" float32 [] = sigmoid(%1)",
                "node %3 \"y\" float32 [] = channel_gate(%0, %2)"}),
       "channel gate"},
      {"a product that broadcasts, as no pass has made a gate of it",
       network({"node %1 \"a\" float32 [] = global_average_pool(%0)", "node %2 \"b\" float32 [] = sigmoid(%1)",
                "node %3 \"c\" float32 [] = sigmoid(%0)", "node %4 \"y\" float32 [] = multiply(%2, %3)"}),
       "onednn"},
      {"a gate and relu",
       network({"node %1 \"a\" float32 [] = global_average_pool(%0)", "node %2 \"b\" float32 [] = relu(%0)",
                "node %3 \"y\" float32 [] = channel_gate(%2, %1) activation=relu"}),
       "channel gate"},
      {"a gate on what it was made of",
       network(
           {"node %1 \"a\" float32 [] = global_average_pool(%0)", "node %3 \"y\" float32 [] = channel_gate(%1, %1)"}),
       "channel gate"},
      {"a gate whose residual is x",
       network({"node %1 \"a\" float32 [] = global_average_pool(%0)", "node %2 \"b\" float32 [] = sigmoid(%0)",
                "node %3 \"y\" float32 [] = channel_gate(%2, %1, %2)"}),
       "channel gate"},
      {"a gate into its residual",
       network({"node %1 \"a\" float32 [] = global_average_pool(%0)", "node %2 \"b\" float32 [] = sigmoid(%0)",
                "node %3 \"c\" float32 [] = relu(%0)", "node %4 \"d\" float32 [] = channel_gate(%2, %1, %3)",
                "node %5 \"y\" float32 [] = add(%4, %2)"}),
       "loop"},
      {"a gate, a residual and relu",
       network({"node %1 \"a\" float32 [] = global_average_pool(%0)", "node %2 \"b\" float32 [] = sigmoid(%0)",
                "node %3 \"y\" float32 [] = channel_gate(%0, %1, %2) activation=relu"}),
       "channel gate"},
      {"difference of equal shapes",
       network({"node %1 \"a\" float32 [] = relu(%0)", "node %2 \"y\" float32 [] = subtract(%1, %0)"}), "loop"},
      {"expand",
       network({"node %1 \"a\" float32 [] = global_average_pool(%0)",
                "node %2 \"y\" float32 [] = expand(%1) shape=[1, 6, 2, 3]"}),
       "interpreter"},
      {"mirrored edges",
       network({"node %1 \"y\" float32 [] = pad(%0) before=[0, 0, 3, 0] after=[0, 0, 1, 6] mode=reflect"}),
       "pixel copy"},
      {"repeated edges",
       network({"node %1 \"y\" float32 [] = pad(%0) before=[0, 0, 0, 2] after=[0, 0, 12, 1] mode=edge"}), "pixel copy"},
      {"mirrored channels",
       network({"node %1 \"y\" float32 [] = pad(%0) before=[0, 2, 0, 0] after=[0, 0, 0, 0] "
                "mode=reflect"}),
       "interpreter"},
      {"slice by steps",
       network({"node %1 \"y\" float32 [] = slice(%0) starts=[1, -6] ends=[9223372036854775807, 100] axes=[2, 3] "
                "steps=[2, 3]"}),
       "onednn reorder"},
      {"slice backwards",
       network({"node %1 \"y\" float32 [] = slice(%0) starts=[-1] ends=[-9223372036854775807] axes=[3] steps=[-1]"}),
       "interpreter"},
      {"pad channels", network({"node %1 \"y\" float32 [] = pad(%0) before=[0, 2, 0, 1] after=[0, 3, 1, 0] value=0.5"}),
       "onednn reorder"},
      {"crop and pad", network({"node %1 \"y\" float32 [] = pad(%0) before=[0, -1, 2, 0] after=[0, 0, -3, 0]"}),
       "onednn reorder"},
      {"concat channels",
       network({"node %1 \"a\" float32 [] = relu(%0)", "node %2 \"y\" float32 [] = concat(%0, %1, %0) axis=1"}),
       "pixel copy"},
      {"concat rows",
       network({"node %1 \"a\" float32 [] = relu(%0)", "node %2 \"y\" float32 [] = concat(%0, %1) axis=-2"}),
       "onednn reorder"},
      {"transpose", network({"node %1 \"y\" float32 [] = transpose(%0) permutation=[0, 2, 3, 1]"}), "onednn reorder"},
      {"flatten an image", network({"node %1 \"y\" float32 [] = flatten(%0)"}), "onednn reorder"},
      {"reshape to an image",
       network({"node %1 \"a\" float32 [] = flatten(%0)", "node %2 \"y\" float32 [] = reshape(%1) shape=[0, 7, 6, 9]"}),
       "onednn reorder"},
      {"reshape image to image", network({"node %1 \"y\" float32 [] = reshape(%0) shape=[0, 7, 9, -1]"}),
       "onednn reorder"},
      {"classifier",
       network({"const %1 \"w\" float32 [5, 6] digest 1", "const %2 \"b\" float32 [5] digest 2",
                "node %3 \"a\" float32 [] = global_average_pool(%0)", "node %4 \"f\" float32 [] = flatten(%3)",
                "node %5 \"y\" float32 [] = fully_connected(%4, %1, %2)"}),
       "direct"},
      {"classifier on pixels",
       network({"const %1 \"w\" float32 [5, 378] digest 1", "node %5 \"y\" float32 [] = fully_connected(%0, %1)"}),
       "direct"},
      {"windows in the padding",
       network({"node %1 \"y\" float32 [] = max_pool(%0) kernel=[2, 2] dilations=[8, 6] strides=[1, 1] padding=[4, 3, "
                "4, 3]"}),
       ""},
  };
  for (const Case& item : cases) {
    CAPTURE(item.what);
    const std::string runs_on = implementation(item.g);
    CHECK_MESSAGE(runs_on.rfind(item.runs_on, 0) == 0, runs_on);
    for (int threads : {1, 2})
      for (std::int64_t batch : {1, 3})
        CHECK(difference(item.g, {.batch = batch, .height = 9, .width = 7, .threads = threads}) < 1e-5);
  }
}

TEST_CASE("a convolution adds in place only where nobody needs the residual") {
  PackedWeights packed;
  const auto overwrites = [&](const graph::Graph& g) {
    return plan_of(g, {.batch = 1, .height = 9, .width = 7, .threads = 1}, packed)->steps.back().overwrites;
  };
  const char* weight = "const %1 \"w\" float32 [6, 6, 1, 1] digest 1";
  CHECK(overwrites(network({weight, "node %2 \"a\" float32 [] = relu(%0)", "node %3 \"b\" float32 [] = sigmoid(%2)",
                            "node %4 \"y\" float32 [] = convolution(%3, %1, _, %2)"})) != graph::no_tensor);
  CHECK(overwrites(network({weight, "node %4 \"y\" float32 [] = convolution(%0, %1, _, %0)"})) == graph::no_tensor);
}

TEST_CASE("a gate works in place on x or on its residual, whichever is needed no more") {
  PackedWeights packed;
  const auto overwrites = [&](const std::string& operands, const char* last) {
    const std::string gate = "node %4 \"d\" float32 [] = channel_gate(" + operands + ")";
    const graph::Graph g =
        network({"node %1 \"a\" float32 [] = global_average_pool(%0)", "node %2 \"b\" float32 [] = sigmoid(%0)",
                 "node %3 \"c\" float32 [] = relu(%0)", gate.c_str(), last});
    const auto plan = plan_of(g, {.batch = 1, .height = 9, .width = 7, .threads = 1}, packed);
    for (const Step& step : plan->steps)
      if (step.op == graph::Op::channel_gate) return step.overwrites;
    return graph::TensorId{-2};
  };
  CHECK(overwrites("%2, %1, %3", "node %5 \"y\" float32 [] = add(%4, %4)") == 2);
  CHECK(overwrites("%2, %1, %3", "node %5 \"y\" float32 [] = add(%4, %2)") == 3);
  CHECK(overwrites("%2, %1, %3", "node %5 \"y\" float32 [] = concat(%4, %2, %3)") == graph::no_tensor);
  CHECK(overwrites("%2, %1", "node %5 \"y\" float32 [] = add(%4, %3)") == 2);
}

TEST_CASE("resnet50: small arena, shared weights, the same answer for every plan") {
  auto configuration = *graph::find_architecture("resnet50");
  auto built = graph::build_resnet(configuration, graph::random_weights(configuration, 1));
  REQUIRE_MESSAGE(built.ok(), built.error().message);
  auto optimized = graph::optimize(std::move(*built));
  REQUIRE_MESSAGE(optimized.ok(), optimized.error().message);
  PackedWeights packed;
  const auto plan = plan_of(*optimized, {.batch = 1, .height = 224, .width = 224, .threads = 2}, packed);
  CHECK(plan->steps.size() == 56);
  CHECK(plan->gflop == doctest::Approx(8.2).epsilon(0.02));
  MESSAGE("arena ", plan->arena_bytes, " bytes, largest set alive together ", plan->arena_lower_bound);
  CHECK(static_cast<double>(plan->arena_bytes) <= 1.3 * static_cast<double>(plan->arena_lower_bound));
  for (const Step& step : plan->steps) CHECK(step.implementation != "interpreter");
}

TEST_CASE("shapes that the network cannot take") {
  PackedWeights packed;
  const graph::Graph g = network({"node %1 \"y\" float32 [] = max_pool(%0) kernel=[8, 8]"}, "[N, 6, ?, ?]");
  CHECK_FALSE(make_plan(g, {.batch = 1, .height = 5, .width = 5, .threads = 1}, kernel_table(), packed).ok());
  const graph::Graph fixed = network({"node %1 \"y\" float32 [] = relu(%0)"});
  const auto plan = make_plan(fixed, {.batch = 1, .height = 10, .width = 7, .threads = 1}, kernel_table(), packed);
  REQUIRE_FALSE(plan.ok());
  CHECK(plan.error().message.find("9") != std::string::npos);
}

TEST_CASE("an output that is a constant, and tensors that no memory holds") {
  PackedWeights packed;
  const PlanKey key{.batch = 1, .height = 9, .width = 7, .threads = 1};
  const auto error = [&](const graph::Graph& g) {
    const auto plan = make_plan(g, key, kernel_table(), packed);
    REQUIRE_FALSE(plan.ok());
    return plan.error().message;
  };
  graph::Graph constant = network({"const %1 \"c\" float32 [1, 6] digest 1", "node %2 \"y\" float32 [] = relu(%0)"});
  constant.outputs = {1};
  CHECK(error(constant).find("constant") != std::string::npos);
  const std::string huge =
      error(network({"node %1 \"y\" float32 [] = pad(%0) before=[0, 0, 4611686018427387, 0] after=[0, 0, 0, 0]"}));
  CHECK_MESSAGE(huge.find("elements") != std::string::npos, huge);
}

TEST_CASE("padding by more than fits an int64 product copies nothing") {
  CHECK(difference(network({"node %1 \"y\" float32 [] = pad(%0) before=[0, 0, 4611686018427387904, 0] after=[0, 0, "
                            "-4611686018427387904, 0] value=2"}),
                   {.batch = 1, .height = 9, .width = 7, .threads = 1}) < 1e-6);
}
