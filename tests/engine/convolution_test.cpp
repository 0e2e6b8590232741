// Every way to run a convolution, at every instruction set of this CPU, against the interpreter.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "engine/arena.h"
#include "engine/bound_plan.h"
#include "engine/caches.h"
#include "engine/environment.h"
#include "engine/layout.h"
#include "engine/select.h"
#include "engine/steps/blocked_convolution.h"
#include "graph/infer.h"
#include "graph/interpret.h"

using namespace residua::engine;
namespace graph = residua::graph;
namespace kernels = residua::kernels;

namespace {

struct Shape {
  std::int64_t batch, channels, height, width, outputs, kernel_height, kernel_width;
  std::int64_t stride = 1, dilation = 1, groups = 1;
  graph::Padding padding{};
  bool bias = true, residual = false, relu = false;
  std::int64_t stride_of_rows = 0;  // 0: like the columns'
};

std::vector<float> random_floats(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = uniform(random);
  return values;
}

// Inputs 0 (x) and, with a residual, 1; one convolution.
graph::Graph network(const Shape& shape) {
  graph::Graph g;
  const auto tensor = [&](const char* name, const graph::Shape& dims) {
    graph::Tensor t;
    t.name = name;
    t.shape = dims;
    return g.add(t);
  };
  const graph::TensorId x = tensor("x", {shape.batch, shape.channels, shape.height, shape.width});
  const graph::Shape weight_shape{shape.outputs, shape.channels / shape.groups, shape.kernel_height,
                                  shape.kernel_width};
  const std::int64_t weights = weight_shape[0] * weight_shape[1] * weight_shape[2] * weight_shape[3];
  const graph::TensorId weight = g.add(graph::make_float_constant("w", weight_shape, random_floats(weights, 1)));
  graph::Node node;
  node.op = graph::Op::convolution;
  node.name = "convolution";
  node.attributes = graph::ConvolutionAttributes{
      .strides = {shape.stride_of_rows > 0 ? shape.stride_of_rows : shape.stride, shape.stride},
      .padding = shape.padding,
      .dilations = {shape.dilation, shape.dilation},
      .groups = shape.groups,
      .activation = shape.relu ? graph::Activation::relu : graph::Activation::none};
  node.inputs = {x, weight,
                 shape.bias ? g.add(graph::make_float_constant("b", {shape.outputs}, random_floats(shape.outputs, 2)))
                            : graph::no_tensor};
  node.output = tensor("y", {});
  g.inputs = {x};
  const auto type = graph::infer(g, node);
  REQUIRE_MESSAGE(type.ok(), type.error().message);
  g.tensor(node.output).shape = type->shape;
  if (shape.residual) {
    node.inputs.push_back(tensor("r", type->shape));
    g.inputs.push_back(node.inputs.back());
  }
  g.outputs = {node.output};
  g.nodes = {node};
  return g;
}

// The one step for `threads` threads, every tensor in memory of its own.
std::shared_ptr<const Plan> plan_of(const graph::Graph& g, const Step& step, int threads) {
  auto plan = std::make_shared<Plan>();
  plan->graph = g;
  plan->key.threads = threads;
  plan->steps = {step};
  for (const graph::Tensor& tensor : g.tensors) {
    plan->offsets.push_back(plan->arena_bytes);
    if (!tensor.is_constant()) plan->arena_bytes += whole_cache_lines(float_bytes(tensor.shape));
  }
  plan->scratch_bytes = step.scratch_bytes;
  plan->shared_scratch_bytes = step.shared_scratch_bytes;
  return plan;
}

std::vector<float> run(const graph::Graph& g, const Step& step, int threads,
                       const std::vector<std::vector<float>>& inputs) {
  const std::shared_ptr<const Plan> plan = plan_of(g, step, threads);
  BoundPlan bound;
  Block memory;
  bound.bind(plan, threads, memory.at_least(BoundPlan::bytes_for(*plan, threads)));
  for (std::size_t i = 0; i < inputs.size(); ++i)
    from_row_major(g.tensor(g.inputs[i]).shape, inputs[i].data(), bound.address(g.inputs[i]));
  run_phases(bound.phases(), threads);
  const graph::Shape& output = g.tensor(g.outputs[0]).shape;
  std::vector<float> result(float_count(output));
  to_row_major(output, bound.output(), result.data());
  return result;
}

}  // namespace

