// The product of images with one computed factor for each channel of each image is a channel_gate.
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace residua::graph {
namespace {

// Constants are the business of fold_batch_norm. Equal symbols are equal sizes; of what is not known (?) nobody knows.
bool gates(const Rewriter& rewriter, TensorId gate, TensorId x) {
  if (rewriter.is_constant(gate) || rewriter.is_constant(x)) return false;
  if (!is_floating_point(rewriter.tensor(x).type)) return false;
  const Shape &factors = rewriter.shape(gate), &images = rewriter.shape(x);
  return is_pixel(factors) && images.size() == 4 && factors[0] == images[0] && factors[0] != unknown_dimension &&
         factors[1] == images[1];
}

}  // namespace

Graph fuse_channel_gate(Graph graph) {
  Rewriter rewriter(std::move(graph));
  rewriter.sweep([&](Node& node) {
    if (node.op != Op::multiply) return;
    for (std::size_t gate : {std::size_t{1}, std::size_t{0}}) {
      const TensorId factors = node.inputs[gate], x = node.inputs[1 - gate];
      if (!gates(rewriter, factors, x)) continue;
      rewriter.set_inputs(node, {x, factors});
      node.op = Op::channel_gate;
      node.attributes = ChannelGateAttributes{};
      return;
    }
  });
  return std::move(rewriter).finish();
}

}  // namespace residua::graph
