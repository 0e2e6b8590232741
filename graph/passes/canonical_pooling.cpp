// Whatever averages whole images is a global_average_pool.
#include <algorithm>

#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace residua::graph {
namespace {

bool averages_images(const Rewriter& rewriter, const Node& node) {
  if (node.input(1) != no_tensor || rewriter.shape(node.inputs[0]).size() != 4) return false;
  std::vector<std::int64_t> axes = attributes_of<ReduceAttributes>(node).axes;
  for (std::int64_t& axis : axes) axis += axis < 0 ? 4 : 0;
  std::sort(axes.begin(), axes.end());
  return axes == std::vector<std::int64_t>{2, 3};
}

// One window, as large as the image. Rounding the number of windows up adds none to it.
bool has_one_window(const Rewriter& rewriter, const Node& node) {
  const auto& pool = attributes_of<PoolAttributes>(node);
  const Shape& x = rewriter.shape(node.inputs[0]);
  return pool.padding == Padding{} && pool.dilations == Pair{1, 1} && pool.kernel == Pair{x[2], x[3]};
}

}  // namespace

Graph canonical_pooling(Graph graph) {
  Rewriter rewriter(std::move(graph));
  rewriter.sweep([&](Node& node) {
    if (node.op == Op::average_pool && has_one_window(rewriter, node)) {
      node.op = Op::global_average_pool;
      node.attributes = NoAttributes{};
    } else if (node.op == Op::reduce_mean && averages_images(rewriter, node)) {
      if (attributes_of<ReduceAttributes>(node).keep_dimensions) {
        node.op = Op::global_average_pool;
        node.attributes = NoAttributes{};
      } else {
        const TensorId pooled = rewriter.insert_before(node, Op::global_average_pool, {node.inputs[0]});
        rewriter.set_inputs(node, {pooled});
        node.op = Op::flatten;
        node.attributes = AxisAttributes{1};
      }
    }
  });
  return std::move(rewriter).finish();
}

}  // namespace residua::graph