TEST_CASE("upcoming weights: every line is asked for, in order, and no faster than as many products need") {
  constexpr std::int64_t line = 16;  // floats
  const std::vector<float> weights(64 * 48);
  for (const std::int64_t width : {8, 16, 32, 48})
    for (const std::int64_t depths : {16, 64})
      for (const std::int64_t products : {1, 2, 3, 7, 50}) {
        CAPTURE(width);
        CAPTURE(depths);
        CAPTURE(products);
        const std::int64_t floats = depths * width;
        UpcomingLines lines(weights.data(), floats, depths, products);
        std::int64_t asked = 0, asking = 0, step = 0;
        for (std::int64_t product = 0; product < products; ++product) {
          const kernels::UpcomingWeights share = lines.next();
          if (share.first == nullptr) continue;
          CHECK(share.first == weights.data() + asked);
          CHECK(line % share.step == 0);
          CHECK(line / share.step <= UpcomingLines::most_depths_a_line);
          step = share.step;
          asked = std::min(asked + depths * step, floats);
          CHECK(++asking == product + 1);
        }
        CHECK(asked == std::min(floats, products * depths * step));
        // At the full pace all would be asked for if there were products enough; at half of the pace it would not.
        CHECK((asked == floats || step == line));
        if (line / step < UpcomingLines::most_depths_a_line) CHECK(products * depths * step / 2 < floats);
      }
  UpcomingLines none(nullptr, 32, 1, 2);
  CHECK(none.next().first == nullptr);
}

TEST_CASE("neither of two threads is left without work on a layer of a network, of one image") {
  const graph::Padding one{1, 1, 1, 1};
  const Shape shapes[] = {{1, 3, 224, 224, 64, 7, 7, 2, 1, 1, {3, 3, 3, 3}},
                          {1, 64, 56, 56, 64, 1, 1},
                          {1, 64, 56, 56, 64, 3, 3, 1, 1, 1, one},
                          {1, 256, 56, 56, 512, 1, 1, 2},
                          {1, 128, 28, 28, 128, 3, 3, 1, 1, 1, one},
                          {1, 128, 28, 28, 256, 3, 3, 2, 1, 1, one},
                          {1, 256, 14, 14, 1024, 1, 1},
                          {1, 256, 14, 14, 256, 3, 3, 1, 1, 1, one},
                          {1, 256, 14, 14, 512, 1, 1, 2},
                          {1, 2048, 7, 7, 512, 1, 1},
                          {1, 512, 7, 7, 512, 3, 3, 1, 1, 1, one},
                          {1, 128, 56, 56, 128, 3, 3, 1, 1, 32, one}};
  constexpr int threads = 2;
  for (const Shape& shape : shapes) {
    const graph::Graph g = network(shape);
    PackedWeights packed;
    const Selection selection = select({.graph = g,
                                        .node = g.nodes[0],
                                        .threads = threads,
                                        .run_batch = 1,
                                        .kernels = kernel_table(),
                                        .packed = packed,
                                        .may_overwrite = [](graph::TensorId) { return false; }});
    const auto plan = plan_of(g, selection.step, threads);
    BoundPlan bound;
    Block memory;
    bound.bind(plan, threads, memory.at_least(BoundPlan::bytes_for(*plan, threads)));
    std::int64_t parts = 0;
    for (const Phase& phase : bound.phases()) parts = std::max(parts, phase.parts);
    const std::string what = selection.step.implementation + " " + graph::to_string(g.tensor(0).shape) + " -> " +
                             graph::to_string(g.tensor(g.outputs[0]).shape);
    CAPTURE(what);
    CHECK(parts >= threads);
  }
}

