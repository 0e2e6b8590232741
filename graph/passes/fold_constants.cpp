// A node whose inputs are all constants becomes a constant, evaluated by the interpreter.
#include <algorithm>
#include <set>

#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace residua::graph {
namespace {

// Ops that cost a constant amount of work per element of inputs and output. Windows and matrix products over constants
// alone occur in no real network, and would let a small file ask for hours.
bool is_cheap(Op op) {
  switch (op) {
    case Op::convolution:
    case Op::fully_connected:
    case Op::matmul:
    case Op::max_pool:
    case Op::average_pool:
      return false;
    default:
      return true;
  }
}

// What all folded constants of one run of the pass may hold together: a few times as many elements as the network's own
// constants (standardised weights take three steps), or a small number. Broadcasts and repeated joins could multiply a
// small file beyond any memory otherwise.
constexpr std::size_t steps_allowed = 4, always_allowed = std::size_t{1} << 16;

// The same bytes under another shape; nullopt where the op does more than that.
std::optional<Tensor> reshaped(const Rewriter& rewriter, const Node& node, const TensorType& type) {
  if (!renames_dimensions(node.op) && node.op != Op::identity) return std::nullopt;
  Tensor tensor = rewriter.tensor(node.inputs[0]);
  if (tensor.constant.row_scale) return std::nullopt;  // its factors belong to the rows of this shape
  tensor.shape = type.shape;
  tensor.name = rewriter.tensor(node.output).name;
  return tensor;
}

std::size_t elements_of_constants(const Graph& graph) {
  std::set<const std::byte*> seen;
  std::size_t elements = 0;
  for (const Tensor& tensor : graph.tensors) {
    if (tensor.is_constant() && seen.insert(tensor.constant.bytes.get()).second) {
      elements += tensor.constant.size / size_of(tensor.type);
    }
  }
  return elements;
}

bool all_constant(const Rewriter& rewriter, const Node& node) {
  return std::all_of(node.inputs.begin(), node.inputs.end(),
                     [&](TensorId id) { return id == no_tensor || rewriter.is_constant(id); });
}

Result<Value> evaluate(const Rewriter& rewriter, const Node& node) {
  std::vector<std::optional<Value>> values(node.inputs.size());
  std::vector<const Value*> inputs(node.inputs.size(), nullptr);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (node.inputs[i] != no_tensor) inputs[i] = &values[i].emplace(value_of(rewriter.tensor(node.inputs[i])));
  }
  return interpret_node(node, inputs);
}

}  // namespace

Graph fold_constants(Graph graph) {
  const Graph original = graph;
  std::size_t allowance = std::max(steps_allowed * elements_of_constants(graph), always_allowed);
  Rewriter rewriter(std::move(graph));
  rewriter.sweep([&](Node& node) {
    if (!is_cheap(node.op) || rewriter.is_output(node.output) || !all_constant(rewriter, node)) return;
    const Result<TensorType> type = rewriter.infer_output(node);
    if (!type) return;
    if (std::optional<Tensor> view = reshaped(rewriter, node, *type)) {
      rewriter.bypass(node, rewriter.add(std::move(*view)));
      return;
    }
    const Result<std::int64_t> count = element_count(type->shape);
    if (!count || static_cast<std::size_t>(*count) > allowance) return;
    const Result<Value> value = evaluate(rewriter, node);
    if (!value) return;  // a division by zero, an index out of range: whoever runs the network is told
    allowance -= static_cast<std::size_t>(*count);
    rewriter.bypass(node, rewriter.add(make_constant(*value, type->type, rewriter.tensor(node.output).name)));
  });
  return std::move(rewriter).finish_or(original);
}

}  // namespace residua::graph
