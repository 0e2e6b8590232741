#include "graph/interpret.h"

#include <algorithm>
#include <limits>
#include <new>

#include "graph/input_limits.h"
#include "graph/interpret_ops.h"
#include "graph/operators.h"
#include "graph/text.h"

namespace residua::graph {
namespace {

Result<Value> apply(const Invocation& call) {
  switch (call.view.node().op) {
    case Op::convolution:
      return interpret_convolution(call);
    case Op::fully_connected:
      return interpret_fully_connected(call);
    case Op::max_pool:
      return interpret_max_pool(call);
    case Op::average_pool:
      return interpret_average_pool(call);
    case Op::global_average_pool:
    case Op::reduce_mean:
      return interpret_mean(call);
    case Op::batch_norm:
      return interpret_batch_norm(call);
    case Op::group_norm:
      return interpret_group_norm(call);
    case Op::channel_gate:
      return interpret_channel_gate(call);
    case Op::relu:
      return interpret_relu(call);
    case Op::sigmoid:
      return interpret_sigmoid(call);
    case Op::clip:
      return interpret_clip(call);
    case Op::quantize:
      return interpret_quantize(call);
    case Op::softmax:
      return interpret_softmax(call);
    case Op::add:
    case Op::subtract:
    case Op::multiply:
    case Op::divide:
      return interpret_broadcast(call);
    case Op::pad:
      return interpret_pad(call);
    case Op::slice:
      return interpret_slice(call);
    case Op::concat:
      return interpret_concat(call);
    case Op::transpose:
      return interpret_transpose(call);
    case Op::expand:
      return interpret_expand(call);
    case Op::matmul:
      return interpret_matmul(call);
    case Op::flatten:
    case Op::reshape:
    case Op::squeeze:
    case Op::unsqueeze:
    case Op::identity:
      return interpret_reinterpretation(call);
    case Op::cast:
      return interpret_cast(call);
    case Op::shape_of:
      return interpret_shape_of(call);
    case Op::gather:
      return interpret_gather(call);
    case Op::constant_of_shape:
      return interpret_constant_of_shape(call);
  }
  throw InternalError("an op without an interpretation");
}

std::size_t held(const Value& value) {
  return std::visit([](const auto& elements) { return elements.size(); }, value.elements);
}

bool holds_floats(const Value& value) { return value.elements.index() == 0; }

bool fills_its_shape(const Value& value) {
  const Result<std::int64_t> count = element_count(value.shape);
  return count.ok() && static_cast<std::uint64_t>(*count) == held(value);
}

std::optional<Operand> operand_of(const Value& value) {
  Operand operand{{holds_floats(value) ? ElementType::float32 : ElementType::int64, value.shape}, std::nullopt};
  if (!holds_floats(value) && value.shape.size() <= 1 && held(value) <= 2 * maximum_rank) {
    operand.values = value.integers();
  }
  return operand;
}

Value without_elements(const TensorType& type) {
  if (is_floating_point(type.type)) return {type.shape, std::vector<float>{}};
  return {type.shape, std::vector<std::int64_t>{}};
}

// The values that a run of a graph holds at one time.
class Run {
 public:
  explicit Run(const Graph& graph) : graph_(graph), values_(graph.tensors.size()), uses_(graph.tensors.size(), 0) {
    for (const Node& node : graph.nodes) {
      for (const TensorId id : node.inputs) {
        if (id != no_tensor) ++uses_[index(id)];
      }
    }
    for (const TensorId id : graph.outputs) ++uses_[index(id)];
  }

  Status set_inputs(std::span<const Value> inputs) {
    if (inputs.size() != graph_.inputs.size()) {
      return Error{ErrorCode::invalid_argument, "the graph takes " + std::to_string(graph_.inputs.size()) +
                                                    " inputs, not " + std::to_string(inputs.size())};
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!accepts(graph_.tensor(graph_.inputs[i]), inputs[i])) {
        const Tensor& declared = graph_.tensor(graph_.inputs[i]);
        return Error{ErrorCode::mismatch, "input " + quoted(declared.name) + " is " +
                                              std::string(name_of(declared.type)) + " " + to_string(declared.shape) +
                                              "; " + to_string(inputs[i].shape) + " with " +
                                              std::to_string(held(inputs[i])) + " elements does not fit"};
      }
      values_[index(graph_.inputs[i])] = inputs[i];
    }
    return {};
  }

