// Random valid graphs, which the input decides about: every instruction set's plan against the interpreter.
#include <cmath>
#include <random>
#include <vector>

#include "engine/bound_plan.h"
#include "engine/environment.h"
#include "engine/layout.h"
#include "engine/threads.h"
#include "graph/interpret.h"
#include "tests/fuzz/fuzz.h"
#include "tests/graph/random_graph.h"

namespace {

using namespace residua;

// Choices from the input, and when that is used up, from its hash.
tests::GraphMaker::Choice choices(const std::uint8_t* data, std::size_t size, unsigned seed) {
  return [=, at = std::size_t{0}, generator = std::mt19937(seed)](std::size_t bound) mutable {
    const std::size_t value = at + 1 < size ? data[at] : generator();
    ++at;
    return value % bound;
  };
}

// All tensors of floats as outputs, so that the largest value on the way is known: what cancels leaves an error of its
// size.
double largest_value(graph::Graph network, const graph::Value& input) {
  network.outputs.clear();
  for (const graph::Node& node : network.nodes)
    if (graph::is_floating_point(network.tensor(node.output).type)) network.outputs.push_back(node.output);
  const auto values = graph::interpret(network, {&input, 1});
  double largest = 1;
  if (!values) return largest;
  for (const graph::Value& value : *values)
    for (const float element : value.floats()) largest = std::max(largest, std::fabs(static_cast<double>(element)));
  return largest;
}

std::vector<float> run(std::shared_ptr<const engine::Plan> plan, const graph::Value& input) {
  engine::BoundPlan bound;
  engine::Block memory;
  bound.bind(plan, plan->key.threads, memory.at_least(engine::BoundPlan::bytes_for(*plan, plan->key.threads)));
  engine::from_row_major(input.shape, input.floats().data(), bound.input());
  engine::run_phases(bound.phases(), plan->key.threads);
  const graph::Shape& shape = plan->graph.tensor(plan->graph.outputs[0]).shape;
  std::vector<float> output(engine::float_count(shape));
  engine::to_row_major(shape, bound.output(), output.data());
  return output;
}

void compare(const graph::Graph& network, const graph::Value& input, std::uint8_t threads) {
  const auto expected = graph::interpret(network, {&input, 1});
  if (!expected || (*expected)[0].elements.index() != 0) return;
  const double largest = largest_value(network, input);
  if (!std::isfinite(largest)) return;
  for (const kernels::InstructionSet set : kernels::all_instruction_sets()) {
    const kernels::KernelTable kernels = kernels::make_kernel_table(kernels::detect_cpu(), set);
    engine::PackedWeights packed;
    const engine::PlanKey key{input.shape[0], input.shape[2], input.shape[3], 1 + threads % 2, input.shape[0]};
    const auto plan = engine::make_plan(network, key, kernels, packed);
    if (!plan) continue;
    const std::vector<float> found = run(*plan, input);
    const std::vector<float>& wanted = (*expected)[0].floats();
    const std::string where = " on " + std::string(name_of(set)) + "\n" + graph::to_text(network);
    fuzz::require(found.size() == wanted.size(), "another number of outputs" + where);
    for (std::size_t i = 0; i < found.size(); ++i)
      fuzz::require(std::fabs(static_cast<double>(found[i]) - static_cast<double>(wanted[i])) <= 1e-4 * largest,
                    "output " + std::to_string(i) + " is " + std::to_string(found[i]) + ", expected " +
                        std::to_string(wanted[i]) + where);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::lower_limits();
  static_cast<void>(engine::kernel_table());
  unsigned seed = 0;
  for (std::size_t i = 0; i < size; ++i) seed = seed * 31 + data[i];
  const graph::Graph made = tests::GraphMaker(seed, choices(data, size, seed)).make();
  if (!graph::verify(made)) return 0;
  const auto optimized = graph::optimize(made);
  fuzz::require(optimized.ok(), optimized ? "" : optimized.error().message);
  graph::Shape shape = optimized->tensor(optimized->inputs[0]).shape;
  if (shape.size() != 4 || !graph::is_static(shape[1])) return 0;
  for (graph::Dimension& dimension : shape)
    if (!graph::is_static(dimension)) dimension = dimension == graph::batch_dimension ? 2 : 6;
  std::vector<float> pixels(static_cast<std::size_t>(*graph::element_count(shape)));
  std::mt19937 generator(seed);
  for (float& pixel : pixels) pixel = std::uniform_real_distribution<float>(-1, 1)(generator);
  compare(*optimized, {shape, std::move(pixels)}, size > 0 ? data[size - 1] : std::uint8_t{0});
  return 0;
}
