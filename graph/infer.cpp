#include "graph/infer.h"

#include "graph/infer_rules.h"
#include "graph/operators.h"
#include "graph/text.h"

namespace residua::graph {
namespace {

Status check_arity(const NodeView& view) {
  const Node& node = view.node();
  const OperatorInfo& info = info_of(node.op);
  const std::size_t count = view.input_count();
  if (count < static_cast<std::size_t>(info.min_inputs) ||
      (info.max_inputs >= 0 && count > static_cast<std::size_t>(info.max_inputs))) {
    const std::string most = info.max_inputs < 0 ? "more" : std::to_string(info.max_inputs);
    return view.malformed("has " + std::to_string(count) + " inputs; expected " + std::to_string(info.min_inputs) +
                          " to " + most);
  }
  // All inputs of an op that takes any number are needed.
  const std::size_t needed = info.max_inputs < 0 ? count : static_cast<std::size_t>(info.min_inputs);
  for (std::size_t i = 0; i < needed; ++i) {
    if (!view.has(i)) return view.malformed("leaves out input " + std::to_string(i) + ", which it needs");
  }
  if (node.attributes.index() != info.default_attributes.index()) {
    return view.malformed("holds attributes of another op");
  }
  return {};
}

Result<TensorType> apply_rule(const NodeView& view) {
  switch (view.node().op) {
    case Op::convolution:
      return infer_convolution(view);
    case Op::fully_connected:
      return infer_fully_connected(view);
    case Op::max_pool:
    case Op::average_pool:
      return infer_pool(view);
    case Op::global_average_pool:
      return infer_global_average_pool(view);
    case Op::batch_norm:
      return infer_batch_norm(view);
    case Op::group_norm:
      return infer_group_norm(view);
    case Op::channel_gate:
      return infer_channel_gate(view);
    case Op::relu:
    case Op::sigmoid:
    case Op::clip:
      return infer_activation(view);
    case Op::quantize:
      return infer_quantize(view);
    case Op::softmax:
      return infer_softmax(view);
    case Op::add:
    case Op::subtract:
    case Op::multiply:
    case Op::divide:
      return infer_broadcast(view);
    case Op::pad:
      return infer_pad(view);
    case Op::slice:
      return infer_slice(view);
    case Op::concat:
      return infer_concat(view);
    case Op::flatten:
      return infer_flatten(view);
    case Op::reshape:
      return infer_reshape(view);
    case Op::transpose:
      return infer_transpose(view);
    case Op::expand:
      return infer_expand(view);
    case Op::matmul:
      return infer_matmul(view);
    case Op::reduce_mean:
      return infer_reduce_mean(view);
    case Op::squeeze:
      return infer_squeeze(view);
    case Op::unsqueeze:
      return infer_unsqueeze(view);
    case Op::identity:
      return view.operand(0).tensor;
    case Op::cast:
      return TensorType{view.attributes<CastAttributes>().to, view.shape(0)};
    case Op::shape_of:
      return TensorType{ElementType::int64, {static_cast<Dimension>(view.shape(0).size())}};
    case Op::gather:
      return infer_gather(view);
    case Op::constant_of_shape:
      return infer_constant_of_shape(view);
  }
  throw InternalError("an op without a rule");
}

// Only small integer vectors can be shapes, axes or counts; larger constants are not read.
bool may_be_shape(const Tensor& tensor) {
  return tensor.is_constant() && !is_floating_point(tensor.type) && tensor.shape.size() <= 1 &&
         tensor.constant.size <= 2 * maximum_rank * sizeof(std::int64_t);
}

Result<std::optional<Operand>> operand_of(const Graph& graph, const NodeView& view, TensorId id) {
  if (id == no_tensor) return std::optional<Operand>{};
  if (id < 0 || static_cast<std::size_t>(id) >= graph.tensors.size()) {
    return view.malformed("reads tensor " + std::to_string(id) + " of " + std::to_string(graph.tensors.size()));
  }
  const Tensor& tensor = graph.tensor(id);
  Operand operand{{tensor.type, tensor.shape}, std::nullopt};
  if (may_be_shape(tensor)) {
    RESIDUA_RETURN_IF_ERROR(check_constant(tensor));
    operand.values = read_integers(tensor);
  }
  return std::optional<Operand>(std::move(operand));
}

bool is_symbol(Dimension dimension) { return dimension == batch_dimension || dimension == unknown_dimension; }

// Gives the batch its number wherever the graph names it: in its inputs' shapes and in the targets of its reshapes.
void set_batch(Graph& graph, Dimension batch) {
  const auto replace = [batch](std::vector<std::int64_t>& shape) {
    for (std::int64_t& dimension : shape) {
      if (dimension == batch_dimension) dimension = batch;
    }
  };
  for (const TensorId id : graph.inputs) replace(graph.tensor(id).shape);
  for (Node& node : graph.nodes) {
    if (auto* reshape = std::get_if<ReshapeAttributes>(&node.attributes)) replace(reshape->shape);
  }
}

}  // namespace

const Operand& NodeView::operand(std::size_t index) const {
  if (!has(index)) throw InternalError(error(ErrorCode::internal, "has no input " + std::to_string(index)).message);
  return *operands_[index];
}

Error NodeView::error(ErrorCode code, const std::string& what) const {
  return {code, "node " + quoted(node_.name) + " (" + std::string(info_of(node_.op).name) + ") " + what};
}

Result<TensorType> infer_node(const NodeView& view) {
  RESIDUA_RETURN_IF_ERROR(check_arity(view));
  RESIDUA_ASSIGN(TensorType inferred, apply_rule(view));
  if (inferred.shape.size() > maximum_rank) {
    return view.error(ErrorCode::limit, "makes " + std::to_string(inferred.shape.size()) + " dimensions of at most " +
                                            std::to_string(maximum_rank));
  }
  return inferred;
}

Result<TensorType> infer(const Graph& graph, const Node& node) {
  std::vector<std::optional<Operand>> operands;
  operands.reserve(node.inputs.size());
  const NodeView nameless(node, {});
  for (const TensorId id : node.inputs) {
    RESIDUA_ASSIGN(operands.emplace_back(), operand_of(graph, nameless, id));
  }
  return infer_node(NodeView(node, operands));
}

Result<Graph> infer_shapes(Graph graph) {
  for (const Node& node : graph.nodes) {
    RESIDUA_ASSIGN(TensorType inferred, infer(graph, node));
    if (node.output < 0 || static_cast<std::size_t>(node.output) >= graph.tensors.size()) {
      return NodeView(node, {}).malformed("writes tensor " + std::to_string(node.output) + " of " +
                                          std::to_string(graph.tensors.size()));
    }
    Tensor& output = graph.tensor(node.output);
    output.type = inferred.type;
    output.shape = std::move(inferred.shape);
  }
  return graph;
}

Result<Graph> with_input_shape(Graph graph, const Shape& input_shape) {
  if (graph.inputs.empty()) return Error{ErrorCode::mismatch, "the network has no input"};
  const TensorId input = graph.inputs[0];
  const Shape declared = graph.tensor(input).shape;
  const auto refuse = [&](const std::string& why) {
    return Error{ErrorCode::mismatch, "input " + quoted(graph.tensor(input).name) + " of shape " + to_string(declared) +
                                          " can't be " + to_string(input_shape) + why};
  };
  if (input_shape.size() != declared.size()) return refuse("");
  if (const auto count = element_count(input_shape); !count) return refuse(": " + count.error().message);
  std::optional<Dimension> batch;
  for (std::size_t i = 0; i < declared.size(); ++i) {
    if (!is_symbol(declared[i]) && declared[i] != input_shape[i]) return refuse("");
    if (declared[i] != batch_dimension) continue;
    if (batch && *batch != input_shape[i]) return refuse(": the batch has one size");
    batch = input_shape[i];
  }
  if (batch) set_batch(graph, *batch);
  graph.tensor(input).shape = input_shape;
  return infer_shapes(std::move(graph));
}

}  // namespace residua::graph
