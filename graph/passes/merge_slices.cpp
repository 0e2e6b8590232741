// Slices along different axes, one after another, become one.
#include <algorithm>
#include <map>

#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace residua::graph {
namespace {

struct AxisRange {
  std::int64_t start, end, step;
};

// What a slice does, by axis counted from the front; empty where it still reads its range from inputs.
std::map<std::int64_t, AxisRange> ranges_of(const Node& node, std::size_t rank) {
  std::map<std::int64_t, AxisRange> ranges;
  if (node.inputs.size() > 1) return ranges;
  const auto& slice = attributes_of<SliceAttributes>(node);
  for (std::size_t i = 0; i < slice.starts.size(); ++i) {
    std::int64_t axis = slice.axes.empty() ? static_cast<std::int64_t>(i) : slice.axes[i];
    if (axis < 0) axis += static_cast<std::int64_t>(rank);
    ranges[axis] = {slice.starts[i], slice.ends[i], slice.steps.empty() ? 1 : slice.steps[i]};
  }
  return ranges;
}

}  // namespace

Graph merge_slices(Graph graph) {
  const Graph original = graph;
  Rewriter rewriter(std::move(graph));
  rewriter.sweep([&](Node& node) {
    if (node.op != Op::slice) return;
    const Node* earlier = rewriter.producer(node.inputs[0], Op::slice);
    if (!earlier) return;
    const std::size_t rank = rewriter.shape(node.output).size();
    auto ranges = ranges_of(node, rank);
    auto earlier_ranges = ranges_of(*earlier, rank);
    if (ranges.empty() || earlier_ranges.empty()) return;
    const std::size_t count = ranges.size() + earlier_ranges.size();
    ranges.merge(earlier_ranges);
    if (ranges.size() != count) return;  // an axis twice: the second range counts within the first
    SliceAttributes merged;
    for (const auto& [axis, range] : ranges) {
      merged.axes.push_back(axis);
      merged.starts.push_back(range.start);
      merged.ends.push_back(range.end);
      merged.steps.push_back(range.step);
    }
    rewriter.set_inputs(node, {earlier->inputs[0]});
    node.attributes = std::move(merged);
  });
  return std::move(rewriter).finish_or(original);
}

}  // namespace residua::graph
