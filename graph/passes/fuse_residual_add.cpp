// The sum at the end of a residual block is the residual input of the layer before it: a convolution or, after squeeze
// and excitation, a channel_gate.
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace residua::graph {
namespace {

// Which input of such a layer is a residual; 0 for other ops.
std::size_t residual_input(Op op) {
  if (op == Op::convolution) return 3;
  return op == Op::channel_gate ? 2 : 0;
}

// A layer that can take a residual: only the sum reads it, and nothing happens between the two.
Node* open_layer(const Rewriter& rewriter, TensorId id) {
  Node* layer = rewriter.is_read_once(id) ? rewriter.producer(id) : nullptr;
  const std::size_t residual = layer ? residual_input(layer->op) : 0;
  if (residual == 0 || layer->input(residual) != no_tensor) return nullptr;
  return is_activated(*layer) ? nullptr : layer;
}

// Which operand of the sum is the layer that takes the other: the later one where both could, so that its residual is
// there by then. 2 for neither.
std::size_t operand_to_fuse(const Rewriter& rewriter, const Node& sum) {
  const bool first = open_layer(rewriter, sum.inputs[0]) != nullptr;
  const bool second = open_layer(rewriter, sum.inputs[1]) != nullptr;
  if (first && second) return rewriter.position(sum.inputs[0]) > rewriter.position(sum.inputs[1]) ? 0 : 1;
  if (first) return 0;
  return second ? 1 : 2;
}

}  // namespace

Graph fuse_residual_add(Graph graph) {
  Rewriter rewriter(std::move(graph));
  rewriter.sweep([&](Node& node) {
    if (node.op != Op::add) return;
    // A sum that broadcasts is not a residual. Of two heights that are not known before the image is, equal symbols are
    // taken for equal sizes, as in every residual network: should an image make them differ, shape inference refuses
    // it.
    if (rewriter.shape(node.inputs[0]) != rewriter.shape(node.inputs[1])) return;
    const std::size_t operand = operand_to_fuse(rewriter, node);
    if (operand > 1) return;
    // The layer moves to the place of the sum, its only reader: a shortcut that stands between the two (a pad, a slice)
    // is then computed before it.
    Node& layer = *rewriter.producer(node.inputs[operand]);
    const std::size_t residual = residual_input(layer.op);
    std::vector<TensorId> inputs = layer.inputs;
    inputs.resize(residual + 1, no_tensor);
    inputs[residual] = node.inputs[1 - operand];
    node.op = layer.op;
    node.name = layer.name;
    node.attributes = layer.attributes;
    rewriter.set_inputs(node, std::move(inputs));
    rewriter.remove(layer);
  });
  return std::move(rewriter).finish();
}

}  // namespace residua::graph
