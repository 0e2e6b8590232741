#include "graph/stretch.h"

#include <doctest/doctest.h>

#include "graph/architectures/resnet.h"
#include "graph/interpret.h"
#include "graph/pipeline.h"
#include "graph/text.h"
#include "graph/verify.h"

using namespace residua::graph;

namespace {

Graph parse(const char* text) {
  auto parsed = parse_text(text);
  REQUIRE_MESSAGE(parsed.ok(), parsed.error().message);
  return std::move(parsed).value();
}

}  // namespace

TEST_CASE("a graph can be cut where one tensor is carried on, and nowhere else") {
  const Graph g = parse(R"(graph "g"
input %0 "x" float32 [N, 4, 8, 8]
node %1 "a" float32 [N, 4, 8, 8] = relu(%0)
node %2 "b" float32 [N, 4, 8, 8] = sigmoid(%1)
node %3 "c" float32 [N, 4, 8, 8] = add(%2, %1)
node %4 "d" float32 [N, 4, 1, 1] = global_average_pool(%3)
node %5 "e" float32 [N, 4] = flatten(%4)
node %6 "f" float32 [N, 4] = relu(%5)
output %6
)");
  // Not behind b, where a is needed too; not behind e and f, which are no images.
  CHECK(places_to_cut(g) == std::vector<std::size_t>{1, 3, 4});
}

TEST_CASE("not where an earlier tensor is needed later, nor where the carried one is an output") {
  const Graph g = parse(R"(graph "g"
input %0 "x" float32 [N, 4, 8, 8]
node %1 "a" float32 [N, 4, 8, 8] = relu(%0)
node %2 "b" float32 [N, 4, 8, 8] = sigmoid(%1)
node %3 "c" float32 [N, 4, 8, 8] = add(%2, %0)
node %4 "d" float32 [N, 4, 8, 8] = relu(%3)
output %4
output %3
)");
  CHECK(places_to_cut(g).empty());
}

TEST_CASE("outputs on the way are handed out by the stretch that makes them, behind what it carries on") {
  const Graph g = parse(R"(graph "g"
input %0 "x" float32 [N, 4, 8, 8]
node %1 "a" float32 [N, 4, 8, 8] = relu(%0)
node %2 "b" float32 [N, 4, 8, 8] = sigmoid(%1)
node %3 "c" float32 [N, 4, 8, 8] = add(%2, %1)
node %4 "d" float32 [N, 4, 8, 8] = relu(%3)
output %4
output %2
)");
  CHECK(places_to_cut(g) == std::vector<std::size_t>{1, 3});
  const auto outputs_of = [&](std::size_t first, std::size_t end) {
    const Graph stretch = stretch_of(g, first, end);
    CHECK(verify(stretch).ok());
    std::string names;
    for (const TensorId id : stretch.outputs) names += stretch.tensor(id).name;
    return names;
  };
  CHECK(outputs_of(0, 1) == "a");
  CHECK(outputs_of(1, 3) == "cb");
  CHECK(outputs_of(3, 4) == "d");
  CHECK(outputs_of(0, 4) == "db");
}

TEST_CASE("the stretches of a network, one after the other, compute what the network does") {
  const auto configuration = *find_architecture("resnet20_cifar");
  auto built = build_resnet(configuration, random_weights(configuration, 1));
  REQUIRE_MESSAGE(built.ok(), built.error().message);
  auto optimized = optimize(std::move(*built));
  REQUIRE_MESSAGE(optimized.ok(), optimized.error().message);
  const Graph& g = *optimized;
  std::vector<std::size_t> places = places_to_cut(g);
  REQUIRE(places.size() > 9);  // behind each block at least
  places.push_back(g.nodes.size());

  Value value{{2, 3, 32, 32}, std::vector<float>(2 * 3 * 32 * 32)};
  for (std::size_t i = 0; i < value.floats().size(); ++i)
    std::get<0>(value.elements)[i] = static_cast<float>(i * 2654435761u % 1000) / 500 - 1;
  const auto expected = interpret(g, {&value, 1});
  REQUIRE_MESSAGE(expected.ok(), expected.error().message);
  std::size_t first = 0;
  for (const std::size_t end : places) {
    const Graph part = stretch_of(g, first, end);
    REQUIRE(verify(part).ok());
    const auto result = interpret(part, {&value, 1});
    REQUIRE_MESSAGE(result.ok(), result.error().message);
    value = result->front();
    first = end;
  }
  CHECK(value.floats() == expected->front().floats());
}
