// The sum at the end of a residual block is the residual input of the convolution before it.
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace residua::graph {
namespace {

// A convolution that can take a residual: only the sum reads it, and nothing happens between the two.
Node* open_convolution(const Rewriter& rewriter, TensorId id) {
  Node* convolution = rewriter.sole_producer(id, Op::convolution);
  if (!convolution || convolution->input(3) != no_tensor) return nullptr;
  return attributes_of<ConvolutionAttributes>(*convolution).activation == Activation::none ? convolution : nullptr;
}

// Which operand of the sum is the convolution that takes the other: the later one where both could, so that its
// residual is there by then. 2 for neither.
std::size_t operand_to_fuse(const Rewriter& rewriter, const Node& sum) {
  const bool first = open_convolution(rewriter, sum.inputs[0]) != nullptr;
  const bool second = open_convolution(rewriter, sum.inputs[1]) != nullptr;
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
    // The convolution moves to the place of the sum, its only reader: a shortcut that stands between the two (a pad, a
    // slice) is then computed before it.
    Node& convolution = *rewriter.producer(node.inputs[operand]);
    std::vector<TensorId> inputs = convolution.inputs;
    inputs.resize(4, no_tensor);
    inputs[3] = node.inputs[1 - operand];
    node.op = convolution.op;
    node.name = convolution.name;
    node.attributes = convolution.attributes;
    rewriter.set_inputs(node, std::move(inputs));
    rewriter.remove(convolution);
  });
  return std::move(rewriter).finish();
}

}  // namespace residua::graph
