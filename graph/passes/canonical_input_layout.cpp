// Images come in as NCHW.
//
// Converters from channels-last frameworks declare the input [N, H, W, C] and transpose it first. Dimensions 0, 1, 2, 3
// of the graph's input are N, C, H, W afterwards: the caller hands over the same image in the order that every graph of
// Residua takes. This is the one pass that changes what a graph's input looks like.
#include <algorithm>

#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace residua::graph {
namespace {

// Fewer channels, in the last dimension, than rows and columns. An input that is NCHW already never looks like that, so
// that the pass fires once.
bool is_channels_last(const Shape& x) {
  if (x.size() != 4 || !is_static(x[3])) return false;
  return (!is_static(x[1]) || x[1] > x[3]) && (!is_static(x[2]) || x[2] > x[3]);
}

}  // namespace

Graph canonical_input_layout(Graph graph) {
  const std::vector<std::int64_t> to_channels_first{0, 3, 1, 2};
  Rewriter rewriter(std::move(graph));
  const std::vector<TensorId> inputs = rewriter.graph_inputs();
  rewriter.sweep([&](Node& node) {
    if (node.op != Op::transpose || attributes_of<TransposeAttributes>(node).permutation != to_channels_first) return;
    const TensorId input = node.inputs[0];
    const bool is_input = std::find(inputs.begin(), inputs.end(), input) != inputs.end();
    if (!is_input || !rewriter.is_read_once(input)) return;
    const Shape x = rewriter.shape(input);
    if (!is_channels_last(x)) return;
    if (rewriter.bypass(node, input)) rewriter.set_input_shape(input, {x[0], x[3], x[1], x[2]});
  });
  return std::move(rewriter).finish();
}

}  // namespace residua::graph