TEST_CASE("every implementation of convolution that takes a node agrees with the interpreter, on any threads") {
  const graph::Padding one{1, 1, 1, 1}, none{}, odd{1, 0, 0, 1};
  const Shape shapes[] = {
      {1, 3, 33, 29, 64, 7, 7, 2, 1, 1, {3, 3, 3, 3}, true, false, true},
      {2, 1, 20, 24, 30, 7, 7, 2, 1, 1, {3, 3, 3, 3}, true, true, true},
      {1, 4, 19, 12, 64, 7, 7, 2, 1, 1, {2, 3, 3, 1}, false, false, false},
      {2, 64, 17, 15, 48, 3, 3, 1, 1, 1, one, true, true, true},
      {1, 33, 9, 13, 70, 3, 3, 1, 1, 1, odd, false, false, false},
      {3, 5, 4, 4, 7, 3, 3, 1, 1, 1, none, true, true, false},
      {1, 16, 1, 1, 16, 3, 3, 1, 1, 1, one, true, false, true},
      {1, 160, 7, 7, 512, 3, 3, 1, 1, 1, one, true, true, true},
      {1, 264, 7, 6, 12, 3, 3, 1, 1, 1, one, true, false, false},
      {1, 264, 9, 7, 36, 3, 3, 2, 1, 1, one, true, false, true},
      {2, 48, 11, 10, 40, 3, 3, 2, 1, 1, one, true, false, true},
      {1, 24, 12, 12, 20, 3, 3, 1, 2, 1, {2, 2, 2, 2}, true, true, false},
      {2, 256, 14, 14, 96, 1, 1, 1, 1, 1, none, true, true, true},
      {2, 64, 17, 15, 80, 3, 3, 1, 1, 1, one, true, true, true},
      {1, 96, 12, 13, 64, 3, 3, 2, 1, 1, one, true, false, true},
      {1, 32, 9, 9, 64, 3, 3, 1, 2, 1, {2, 2, 2, 2}, false, true, false},
      {2, 1152, 7, 7, 320, 1, 1, 1, 1, 1, none, true, true, true},
      {3, 320, 7, 7, 64, 3, 3, 1, 1, 1, one, true, false, true},
      {2, 32, 3, 2, 64, 5, 5, 1, 1, 1, {2, 2, 2, 2}, true, true, true},
      {1, 64, 13, 13, 33, 1, 1, 2, 1, 1, none, false, false, true},
      {3, 64, 13, 13, 128, 1, 1, 2, 1, 1, none, true, true, true},
      {1, 64, 10, 10, 64, 3, 3, 1, 1, 4, one, true, false, true},
      {1, 128, 9, 9, 128, 3, 3, 2, 1, 4, one, true, true, true},
      {1, 12, 8, 8, 12, 3, 3, 1, 1, 12, one, true, false, false},
      {2, 64, 9, 11, 64, 3, 3, 2, 1, 16, one, true, true, true},
      {1, 96, 10, 30, 96, 3, 3, 1, 1, 12, odd, true, true, false},
      {1, 1024, 7, 7, 512, 1, 1, 1, 1, 1, none, true, false, true},
      {2, 3, 23, 17, 64, 3, 3, 2, 1, 1, one, true, true, true},
      {1, 6, 12, 9, 64, 3, 3, 1, 1, 2, one, true, false, true},
      {1, 64, 4, 3, 64, 3, 3, 1, 1, 16, {5, 4, 6, 7}, true, true, false},
      {2, 64, 60, 60, 64, 3, 3, 2, 1, 8, one, true, true, true},
      {1, 64, 20, 9, 64, 3, 3, 1, 1, 16, one, true, false, true, 7},
      {1,
       64,
       64,
       1,
       64,
       3,
       3,
       1,
       1,
       16,
       {(std::int64_t{1} << 58) - 61, 1, 0, 1},
       true,
       false,
       true,
       std::int64_t{1} << 58},
  };
  std::set<std::string> seen;
  for (const kernels::InstructionSet set : kernels::all_instruction_sets()) {
    if (kernels::best_instruction_set(kernels::detect_cpu(), set) != set) continue;
    const kernels::KernelTable table = kernels::make_kernel_table(kernels::detect_cpu(), set);
    for (const Shape& shape : shapes) {
      const graph::Graph g = network(shape);
      std::vector<graph::Value> values;
      std::vector<std::vector<float>> inputs;
      for (const graph::TensorId id : g.inputs) {
        const graph::Shape& dims = g.tensor(id).shape;
        inputs.push_back(random_floats(static_cast<std::int64_t>(float_count(dims)), 7 + static_cast<unsigned>(id)));
        values.push_back({dims, inputs.back()});
      }
      const auto expected = graph::interpret(g, values);
      REQUIRE_MESSAGE(expected.ok(), expected.error().message);
      const std::vector<float>& reference = (*expected)[0].floats();
      double largest = 0;
      for (const float value : reference) largest = std::max(largest, std::abs(static_cast<double>(value)));

      for (const Implementation& implementation : candidates(graph::Op::convolution)) {
        if (std::string(implementation.name) == "interpreter") continue;
        // oneDNN refuses such sizes with an error.
        if (std::string(implementation.name) == "onednn" && shape.stride_of_rows > std::numeric_limits<int>::max())
          continue;
        std::vector<float> first;
        for (const int threads : {1, 2, 3, 4}) {
          PackedWeights packed;
          const StepRequest request{.graph = g,
                                    .node = g.nodes[0],
                                    .threads = threads,
                                    .run_batch = shape.batch,
                                    .kernels = table,
                                    .packed = packed,
                                    .may_overwrite = [](graph::TensorId) { return false; }};
          if (!implementation.reject(request).empty()) continue;
          const OneOpenmpThread one_thread;
          const std::vector<float> found = run(g, implementation.make(request), threads, inputs);
          const std::string what = std::string(implementation.name) + " " + std::string(name_of(set)) + " " +
                                   graph::to_string(g.tensor(0).shape) + " -> " +
                                   graph::to_string(g.tensor(g.outputs[0]).shape);
          CAPTURE(what);
          CAPTURE(threads);
          double worst = 0;
          for (std::size_t i = 0; i < found.size(); ++i)
            worst = std::max(worst, std::abs(static_cast<double>(found[i]) - reference[i]));
          CHECK(worst <= 2e-5 * largest);
          if (first.empty()) first = found;
          CHECK(found == first);
          seen.insert(implementation.name);
        }
      }
    }
  }
  std::set<std::string> all{"direct",
                            "grouped",
                            "onednn",
                            "strassen",
                            "winograd 2x2",
                            "winograd 2x2 compact",
                            "winograd 2x2 stride 2",
                            "winograd 2x2 stride 2 compact",
                            "winograd 4x4",
                            "winograd 4x4 compact",
                            "winograd 4x4 stride 2",
                            "winograd 4x4 stride 2 compact",
                            "winograd 4x4 terms",
                            "winograd 6x6",
                            "winograd stem"};
  if (kernels::detect_cpu().amx) all.insert({"tiles", "winograd lines"});
  CHECK(seen == all);
}

