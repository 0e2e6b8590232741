// Shapes with symbols: N is the batch, ? anything.
#include "graph/infer.h"

#include "graph/text.h"
#include "graph/verify.h"
#include "tests/graph/values.h"

namespace residua::tests {
namespace {

using namespace residua::graph;

constexpr Dimension N = batch_dimension;
constexpr Dimension U = unknown_dimension;

// The text of the shape that `node` makes of inputs of the given shapes (or the error's message). Shape operands are
// given as constants; a rank-1 int64 tensor without values otherwise.
struct Input {
  Shape shape;
  ElementType type = ElementType::float32;
  std::optional<std::vector<std::int64_t>> values = std::nullopt;
};
Input values(std::vector<std::int64_t> given) {
  return {{static_cast<Dimension>(given.size())}, ElementType::int64, std::move(given)};
}
Input unknown_values(std::int64_t count) { return {{count}, ElementType::int64, std::nullopt}; }

Result<TensorType> infer_one(Node node, const std::vector<Input>& inputs) {
  Graph graph;
  for (const Input& input : inputs) {
    node.inputs.push_back(graph.add(input.values ? make_integer_constant("c", input.shape, *input.values)
                                                 : Tensor{"t", input.type, input.shape, {}}));
  }
  return infer(graph, node);
}

std::string shape_of(Op op, Attributes attributes, const std::vector<Input>& inputs) {
  const Result<TensorType> result = infer_one(node_of(op, std::move(attributes)), inputs);
  return result ? to_string(result->shape) : result.error().message;
}
std::string shape_of(Op op, const std::vector<Input>& inputs) {
  return shape_of(op, info_of(op).default_attributes, inputs);
}

TEST_CASE("convolution and pooling of images of unknown size") {
  ConvolutionAttributes first;
  first.strides = {2, 2};
  first.padding = {3, 3, 3, 3};
  CHECK(shape_of(Op::convolution, first, {{{N, 3, U, U}}, {{64, 3, 7, 7}}}) == "[N, 64, ?, ?]");
  CHECK(shape_of(Op::convolution, first, {{{N, 3, 224, 224}}, {{64, 3, 7, 7}}}) == "[N, 64, 112, 112]");
  CHECK(shape_of(Op::convolution, first, {{{N, U, U, 33}}, {{64, 3, 7, 7}}, {{64}}}) == "[N, 64, ?, 17]");
  // the residual knows better
  CHECK(shape_of(Op::convolution, {{{N, 8, U, U}}, {{8, 8, 1, 1}}, {{8}}, {{U, 8, 14, U}}}) == "[N, 8, 14, ?]");
  PoolAttributes pool;
  pool.kernel = {3, 3};
  pool.strides = {2, 2};
  pool.padding = {1, 1, 1, 1};
  CHECK(shape_of(Op::max_pool, pool, {{{N, 64, U, 112}}}) == "[N, 64, ?, 56]");
  CHECK(shape_of(Op::global_average_pool, {{{N, 512, U, U}}}) == "[N, 512, 1, 1]");
}

TEST_CASE("elementwise ops take the better known dimension") {
  CHECK(shape_of(Op::add, {{{N, 64, U, U}}, {{N, 64, U, 56}}}) == "[N, 64, ?, 56]");
  CHECK(shape_of(Op::add, {{{N, U}}, {{U, U}}}) == "[N, ?]");
  CHECK(shape_of(Op::add, {{{U}}, {{N}}}) == "[N]");
  CHECK(shape_of(Op::add, {{{N, 64, U, U}}, {{64, 1, 1}}}) == "[N, 64, ?, ?]");
  CHECK(shape_of(Op::multiply, {{{N, 64}}, {{}}}) == "[N, 64]");
  CHECK(shape_of(Op::relu, {{{N, U}}}) == "[N, ?]");
}

TEST_CASE("matrix products") {
  CHECK(shape_of(Op::fully_connected, {{{N, 512}}, {{1000, 512}}, {{1000}}}) == "[N, 1000]");
  CHECK(shape_of(Op::fully_connected, {{{N, U}}, {{1000, 512}}}) == "[N, 1000]");
  CHECK(shape_of(Op::matmul, {{{N, 7, U}}, {{512, 10}}}) == "[N, 7, 10]");
  CHECK(shape_of(Op::matmul, {{{N, 511}}, {{512, 10}}}).find("expected [.., K] and [K, O]") != std::string::npos);
}

TEST_CASE("flatten and reshape keep what can be known") {
  CHECK(shape_of(Op::flatten, {{{N, 512, 1, 1}}}) == "[N, 512]");
  CHECK(shape_of(Op::flatten, {{{N, 512, U, U}}}) == "[N, ?]");
  CHECK(shape_of(Op::flatten, AxisAttributes{2}, {{{N, 512, 1, 1}}}) == "[?, 1]");
  CHECK(shape_of(Op::flatten, AxisAttributes{0}, {{{N, 1}}}) == "[1, N]");
  const auto reshape = [](Shape x, std::vector<std::int64_t> target) {
    const std::string by_attribute = shape_of(Op::reshape, ReshapeAttributes{target}, {{x}});
    CHECK(shape_of(Op::reshape, {{x}, values(target)}) == by_attribute);
    return by_attribute;
  };
  CHECK(reshape({N, 512, 1, 1}, {0, -1}) == "[N, 512]");
  CHECK(reshape({N, 512, U, U}, {0, -1}) == "[N, ?]");
  CHECK(reshape({N, 512, 7, 7}, {-1, 512}) == "[?, 512]");
  CHECK(reshape({N, 512, 1, 1}, {-1, 512}) == "[N, 512]");
  CHECK(reshape({N, 512, 1, 1}, {N, 512}) == "[N, 512]");
  CHECK(reshape({N, 512, 7, 7}, {N, -1}) == "[N, 25088]");
  CHECK(reshape({N, 512, U, U}, {N, U}) == "[N, ?]");
  CHECK(reshape({N, 512, 1, 1}, {1, 512}) == "[1, 512]");
  CHECK(reshape({4, 512, 1, 1}, {N, 512}) == "[4, 512]");
  CHECK(reshape({N, 512}, {0, 500}).find("another number of elements") != std::string::npos);
  CHECK(reshape({N, 512}, {0, 100, -1}).find("another number of elements") != std::string::npos);
}

TEST_CASE("ops that move elements") {
  CHECK(shape_of(Op::concat, {{{N, 64, U, 7}}, {{N, 32, 7, U}}}) == "[N, 96, 7, 7]");
  CHECK(shape_of(Op::concat, AxisAttributes{0}, {{{N, 64}}, {{1, 64}}}) == "[?, 64]");
  CHECK(shape_of(Op::concat, AxisAttributes{0}, {{{N, 64}}}) == "[N, 64]");
  CHECK(shape_of(Op::transpose, TransposeAttributes{{0, 2, 3, 1}}, {{{N, 3, U, 7}}}) == "[N, ?, 7, 3]");
  CHECK(shape_of(Op::pad, PadAttributes{{0, 8, 0, 1}, {0, 8, 0, 1}, 0}, {{{N, 16, U, U}}}) == "[N, 32, ?, ?]");
  CHECK(shape_of(Op::slice, SliceAttributes{{0, 0}, {INT64_MAX, INT64_MAX}, {2, 3}, {2, 2}}, {{{N, 16, 32, U}}}) ==
        "[N, 16, 16, ?]");
  CHECK(shape_of(Op::slice, SliceAttributes{{0}, {INT32_MAX}, {0}, {}}, {{{N, 16}}}) == "[N, 16]");
  CHECK(shape_of(Op::slice, SliceAttributes{{0}, {1}, {0}, {}}, {{{N, 16}}}) == "[?, 16]");
  CHECK(shape_of(Op::gather, AxisAttributes{0}, {{{N, 16}}, {{U, 2}, ElementType::int64}}) == "[?, 2, 16]");
  CHECK(shape_of(Op::squeeze, {{{N, 512, 1, 1}}}) == "[N, 512]");
  CHECK(shape_of(Op::squeeze, AxesAttributes{{2, 3}}, {{{N, 512, U, 1}}}) == "[N, 512]");
  CHECK(shape_of(Op::unsqueeze, AxesAttributes{{1}}, {{{N, U}}}) == "[N, 1, ?]");
  CHECK(shape_of(Op::reduce_mean, ReduceAttributes{{2, 3}, true}, {{{N, 512, U, U}}}) == "[N, 512, 1, 1]");
  CHECK(shape_of(Op::reduce_mean, ReduceAttributes{{-1, -2}, false}, {{{N, 512, U, U}}}) == "[N, 512]");
}

TEST_CASE("shape arithmetic") {
  CHECK(shape_of(Op::shape_of, {{{N, 3, U, U}}}) == "[4]");
  CHECK(infer_one(node_of(Op::shape_of), {{{N, 3}}})->type == ElementType::int64);
  CHECK(shape_of(Op::constant_of_shape, {values({2, 3})}) == "[2, 3]");
  CHECK(shape_of(Op::constant_of_shape, {values({N, 3, U})}) == "[N, 3, ?]");
  CHECK(infer_one(node_of(Op::cast, CastAttributes{ElementType::int32}), {{{N}}})->type == ElementType::int32);
}

TEST_CASE("a shape operand without values leaves the rank") {
  CHECK(shape_of(Op::reshape, {{{N, 3}}, unknown_values(4)}) == "[?, ?, ?, ?]");
  CHECK(shape_of(Op::pad, {{{N, 3}}, unknown_values(4)}) == "[?, ?]");
  CHECK(shape_of(Op::slice, {{{N, 3}}, unknown_values(1), values({3})}) == "[?, ?]");
  CHECK(shape_of(Op::squeeze, {{{N, 3, 1}}, unknown_values(1)}) == "[?, ?]");
  CHECK(shape_of(Op::unsqueeze, {{{N, 3}}, unknown_values(1)}) == "[?, ?, ?]");
  CHECK(shape_of(Op::reduce_mean, {{{N, 3}}, unknown_values(1)}) == "[?, ?]");
  CHECK(shape_of(Op::reduce_mean, ReduceAttributes{{}, false}, {{{N, 3}}, unknown_values(1)}) == "[?]");
  CHECK(shape_of(Op::constant_of_shape, {unknown_values(3)}) == "[?, ?, ?]");
  check_error(infer_one(node_of(Op::reshape), {{{N, 3}}, unknown_values(U)}), ErrorCode::unsupported);
}

TEST_CASE("what does not fit is refused with both sides in the message") {
  const auto refused = [](Op op, const std::vector<Input>& inputs, const std::vector<std::string>& parts) {
    check_error(infer_one(node_of(op), inputs), ErrorCode::mismatch, parts);
  };
  refused(Op::convolution, {{{N, 4, 8, 8}}, {{8, 3, 3, 3}}},
          {"\"tested\" (convolution)", "[N, 4, 8, 8]", "[8, 3, 3, 3]"});
  refused(Op::convolution, {{{N, 3, 8, 8}}, {{8, 3, 3, 3}}, {{7}}}, {"[7]", "[8]"});
  refused(Op::convolution, {{{N, 3, 3, 3}}, {{8, 3, 3, 3}}, {{8}}, {{N, 8, 2, 1}}}, {"[N, 8, 2, 1]", "[N, 8, 1, 1]"});
  refused(Op::batch_norm, {{{N, 3}}, {{3}}, {{3}}, {{3}}, {{4}}}, {"[4]"});
  refused(Op::channel_gate, {{{N, 3, 8, 8}}, {{N, 4, 1, 1}}}, {"[N, 3, 8, 8]", "[N, 4, 1, 1]"});
  refused(Op::channel_gate, {{{N, 3, 8, 8}}, {{N, 3, 1, 8}}}, {"[N, 3, 1, 8]"});
  refused(Op::channel_gate, {{{N, 3, 8, 8}}, {{N, 3, 1, 1}}, {{N, 3, 8, 7}}}, {"[N, 3, 8, 7]"});
  refused(Op::channel_gate, {{{N, 3, 8, 8}}, {{N, 3}}}, {"[N, 3]", "4 dimensions"});
  refused(Op::add, {{{N, 3}}, {{N, 4}}}, {"[N, 3]", "[N, 4]"});
  refused(Op::gather, {{{N, 3}}, {{2}}}, {"indices of type float32"});
}

TEST_CASE("ranks stay within bounds") {
  check_error(infer_one(node_of(Op::unsqueeze), {{Shape(30, 1)}, values({0, 1, 2})}), ErrorCode::limit, {"33"});
}

const char* const network = R"(graph "small"
input  %0 "image" float32 [N, 3, ?, ?]
const  %1 "weight" float32 [8, 3, 3, 3] digest 0
node   %2 "features" float32 [N, 8, ?, ?] = convolution(%0, %1) padding=[1, 1, 1, 1]
node   %3 "pooled" float32 [N, 8, 1, 1] = global_average_pool(%2)
node   %4 "flat" float32 [N, 8] = reshape(%3) shape=[N, -1]
output %4
)";

TEST_CASE("with_input_shape makes everything static") {
  const Graph graph = parse_text(network).value();
  REQUIRE(verify(graph).ok());
  const Result<Graph> result = with_input_shape(graph, {2, 3, 10, 12});
  REQUIRE(result.ok());
  CHECK(verify(*result).ok());
  CHECK(to_string(result->tensor(2).shape) == "[2, 8, 10, 12]");
  CHECK(to_string(result->tensor(4).shape) == "[2, 8]");
  check_error(with_input_shape(graph, {2, 4, 10, 12}), ErrorCode::mismatch,
              {"\"image\"", "[N, 3, ?, ?]", "[2, 4, 10, 12]"});
  check_error(with_input_shape(graph, {2, 3, 10}), ErrorCode::mismatch);
  check_error(with_input_shape(graph, {N, 3, 10, 12}), ErrorCode::mismatch);
  check_error(with_input_shape(graph, {2, 3, INT64_MAX, INT64_MAX}), ErrorCode::mismatch, {"64 bits"});
  check_error(with_input_shape(Graph{}, {1}), ErrorCode::mismatch);
}

TEST_CASE("infer_shapes fills a graph that has none, and refuses ids that do not exist") {
  Graph graph = parse_text(network).value();
  for (const Node& node : graph.nodes) graph.tensor(node.output).shape.clear();
  CHECK(!verify(graph).ok());
  CHECK(to_text(infer_shapes(graph).value()) == to_text(parse_text(network).value()));
  Graph broken = graph;
  broken.nodes[0].inputs[0] = 99;
  check_error(infer_shapes(broken), ErrorCode::malformed, {"reads tensor 99"});
  broken = graph;
  broken.nodes[1].output = -7;
  check_error(infer_shapes(broken), ErrorCode::malformed, {"writes tensor -7"});
}

}  // namespace
}  // namespace residua::tests
