// Texts nobody would write by hand: cut short, garbled, with names of any bytes, and random graphs.
#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "graph/infer.h"
#include "graph/text.h"
#include "graph/verify.h"
#include "tests/graph/values.h"

namespace residua::tests {
namespace {

using namespace residua::graph;

// std::uniform_int_distribution differs between libraries; tests must not.
class Dice {
 public:
  explicit Dice(std::uint32_t seed) : engine_(seed) {}
  std::uint32_t bits() { return static_cast<std::uint32_t>(engine_()); }
  std::int64_t below(std::int64_t count) {
    return static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(count));
  }
  std::int64_t between(std::int64_t low, std::int64_t high) { return low + below(high - low + 1); }

 private:
  std::mt19937 engine_;
};

std::string random_name(Dice& dice) {
  std::string name;
  for (std::int64_t left = dice.below(12); left > 0; --left) name += static_cast<char>(dice.bits() & 255);
  return name;
}

// Fills every attribute with values that need not make sense.
struct Scrambler {
  Dice& dice;
  std::int64_t integer() const {
    switch (dice.below(5)) {
      case 0:
        return INT64_MIN;
      case 1:
        return INT64_MAX;
      default:
        return dice.between(-20, 20);
    }
  }
  void operator()(std::int64_t& value) const { value = integer(); }
  void operator()(bool& value) const { value = dice.below(2) == 0; }
  void operator()(double& value) const {
    const std::uint64_t high = dice.bits();
    value = std::bit_cast<double>(high << 32 | dice.bits());
  }
  void operator()(Activation& value) const { value = dice.below(2) == 0 ? Activation::none : Activation::relu; }
  void operator()(PadMode& value) const { value = static_cast<PadMode>(dice.below(3)); }
  void operator()(ElementType& value) const { value = static_cast<ElementType>(dice.below(9)); }
  void operator()(Pair& value) const { value = {integer(), integer()}; }
  void operator()(Padding& value) const { value = {integer(), integer(), integer(), integer()}; }
  void operator()(std::vector<std::int64_t>& value) const {
    value.resize(static_cast<std::size_t>(dice.below(4)));
    for (std::int64_t& entry : value) entry = integer();
  }
};

Shape random_shape(Dice& dice) {
  Shape shape(static_cast<std::size_t>(dice.below(4)));
  for (Dimension& dimension : shape) {
    const std::int64_t kind = dice.below(6);
    dimension = kind == 0 ? batch_dimension : kind == 1 ? unknown_dimension : dice.below(5);
  }
  return shape;
}

Tensor random_constant(Dice& dice) {
  Tensor tensor{random_name(dice), static_cast<ElementType>(dice.below(9)), {dice.below(4), dice.below(4)}, {}};
  const std::size_t count = static_cast<std::size_t>(tensor.shape[0] * tensor.shape[1]);
  auto bytes = std::make_shared<std::vector<std::byte>>(count * size_of(tensor.type) + 1);
  for (std::byte& byte : *bytes) {
    byte = static_cast<std::byte>(tensor.type == ElementType::boolean ? dice.below(2) : dice.below(256));
  }
  tensor.constant = {std::shared_ptr<const std::byte>(bytes, bytes->data()), bytes->size() - 1};
  return tensor;
}

// A graph that has the form of one, of ops that need not fit together.
Graph random_graph(Dice& dice) {
  Graph graph;
  graph.name = random_name(dice);
  for (std::int64_t left = dice.below(3); left > 0; --left) {
    graph.inputs.push_back(
        graph.add({random_name(dice), static_cast<ElementType>(dice.below(9)), random_shape(dice), {}}));
  }
  for (std::int64_t left = dice.below(8); left > 0; --left) {
    const OperatorInfo& info =
        info_of(static_cast<Op>(dice.below(static_cast<std::int64_t>(Op::constant_of_shape) + 1)));
    Node node{info.op, random_name(dice), {}, no_tensor, info.default_attributes};
    std::visit(
        [&]<class A>(A& attributes) { A::fields(attributes, [&](auto, auto& value) { Scrambler{dice}(value); }); },
        node.attributes);
    for (std::int64_t inputs = dice.below(4); inputs > 0; --inputs) {
      const std::int64_t kind = dice.below(4);
      const auto count = static_cast<std::int64_t>(graph.tensors.size());
      if (kind == 0 || count == 0) {
        node.inputs.push_back(graph.add(random_constant(dice)));
      } else {
        node.inputs.push_back(kind == 1 ? no_tensor : static_cast<TensorId>(dice.below(count)));
      }
    }
    node.output = graph.add({random_name(dice), static_cast<ElementType>(dice.below(9)), random_shape(dice), {}});
    graph.nodes.push_back(std::move(node));
  }
  for (std::int64_t left = graph.tensors.empty() ? 0 : dice.below(3); left > 0; --left) {
    graph.outputs.push_back(static_cast<TensorId>(dice.below(static_cast<std::int64_t>(graph.tensors.size()))));
  }
  return graph;
}

TEST_CASE("random graphs come back as they were written") {
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    Dice dice(seed);
    const Graph graph = random_graph(dice);
    const std::string text = to_text(graph);
    CAPTURE(seed);
    CAPTURE(text);
    const Result<Graph> read = parse_text(text);
    REQUIRE_MESSAGE(read.ok(), read.error().message);
    CHECK(to_text(*read) == text);
    REQUIRE(read->nodes.size() == graph.nodes.size());
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) CHECK(read->nodes[i].name == graph.nodes[i].name);
    // Neither is any of it a crash for those who judge or complete graphs.
    const Status status = verify(graph);
    const Result<Graph> inferred = infer_shapes(graph);
    CHECK((status.ok() || !status.error().message.empty()));
    CHECK((inferred.ok() || !inferred.error().message.empty()));
  }
}

