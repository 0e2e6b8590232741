// What passes share: a sweep over a graph that keeps producers and use counts up to date, and shape targets.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "graph/infer.h"
#include "graph/interpret.h"

namespace residua::graph {

// Rewrites a graph in one sweep, first node to last. Every pattern is matched from its last node backwards, so that
// what stands before the current node has been rewritten already and what stands after it follows by renaming.
//
// A graph output counts as a use, stays the output of a node and keeps its name. References to nodes stay valid until
// finish(). Linear in the size of the graph, whatever the passes do.
class Rewriter {
 public:
  explicit Rewriter(Graph graph);

  // Calls visit(node) for every node. Only there may it be handed to the methods that speak of the current node.
  template <class Visitor>
  void sweep(Visitor&& visit) {
    std::vector<Node> waiting = std::exchange(graph_.nodes, {});
    for (Node& node : waiting) {
      resolve_inputs(node);
      visit(node);
      if (node.output != no_tensor) place(std::move(node));
    }
  }

  const Tensor& tensor(TensorId id) const { return graph_.tensor(id); }
  const Shape& shape(TensorId id) const { return graph_.tensor(id).shape; }
  const std::vector<TensorId>& graph_inputs() const { return graph_.inputs; }
  void set_input_shape(TensorId input, Shape shape) { graph_.tensor(input).shape = std::move(shape); }

  bool is_output(TensorId id) const { return uses_of(id).is_output; }
  bool is_read_once(TensorId id) const { return id != no_tensor && uses_of(id).count == 1 && !is_output(id); }
  bool is_constant(TensorId id) const { return id != no_tensor && tensor(id).is_constant(); }
  bool is_float_constant(TensorId id) const { return is_constant(id) && is_floating_point(tensor(id).type); }

  Result<TensorType> infer_output(const Node& node) const;
  // Notes what is known by now of the node's output, for those that follow.
  void refresh_output(const Node& node);

  // The node before the current one that makes `id`: nullptr for an input, a constant or a left-out operand.
  Node* producer(TensorId id) const { return id == no_tensor ? nullptr : uses_of(id).producer; }
  // The same where it is an `op`.
  Node* producer(TensorId id, Op op) const;
  // The same where nobody else reads `id`.
  Node* sole_producer(TensorId id, Op op) const { return is_read_once(id) ? producer(id, op) : nullptr; }
  // Where `id`'s producer stands among the nodes placed so far.
  std::size_t position(TensorId id) const { return uses_of(id).position; }

  TensorId add(Tensor tensor);
  // A node before the current one, named after it.
  TensorId insert_before(const Node& current, Op op, std::vector<TensorId> inputs, Attributes attributes = {});
  void set_inputs(Node& node, std::vector<TensorId> inputs);

  // The current node goes; who read it reads `source` instead. Refuses (false) where that would make a graph input, a
  // constant or another output a graph output.
  bool bypass(Node& current, TensorId source);
  // The current node goes; `earlier`, whose output nobody else may read, makes its output.
  void merge_into(Node& earlier, Node& current);
  // A node placed before goes; nobody may read its output.
  void remove(Node& earlier);

  // The graph without what is no longer used, all shapes inferred again (as far as that goes: verify() tells the rest).
  Graph finish() &&;
  // The same for a pass by which more sizes become known than its input told: a network whose sizes then contradict
  // each other, which no image can run through, is left as it was, for the planner to refuse.
  Graph finish_or(Graph original) &&;

 private:
  struct Uses {
    std::size_t count = 0;  // by node inputs and graph outputs
    bool is_output = false;
    Node* producer = nullptr;
    std::size_t position = 0;
  };

  Uses& uses_of(TensorId id) { return uses_[static_cast<std::size_t>(id)]; }
  const Uses& uses_of(TensorId id) const { return uses_[static_cast<std::size_t>(id)]; }
  void resolve_inputs(Node& node) const;
  void assemble();
  void count_inputs(const Node& node);
  void release_inputs(const Node& node);
  Node& place(Node node);

  Graph graph_;
  std::deque<Node> placed_;  // a node that went has no output
  std::vector<Uses> uses_;
  std::vector<TensorId> replacement_;  // of each tensor, itself where it was not bypassed
};

// `graph` without nodes whose output leads to no graph output and without tensors that nobody names; inputs stay.
Graph without_dead(Graph graph);

// Value as a constant of any element type: floats rounded, integers narrowed.
Tensor make_constant(const Value& value, ElementType type, std::string name);

// The attribute of a reshape that turns `x` into `output`; the first `copied` dimensions of both are known to be equal.
// nullopt where symbols leave that open.
std::optional<std::vector<std::int64_t>> reshape_target(const Shape& x, const Shape& output, std::size_t copied = 0);

// Whether the op keeps all elements in their order and gives them another shape.
bool renames_dimensions(Op op);

// Whether the op is arithmetic of two tensors.
bool is_arithmetic(Op op);

// The activation of an op that has one, else nullptr.
Activation* activation_of(Node& node);
// Whether the node ends in a relu of its own.
bool is_activated(const Node& node);

// Whether x is [N, C, 1, 1] with a known C.
bool is_pixel(const Shape& x);

}  // namespace residua::graph