TEST_CASE("blocks of output channels that are taken together give the bits of those taken one by one") {
  // Weights of more than two level 2 caches, of seven blocks of output channels with AVX-512, and panels of as much.
  const auto level2 = static_cast<std::int64_t>(caches().level2);
  const std::int64_t channels = 32 * (5 + level2 / (320 << 10)), outputs = 208, images = 6 + level2 / (512 << 10);
  const graph::Graph g = network({images, channels, 14, 13, outputs, 3, 3, 1, 1, 1, {1, 1, 1, 1}, true, true, true});
  std::vector<std::vector<float>> inputs;
  for (const graph::TensorId id : g.inputs)
    inputs.push_back(random_floats(static_cast<std::int64_t>(float_count(g.tensor(id).shape)), 3));
  kernels::KernelTable table = kernel_table();
  for (const Implementation& implementation : candidates(graph::Op::convolution)) {
    const std::string name = implementation.name;
    if (name != "winograd 4x4" && name != "winograd 4x4 compact") continue;
    CAPTURE(name);
    std::vector<float> one_by_one;
    std::size_t scratch = 0;
    for (const bool together : {false, true})
      for (const int threads : {1, 2, 3}) {
        table.loads_bind_products = together;  // which they are taken together for
        PackedWeights packed;
        const Step step = implementation.make({.graph = g,
                                               .node = g.nodes[0],
                                               .threads = threads,
                                               .run_batch = images,
                                               .kernels = table,
                                               .packed = packed,
                                               .may_overwrite = [](graph::TensorId) { return false; }});
        if (threads == 1 && !together) scratch = step.scratch_bytes;
        if (threads == 1 && together && level2 <= 3 << 20) CHECK(step.scratch_bytes > scratch);
        const std::vector<float> found = run(g, step, threads, inputs);
        if (one_by_one.empty()) one_by_one = found;
        CHECK(found == one_by_one);
      }
  }
}
