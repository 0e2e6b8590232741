// relu after a convolution is the convolution's activation.
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace residua::graph {
namespace {

bool is_relu(const Node& node) {
  if (node.op == Op::relu) return true;
  if (node.op != Op::clip) return false;
  const auto& clip = attributes_of<ClipAttributes>(node);
  return clip.minimum == 0 && clip.maximum >= ClipAttributes{}.maximum;
}

}  // namespace

Graph fuse_relu(Graph graph) {
  Rewriter rewriter(std::move(graph));
  rewriter.sweep([&](Node& node) {
    if (!is_relu(node)) return;
    Node* convolution = rewriter.sole_producer(node.inputs[0], Op::convolution);
    if (!convolution) return;
    // A second relu changes nothing.
    attributes_of<ConvolutionAttributes>(*convolution).activation = Activation::relu;
    rewriter.merge_into(*convolution, node);
  });
  return std::move(rewriter).finish();
}

}  // namespace residua::graph
