// The matrix products at the end are fully_connected, and read a global pool's [N, C, 1, 1] as it is.
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace residua::graph {
namespace {

// [K, O] -> [O, K]
Tensor transposed(const Tensor& matrix) {
  const std::vector<float> values = read_floats(matrix);
  const auto rows = static_cast<std::size_t>(matrix.shape[0]);
  const auto columns = static_cast<std::size_t>(matrix.shape[1]);
  std::vector<float> result(values.size());
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; column < columns; ++column) {
      result[column * rows + row] = values[row * columns + column];
    }
  }
  return make_float_constant(matrix.name, {matrix.shape[1], matrix.shape[0]}, result);
}

}  // namespace

Graph canonical_classifier(Graph graph) {
  Rewriter rewriter(std::move(graph));
  rewriter.sweep([&](Node& node) {
    if (node.op == Op::matmul && rewriter.shape(node.inputs[0]).size() == 2 &&
        rewriter.is_float_constant(node.inputs[1])) {
      const TensorId weight = rewriter.add(transposed(rewriter.tensor(node.inputs[1])));
      rewriter.set_inputs(node, {node.inputs[0], weight});
      node.op = Op::fully_connected;
    }
    if (node.op != Op::fully_connected) return;
    const Node* flatten = rewriter.producer(node.inputs[0], Op::flatten);
    if (!flatten || attributes_of<AxisAttributes>(*flatten).axis != 1) return;
    // fully_connected would flatten any image; but only pixels lie in memory as their flattened form does, whatever
    // order of channels and positions a plan chooses.
    if (!is_pixel(rewriter.shape(flatten->inputs[0]))) return;
    std::vector<TensorId> inputs = node.inputs;
    inputs[0] = flatten->inputs[0];
    rewriter.set_inputs(node, std::move(inputs));
  });
  return std::move(rewriter).finish();
}

}  // namespace residua::graph
