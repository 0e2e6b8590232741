// relu after a convolution, a norm or a channel_gate is that one's activation.
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
    Node* layer = rewriter.is_read_once(node.inputs[0]) ? rewriter.producer(node.inputs[0]) : nullptr;
    Activation* const activation = layer ? activation_of(*layer) : nullptr;
    if (!activation) return;
    *activation = Activation::relu;  // a second relu changes nothing
    rewriter.merge_into(*layer, node);
  });
  return std::move(rewriter).finish();
}

}  // namespace residua::graph
