// Networks that nobody would draw, optimised and compared with themselves.
#include "tests/graph/random_graph.h"
#include "pass_testing.h"

namespace residua::tests {
namespace {

using namespace residua::graph;

// canonical_input_layout changes what the input looks like: its graphs are compared elsewhere.
std::vector<Pass> passes_that_keep_inputs() {
  std::vector<Pass> passes;
  for (const Pass& pass : optimization_passes()) {
    if (pass.name != "canonical_input_layout") passes.push_back(pass);
  }
  return passes;
}

// What overflowed, and slices that leave an image without pixels (from which no reshape can infer a size), tell
// nothing.
bool is_comparable(const std::vector<Value>& outputs) {
  return std::all_of(outputs.begin(), outputs.end(), [](const Value& output) {
    if (output.elements.index() != 0) return true;
    return !output.floats().empty() && std::all_of(output.floats().begin(), output.floats().end(),
                                                   [](float value) { return std::isfinite(value); });
  });
}

TEST_CASE("random graphs compute the same after the passes, which then find no more to do") {
  const std::vector<Pass> passes = passes_that_keep_inputs();
  int compared = 0;
  const char* wanted = std::getenv("RESIDUA_TEST_SEEDS");
  const unsigned seeds = wanted ? static_cast<unsigned>(std::atoi(wanted)) : 400;
  for (unsigned seed = 0; seed < seeds; ++seed) {
    CAPTURE(seed);
    const Graph graph = GraphMaker(seed).make();
    REQUIRE(verify(graph).ok());
    CAPTURE(to_text(graph));
    const Result<Graph> optimized = run_passes(passes, graph);
    REQUIRE_MESSAGE(optimized.ok(), optimized.error().message);
    CAPTURE(to_text(*optimized));
    const Result<Graph> again = run_passes(passes, *optimized);
    REQUIRE(again.ok());
    CHECK(to_text(*again) == to_text(*optimized));
    const std::vector<Value> inputs = random_inputs(graph, 6);
    const Result<std::vector<Value>> expected = interpret(graph, inputs);
    if (!expected || !is_comparable(*expected)) continue;  // sizes that fit only other images
    check_equivalent(*optimized, graph, 6);
    ++compared;
  }
  CHECK(compared > static_cast<int>(seeds) / 2);
}

}  // namespace
}  // namespace residua::tests
