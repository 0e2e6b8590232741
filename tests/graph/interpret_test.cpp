// Whole graphs.
#include "graph/interpret.h"

#include "graph/text.h"
#include "graph/verify.h"
#include "tests/graph/values.h"

namespace residua::tests {
namespace {

using namespace residua::graph;

Graph parsed(const char* text) {
  Result<Graph> graph = parse_text(text);
  REQUIRE_MESSAGE(graph.ok(), graph.error().message);
  const Status status = verify(*graph);
  REQUIRE_MESSAGE(status.ok(), status.error().message);
  return std::move(graph).value();
}

TEST_CASE("a graph with two inputs and values used more than once") {
  const Graph graph = parsed(R"(graph "two"
input  %0 "a" float32 [N, 2]
input  %1 "b" float32 [N, 2]
const  %2 "c" float32 [2] values [10, 20]
node   %3 "sum" float32 [N, 2] = add(%0, %1)
node   %4 "square" float32 [N, 2] = multiply(%3, %3)
node   %5 "all" float32 [N, 2] = add(%4, %2)
output %5
output %3
output %2
output %0
)");
  const std::vector<Value> inputs{floats({2, 2}, {1, 2, 3, 4}), floats({2, 2}, {1, 1, 1, 1})};
  const Result<std::vector<Value>> outputs = interpret(graph, inputs);
  REQUIRE(outputs.ok());
  REQUIRE(outputs->size() == 4);
  check_floats((*outputs)[0], {2, 2}, {14, 29, 26, 45});
  check_floats((*outputs)[1], {2, 2}, {2, 3, 4, 5});
  check_floats((*outputs)[2], {2}, {10, 20});
  check_floats((*outputs)[3], {2, 2}, {1, 2, 3, 4});
}

TEST_CASE("inputs are held against what the graph declares") {
  const Graph graph = parsed(R"(graph "two"
input  %0 "a" float32 [N, 2]
input  %1 "b" float32 [N, ?]
node   %2 "sum" float32 [N, 2] = add(%0, %1)
output %2
)");
  const Value fits = pattern({3, 2}, 1);
  const auto refused = [&graph](std::vector<Value> inputs, const std::vector<std::string>& parts) {
    const Result<std::vector<Value>> result = interpret(graph, inputs);
    REQUIRE(!result.ok());
    CAPTURE(result.error().message);
    for (const std::string& part : parts) CHECK(result.error().message.find(part) != std::string::npos);
  };
  CHECK(interpret(graph, std::vector<Value>{fits, fits}).ok());
  refused({fits}, {"2 inputs, not 1"});
  refused({pattern({3, 3}, 1), fits}, {"\"a\"", "[N, 2]", "[3, 3]"});
  refused({pattern({3}, 1), fits}, {"\"a\""});
  refused({fits, pattern({4, 2}, 1)}, {"\"b\"", "[4, 2]"});  // N is 3 already
  refused({counting({3, 2}), fits}, {"\"a\""});
  refused({fits, Value{{3, 2}, std::vector<float>(5)}}, {"\"b\"", "5 elements"});
  refused({fits, pattern({3, 3}, 1)}, {"[3, 2]", "[3, 3]"});  // ? takes it, the op does not
}

TEST_CASE("shape arithmetic as exporters write it") {
  // x.view(x.size(0), -1)
  const Graph graph = parsed(R"(graph "view"
input  %0 "x" float32 [N, 4, ?, ?]
node   %1 "shape" int64 [4] = shape_of(%0)
const  %2 "first" int64 [] values [0]
node   %3 "batch" int64 [] = gather(%1, %2) axis=0
node   %4 "batches" int64 [1] = unsqueeze(%3) axes=[0]
const  %5 "rest" int64 [1] values [-1]
node   %6 "target" int64 [2] = concat(%4, %5) axis=0
node   %7 "flat" float32 [?, ?] = reshape(%0, %6)
output %7
)");
  const Value x = pattern({2, 4, 3, 1}, 1);
  const Result<std::vector<Value>> outputs = interpret(graph, std::vector<Value>{x});
  REQUIRE(outputs.ok());
  check_floats(outputs->at(0), {2, 12}, x.floats());
}

TEST_CASE("a residual block, fused and not") {
  const char* const head = R"(graph "block"
input  %0 "x" float32 [N, 4, ?, ?]
const  %1 "w1" float32 [4, 4, 3, 3] digest 1
const  %2 "b1" float32 [4] values [0.5, -0.5, 0.25, 0]
const  %3 "w2" float32 [4, 4, 3, 3] digest 2
)";
  const Graph plain = parsed((std::string(head) + R"(
node   %4 "c1" float32 [N, 4, ?, ?] = convolution(%0, %1, %2) padding=[1, 1, 1, 1]
node   %5 "r1" float32 [N, 4, ?, ?] = relu(%4)
node   %6 "c2" float32 [N, 4, ?, ?] = convolution(%5, %3) padding=[1, 1, 1, 1]
node   %7 "s" float32 [N, 4, ?, ?] = add(%6, %0)
node   %8 "r2" float32 [N, 4, ?, ?] = relu(%7)
output %8
)")
                                 .c_str());
  const Graph fused = parsed((std::string(head) + R"(
node   %5 "r1" float32 [N, 4, ?, ?] = convolution(%0, %1, %2) padding=[1, 1, 1, 1] activation=relu
node   %8 "r2" float32 [N, 4, ?, ?] = convolution(%5, %3, _, %0) padding=[1, 1, 1, 1] activation=relu
output %8
)")
                                 .c_str());
  const std::vector<Value> inputs{pattern({2, 4, 5, 6}, 1)};
  const std::vector<Value> expected = interpret(plain, inputs).value();
  check_floats(interpret(fused, inputs).value().at(0), {2, 4, 5, 6}, expected.at(0).floats());
}

TEST_CASE("values become constants and come back") {
  const Value x = pattern({2, 3}, 1);
  const Tensor constant = constant_of(x, "x");
  CHECK(constant.name == "x");
  CHECK(value_of(constant).floats() == x.floats());
  const Value counts = counting({4});
  CHECK(value_of(constant_of(counts, "c")).integers() == counts.integers());
}

}  // namespace
}  // namespace residua::tests