TEST_CASE("names may be any bytes") {
  std::string every;
  for (int byte = 0; byte < 256; ++byte) every += static_cast<char>(byte);
  for (const std::string& name :
       {every, std::string("\"\\\"#\n"), std::string(" # "), std::string(), std::string("\0", 1),
        std::string("\\x41\r"), std::string("caf\xc3\xa9 "), std::string("values [1]")}) {
    Graph graph;
    graph.name = name;
    const TensorId input = graph.add({name, ElementType::float32, {1}, {}});
    const TensorId output = graph.add({name, ElementType::float32, {1}, {}});
    graph.inputs = {input};
    graph.outputs = {output};
    graph.nodes.push_back({Op::relu, name, {input}, output, {}});
    const std::string text = to_text(graph);
    for (const char character : text) CHECK((static_cast<unsigned char>(character) >= 0x20 || character == '\n'));
    const Result<Graph> read = parse_text(text);
    REQUIRE_MESSAGE(read.ok(), read.error().message);
    CHECK(read->name == name);
    CHECK(read->tensor(input).name == name);
    CHECK(read->nodes[0].name == name);
    CHECK(to_text(*read) == text);
  }
}

TEST_CASE("floats read back to the same bits") {
  Dice dice(7);
  std::vector<float> values;
  for (int i = 0; i < 20000; ++i) {
    const float value = std::bit_cast<float>(dice.bits());
    if (!std::isnan(value)) values.push_back(value);
  }
  Graph graph;
  graph.outputs = {graph.add(make_float_constant("c", {static_cast<Dimension>(values.size())}, values))};
  const Graph read = parse_text(to_text(graph, {values.size(), true})).value();
  CHECK(digest(read.tensor(0)) == digest(graph.tensor(0)));
}

const char* const sample = R"(graph "small \"\x07\""
input  %0 "x" float32 [N, 4, ?, ?]
const  %1 "w" float32 [2, 4, 1, 1] digest 0123456789abcdef
const  %2 "b" float16 [2] values [1.5, -inf]
node   %3 "y" float32 [N, 2, ?, ?] = convolution(%0, %1, %2) strides=[2, 1] padding=[0, 1, 2, 3] activation=relu  # conv
node   %4 "p" float32 [N, 2, ?, ?] = average_pool(%3) kernel=[2, 2] ceil_mode=true  # p\\1
node   %5 "n" float32 [N, 2, ?, ?] = convolution(%0, %1, _, %4) strides=[2, 1]
node   %6 "s" float32 [N, ?] = reshape(%5) shape=[N, ?]
output %6
)";

TEST_CASE("a text cut off at any byte is read or refused") {
  const std::string text = sample;
  REQUIRE(parse_text(text).ok());
  for (std::size_t size = 0; size < text.size(); ++size) {
    // A copy of exactly this size, so that a sanitizer sees the first byte read beyond it.
    const std::vector<char> part(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
    const Result<Graph> result = parse_text({part.data(), part.size()});
    if (!result) CHECK(result.error().message.find("line ") != std::string::npos);
  }
}

TEST_CASE("a text with any byte changed is read or refused") {
  Dice dice(3);
  const std::string alphabet = "\"\\#%[](),=_?N-+.0129eaxn\n\r\t \x80";
  for (int i = 0; i < 4000; ++i) {
    std::string text = sample;
    for (std::int64_t changes = dice.between(1, 3); changes > 0; --changes) {
      const auto place = static_cast<std::size_t>(dice.below(static_cast<std::int64_t>(text.size())));
      const char character = alphabet[static_cast<std::size_t>(dice.below(static_cast<std::int64_t>(alphabet.size())))];
      if (dice.below(2) == 0) {
        text[place] = character;
      } else {
        text.insert(place, 1, character);
      }
    }
    const Result<Graph> result = parse_text(text);
    if (!result) continue;
    const Status status = verify(*result);
    CHECK((status.ok() || !status.error().message.empty()));
    const std::string written = to_text(*result, {std::size_t{1} << 20, true});
    CHECK(to_text(parse_text(written).value(), {std::size_t{1} << 20, true}) == written);
  }
}

}  // namespace
}  // namespace residua::tests
