#include "graph/stretch.h"

#include <algorithm>

namespace residua::graph {

std::vector<std::size_t> places_to_cut(const Graph& graph) {
  // The last node that reads each tensor. Outputs are handed out where they are made.
  std::vector<std::size_t> last_reader(graph.tensors.size(), 0);
  const auto reads = [&](TensorId id, std::size_t reader) {
    if (id != no_tensor) last_reader[static_cast<std::size_t>(id)] = reader;
  };
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    for (TensorId id : graph.nodes[i].inputs) reads(id, i);

  // Up to where anything but the newest tensor is still needed.
  std::size_t needed_until = 0;
  for (TensorId id : graph.inputs) needed_until = std::max(needed_until, last_reader[static_cast<std::size_t>(id)]);
  std::vector<std::size_t> places;
  for (std::size_t p = 1; p < graph.nodes.size(); ++p) {
    const TensorId carried = graph.nodes[p - 1].output;
    const Tensor& tensor = graph.tensor(carried);
    const std::size_t last = last_reader[static_cast<std::size_t>(carried)];
    const bool is_output = std::find(graph.outputs.begin(), graph.outputs.end(), carried) != graph.outputs.end();
    if (needed_until < p && last >= p && !is_output && tensor.shape.size() == 4 && is_floating_point(tensor.type))
      places.push_back(p);
    needed_until = std::max(needed_until, last);
  }
  return places;
}

Graph stretch_of(const Graph& graph, std::size_t first, std::size_t end) {
  Graph result;
  result.name = graph.name;
  std::vector<TensorId> moved(graph.tensors.size(), no_tensor);
  const auto move = [&](TensorId id) {
    if (id == no_tensor) return id;
    TensorId& target = moved[static_cast<std::size_t>(id)];
    if (target == no_tensor) target = result.add(graph.tensor(id));
    return target;
  };
  if (first == 0) {
    for (TensorId id : graph.inputs) result.inputs.push_back(move(id));
  } else {
    result.inputs.push_back(move(graph.nodes[first - 1].output));
  }
  for (std::size_t i = first; i < end; ++i) {
    Node node = graph.nodes[i];
    for (TensorId& id : node.inputs) id = move(id);
    node.output = move(node.output);
    result.nodes.push_back(std::move(node));
  }
  if (end != graph.nodes.size()) result.outputs.push_back(move(graph.nodes[end - 1].output));
  for (TensorId id : graph.outputs) {
    const bool made_here = std::any_of(graph.nodes.begin() + static_cast<std::ptrdiff_t>(first),
                                       graph.nodes.begin() + static_cast<std::ptrdiff_t>(end),
                                       [&](const Node& node) { return node.output == id; });
    if (made_here || (first == 0 && end == graph.nodes.size())) result.outputs.push_back(move(id));
  }
  return result;
}

}  // namespace residua::graph
