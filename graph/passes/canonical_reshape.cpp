// One form for what only renames dimensions: chains become one reshape, and [N, rest] is a flatten.
#include <algorithm>

#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace residua::graph {
namespace {

// Where the shape is still an input, nothing is known yet.
bool is_settled(const Node& node) { return renames_dimensions(node.op) && node.input(1) == no_tensor; }

// How many leading dimensions the node is known to leave alone.
std::size_t leading_copies(const Node& node, const Shape& output) {
  std::size_t copies = output.size();
  if (const auto* axes = std::get_if<AxesAttributes>(&node.attributes)) {
    if (axes->axes.empty()) return 0;
    const std::size_t changed = axes->axes.size();
    const std::size_t rank = node.op == Op::squeeze ? output.size() + changed : output.size();
    for (std::int64_t axis : axes->axes) {
      if (axis < 0) axis += static_cast<std::int64_t>(rank);
      copies = std::min(copies, static_cast<std::size_t>(axis));
    }
    return copies;
  }
  if (const auto* reshape = std::get_if<ReshapeAttributes>(&node.attributes)) {
    const auto end = std::find_if(reshape->shape.begin(), reshape->shape.end(), [](auto size) { return size != 0; });
    return static_cast<std::size_t>(end - reshape->shape.begin());
  }
  return attributes_of<AxisAttributes>(node).axis == 1 ? 1 : 0;  // flatten
}

// A transpose that moves dimensions of size 1 past others, and nothing else, leaves every element where it is.
bool moves_only_ones(const Rewriter& rewriter, const Node& node) {
  const Shape& x = rewriter.shape(node.inputs[0]);
  std::int64_t last = -1;
  for (const std::int64_t from : attributes_of<TransposeAttributes>(node).permutation) {
    if (from < 0) return false;
    if (x[static_cast<std::size_t>(from)] == 1) continue;
    if (from < last) return false;
    last = from;
  }
  return last >= 0;
}

void compose_transposes(Rewriter& rewriter, Node& node) {
  const Node* earlier = rewriter.producer(node.inputs[0], Op::transpose);
  if (!earlier) return;
  const auto& first = attributes_of<TransposeAttributes>(*earlier).permutation;
  auto permutation = attributes_of<TransposeAttributes>(node).permutation;
  const auto counts_from_end = [](std::int64_t dimension) { return dimension < 0; };
  if (first.size() != permutation.size() || std::any_of(first.begin(), first.end(), counts_from_end) ||
      std::any_of(permutation.begin(), permutation.end(), counts_from_end)) {
    return;
  }
  for (std::int64_t& dimension : permutation) dimension = first[static_cast<std::size_t>(dimension)];
  rewriter.set_inputs(node, {earlier->inputs[0]});
  node.attributes = TransposeAttributes{std::move(permutation)};
}

// Reads the source of an earlier renaming directly, where that tensor's shape still tells this node's output.
void skip_chain(Rewriter& rewriter, Node& node) {
  const Node* earlier = rewriter.producer(node.inputs[0]);
  if (!earlier || !is_settled(*earlier)) return;
  const Shape& output = rewriter.shape(node.output);
  const std::size_t copied =
      std::min(leading_copies(node, output), leading_copies(*earlier, rewriter.shape(earlier->output)));
  auto target = reshape_target(rewriter.shape(earlier->inputs[0]), output, copied);
  if (!target) return;
  rewriter.set_inputs(node, {earlier->inputs[0]});
  node.op = Op::reshape;
  node.attributes = ReshapeAttributes{std::move(*target)};
}

// Whether the output is [first dimension of x, all the others together].
bool flattens_images(const Shape& x, const Shape& output, std::size_t copied) {
  if (x.empty() || output.size() != 2 || x[0] != output[0]) return false;
  if (std::find(x.begin(), x.end(), 0) != x.end()) return false;
  if (x[0] != unknown_dimension || copied > 0) return true;  // the number of elements says the rest
  const Result<std::int64_t> others = element_count(Shape(x.begin() + 1, x.end()));
  return others.ok() && *others == output[1];
}

void settle_form(const Rewriter& rewriter, Node& node) {
  if (node.op == Op::flatten && attributes_of<AxisAttributes>(node).axis == 1) return;
  const Shape& x = rewriter.shape(node.inputs[0]);
  const Shape& output = rewriter.shape(node.output);
  const std::size_t copied = leading_copies(node, output);
  if (flattens_images(x, output, copied)) {
    node.op = Op::flatten;
    node.attributes = AxisAttributes{1};
  } else if (node.op != Op::reshape) {
    auto target = reshape_target(x, output, copied);
    if (!target) return;
    node.op = Op::reshape;
    node.attributes = ReshapeAttributes{std::move(*target)};
  }
}

}  // namespace

Graph canonical_reshape(Graph graph) {
  const Graph original = graph;
  Rewriter rewriter(std::move(graph));
  rewriter.sweep([&](Node& node) {
    if (node.op == Op::transpose) {
      compose_transposes(rewriter, node);
      auto target = moves_only_ones(rewriter, node)
                        ? reshape_target(rewriter.shape(node.inputs[0]), rewriter.shape(node.output))
                        : std::nullopt;
      if (!target) return;
      node.op = Op::reshape;
      node.attributes = ReshapeAttributes{std::move(*target)};
    }
    if (!is_settled(node)) return;
    skip_chain(rewriter, node);
    settle_form(rewriter, node);
  });
  return std::move(rewriter).finish_or(original);
}

}  // namespace residua::graph