  Status run(const Node& node) {
    std::vector<std::optional<Value>> constants(node.inputs.size());
    std::vector<const Value*> inputs(node.inputs.size(), nullptr);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const TensorId id = node.inputs[i];
      if (id == no_tensor) continue;
      if (graph_.tensor(id).is_constant()) {
        inputs[i] = &constants[i].emplace(value_of(graph_.tensor(id)));
      } else if (values_[index(id)]) {
        inputs[i] = &*values_[index(id)];
      } else {
        throw InternalError("node " + quoted(node.name) + " reads a tensor without a value: verify() the graph first");
      }
    }
    RESIDUA_ASSIGN(values_[index(node.output)], interpret_node(node, inputs));
    for (const TensorId id : node.inputs) release(id);
    return {};
  }

  std::vector<Value> outputs() const {
    std::vector<Value> outputs;
    for (const TensorId id : graph_.outputs) {
      const Tensor& tensor = graph_.tensor(id);
      outputs.push_back(tensor.is_constant() ? value_of(tensor) : values_[index(id)].value());
    }
    return outputs;
  }

 private:
  static std::size_t index(TensorId id) { return static_cast<std::size_t>(id); }

  void release(TensorId id) {
    if (id != no_tensor && --uses_[index(id)] == 0) values_[index(id)].reset();
  }

  // Symbols take any size, but the batch has one.
  bool accepts(const Tensor& declared, const Value& value) {
    if (!fills_its_shape(value) || value.shape.size() != declared.shape.size()) return false;
    if (holds_floats(value) != is_floating_point(declared.type)) return false;
    for (std::size_t i = 0; i < value.shape.size(); ++i) {
      if (declared.shape[i] == batch_dimension) {
        if (batch_.value_or(value.shape[i]) != value.shape[i]) return false;
        batch_ = value.shape[i];
      } else if (is_static(declared.shape[i]) && declared.shape[i] != value.shape[i]) {
        return false;
      }
    }
    return true;
  }

  const Graph& graph_;
  std::vector<std::optional<Value>> values_;
  std::vector<std::size_t> uses_;  // still to come
  std::optional<Dimension> batch_;
};

}  // namespace

std::size_t count_of(const Shape& shape) { return static_cast<std::size_t>(element_count(shape).value()); }

std::vector<std::int64_t> strides_of(const Shape& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * std::max<std::int64_t>(shape[d], 1);
  return strides;
}

std::int64_t to_integer(double value) {
  constexpr double limit = 9223372036854775808.0;  // 2^63
  if (value >= limit) return std::numeric_limits<std::int64_t>::max();
  if (value < -limit) return std::numeric_limits<std::int64_t>::min();
  return value == value ? static_cast<std::int64_t>(value) : 0;
}

Result<Value> interpret_node(const Node& node, std::span<const Value* const> inputs) {
  std::vector<std::optional<Operand>> operands;
  for (const Value* input : inputs) {
    if (input && !fills_its_shape(*input)) {
      return Error{ErrorCode::invalid_argument, "node " + quoted(node.name) + " is given " +
                                                    std::to_string(held(*input)) + " elements of shape " +
                                                    to_string(input->shape)};
    }
    operands.push_back(input ? operand_of(*input) : std::nullopt);
  }
  const NodeView view(node, operands);
  RESIDUA_ASSIGN(const TensorType output, infer_node(view));
  RESIDUA_ASSIGN(const std::int64_t count, element_count(output.shape));
  if (const Status status = check_limit(Limit::tensor_elements, static_cast<std::uint64_t>(count),
                                        to_string(output.shape) + ", elements");
      !status) {
    return view.error(ErrorCode::limit, "makes " + status.error().message);
  }
  if (count == 0) return without_elements(output);
  try {
    return apply({view, inputs, output.shape});
  } catch (const std::bad_alloc&) {
    return view.error(ErrorCode::out_of_memory, "makes " + to_string(output.shape) + ", which memory does not hold");
  }
}

Result<std::vector<Value>> interpret(const Graph& graph, std::span<const Value> inputs) {
  Run run(graph);
  RESIDUA_RETURN_IF_ERROR(run.set_inputs(inputs));
  for (const Node& node : graph.nodes) RESIDUA_RETURN_IF_ERROR(run.run(node));
  return run.outputs();
}

Value value_of(const Tensor& constant) {
  if (is_floating_point(constant.type)) return {constant.shape, read_floats(constant)};
  return {constant.shape, read_integers(constant)};
}

Tensor constant_of(const Value& value, std::string name) {
  return holds_floats(value) ? make_float_constant(std::move(name), value.shape, value.floats())
                             : make_integer_constant(std::move(name), value.shape, value.integers());
}

}  // namespace residua::graph
