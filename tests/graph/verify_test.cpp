// One broken invariant at a time.
#include "graph/verify.h"

#include "graph/text.h"
#include "tests/graph/values.h"

namespace residua::tests {
namespace {

using namespace residua::graph;

// Tensors: 0 image, 1 weight, 2 convolved, 3 activated.
Graph sound() {
  return parse_text(R"(graph "net"
input  %0 "image" float32 [N, 3, ?, ?]
const  %1 "weight" float32 [8, 3, 3, 3] digest 0
node   %2 "convolved" float32 [N, 8, ?, ?] = convolution(%0, %1) padding=[1, 1, 1, 1]  # conv
node   %3 "activated" float32 [N, 8, ?, ?] = relu(%2)  # act
output %3
)")
      .value();
}

template <class Change>
void check_refused(Change change, const std::vector<std::string>& parts, ErrorCode code = ErrorCode::malformed) {
  Graph graph = sound();
  change(graph);
  check_error(verify(graph), code, parts);
}

TEST_CASE("a sound graph is accepted") {
  const Status status = verify(sound());
  CHECK_MESSAGE(status.ok(), (status.ok() ? "" : status.error().message));
}

TEST_CASE("unused tensors and repeated outputs are no harm") {
  Graph graph = sound();
  graph.add({"left over", ElementType::float32, {3}, {}});
  graph.outputs = {3, 2, 3, 0, 1};
  CHECK(verify(graph).ok());
}

TEST_CASE("ids out of range") {
  check_refused([](Graph& g) { g.inputs[0] = 4; }, {"input 0", "tensor 4"});
  check_refused([](Graph& g) { g.inputs[0] = no_tensor; }, {"input 0", "tensor -1"});
  check_refused([](Graph& g) { g.outputs[0] = 77; }, {"output 0", "tensor 77"});
  check_refused([](Graph& g) { g.nodes[0].inputs[1] = 4; }, {"\"conv\"", "input 1", "tensor 4"});
  check_refused([](Graph& g) { g.nodes[0].inputs[1] = -2; }, {"\"conv\"", "tensor -2"});
  check_refused([](Graph& g) { g.nodes[1].output = no_tensor; }, {"\"act\"", "output"});
  check_refused([](Graph& g) { g.nodes[1].output = INT32_MAX; }, {"\"act\"", "output"});
}

TEST_CASE("order and producers") {
  check_refused([](Graph& g) { std::swap(g.nodes[0], g.nodes[1]); }, {"\"act\"", "\"convolved\"", "earlier node"});
  check_refused([](Graph& g) { g.nodes[1].inputs[0] = 3; }, {"\"act\"", "\"activated\""});
  check_refused([](Graph& g) { g.nodes[1].output = 2; }, {"\"convolved\"", "already"});
  check_refused([](Graph& g) { g.nodes[1].output = 1; }, {"\"weight\"", "already"});
  check_refused([](Graph& g) { g.nodes[1].output = 0; }, {"\"image\"", "already"});
  check_refused([](Graph& g) { g.nodes.pop_back(); }, {"output 0", "\"activated\"", "nothing provides"});
}

TEST_CASE("inputs and outputs") {
  check_refused([](Graph& g) { g.inputs = {0, 0}; }, {"input 1", "repeats"});
  check_refused([](Graph& g) { g.inputs = {0, 1}; }, {"input 1", "constant"});
  check_refused([](Graph& g) { g.inputs.clear(); }, {"\"image\""});
  check_refused([](Graph& g) { g.outputs.clear(); }, {"no output"});
}

TEST_CASE("arity and attributes") {
  check_refused([](Graph& g) { g.nodes[1].inputs.clear(); }, {"\"act\"", "0 inputs"});
  check_refused([](Graph& g) { g.nodes[1].inputs = {2, 2}; }, {"\"act\"", "2 inputs"});
  check_refused([](Graph& g) { g.nodes[0].inputs[1] = no_tensor; }, {"\"conv\"", "leaves out input 1"});
  check_refused([](Graph& g) { g.nodes[1].attributes = ClipAttributes{}; }, {"\"act\"", "another op"});
  check_refused([](Graph& g) { attributes_of<ConvolutionAttributes>(g.nodes[0]).strides = {0, 0}; }, {"stride 0"});
}

TEST_CASE("constants and shapes") {
  check_refused([](Graph& g) { g.tensor(1).constant.size -= 4; }, {"\"weight\"", "860 bytes", "864"});
  check_refused([](Graph& g) { g.tensor(1).shape[0] = unknown_dimension; }, {"\"weight\"", "not static"});
  check_refused([](Graph& g) { g.tensor(0).shape[2] = -3; }, {"\"image\"", "-3"});
  check_refused([](Graph& g) { g.tensor(3).shape[2] = 5; }, {"\"act\"", "[N, 8, ?, ?]", "[N, 8, 5, ?]"});
  check_refused([](Graph& g) { g.tensor(3).shape[0] = unknown_dimension; }, {"\"act\""});
  check_refused([](Graph& g) { g.tensor(3).type = ElementType::float16; }, {"\"act\"", "float16"});
  check_refused([](Graph& g) { g.tensor(0).shape[1] = 4; }, {"\"conv\"", "groups"}, ErrorCode::mismatch);
}

TEST_CASE("names from files are escaped in messages") {
  check_refused(
      [](Graph& g) {
        g.nodes[1].name = "\x1b[31m\n";
        g.nodes[1].inputs.clear();
      },
      {"\\x1b[31m\\x0a"});
}

}  // namespace
}  // namespace residua::tests
