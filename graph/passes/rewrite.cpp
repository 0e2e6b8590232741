#include "graph/passes/rewrite.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace residua::graph {
namespace {

template <class Element, class Source, class Convert>
ConstantData packed(const std::vector<Source>& values, Convert convert) {
  const std::size_t size = values.size() * sizeof(Element);
  const std::shared_ptr<std::byte[]> bytes(new std::byte[std::max<std::size_t>(size, 1)]);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Element element = convert(values[i]);
    std::memcpy(bytes.get() + i * sizeof(Element), &element, sizeof(Element));
  }
  return {std::shared_ptr<const std::byte>(bytes, bytes.get()), size};
}

template <class Element, class Source>
ConstantData packed_as(const std::vector<Source>& values) {
  return packed<Element>(values, [](Source value) { return static_cast<Element>(value); });
}

ConstantData packed_floats(const std::vector<float>& values, ElementType type) {
  switch (type) {
    case ElementType::float64:
      return packed_as<double>(values);
    case ElementType::float16:
      return packed<std::uint16_t>(values, float_to_half);
    case ElementType::bfloat16:
      return packed<std::uint16_t>(values, float_to_bfloat16);
    default:
      return packed_as<float>(values);
  }
}

ConstantData packed_integers(const std::vector<std::int64_t>& values, ElementType type) {
  switch (type) {
    case ElementType::int32:
      return packed_as<std::int32_t>(values);
    case ElementType::uint8:
    case ElementType::boolean:
      return packed_as<std::uint8_t>(values);
    case ElementType::int8:
      return packed_as<std::int8_t>(values);
    default:
      return packed_as<std::int64_t>(values);
  }
}

// Infers every shape again, in place; the first node that does not fit ends it.
Status refresh_shapes(Graph& graph) {
  for (const Node& node : graph.nodes) {
    RESIDUA_ASSIGN(TensorType inferred, infer(graph, node));
    Tensor& output = graph.tensor(node.output);
    output.type = inferred.type;
    output.shape = std::move(inferred.shape);
  }
  return {};
}

}  // namespace

Rewriter::Rewriter(Graph graph)
    : graph_(std::move(graph)), uses_(graph_.tensors.size()), replacement_(graph_.tensors.size()) {
  std::iota(replacement_.begin(), replacement_.end(), 0);
  for (const Node& node : graph_.nodes) count_inputs(node);
  for (const TensorId id : graph_.outputs) {
    ++uses_of(id).count;
    uses_of(id).is_output = true;
  }
}

Node* Rewriter::producer(TensorId id, Op op) const {
  Node* node = producer(id);
  return node && node->op == op ? node : nullptr;
}

void Rewriter::resolve_inputs(Node& node) const {
  for (TensorId& id : node.inputs) {
    // One step is enough: what replaces a tensor stands before it and has been resolved itself.
    if (id != no_tensor) id = replacement_[static_cast<std::size_t>(id)];
  }
}

void Rewriter::count_inputs(const Node& node) {
  for (const TensorId id : node.inputs) {
    if (id != no_tensor) ++uses_of(id).count;
  }
}

void Rewriter::release_inputs(const Node& node) {
  for (const TensorId id : node.inputs) {
    if (id != no_tensor) --uses_of(id).count;
  }
}

Node& Rewriter::place(Node node) {
  Uses& uses = uses_of(node.output);
  uses.position = placed_.size();
  placed_.push_back(std::move(node));
  uses.producer = &placed_.back();
  return placed_.back();
}

TensorId Rewriter::add(Tensor tensor) {
  uses_.emplace_back();
  const TensorId id = graph_.add(std::move(tensor));
  replacement_.push_back(id);
  return id;
}

TensorId Rewriter::insert_before(const Node& current, Op op, std::vector<TensorId> inputs, Attributes attributes) {
  const Tensor& model = tensor(current.output);
  const TensorId output = add({model.name, model.type, {}, {}});
  const Node& node = place({op, current.name, std::move(inputs), output, std::move(attributes)});
  count_inputs(node);
  refresh_output(node);
  return output;
}

void Rewriter::set_inputs(Node& node, std::vector<TensorId> inputs) {
  release_inputs(node);
  node.inputs = std::move(inputs);
  count_inputs(node);
}

bool Rewriter::bypass(Node& current, TensorId source) {
  Uses& removed = uses_of(current.output);
  Uses& kept = uses_of(source);
  if (removed.is_output) {
    if (!kept.producer || kept.is_output) return false;
    kept.is_output = true;
    graph_.tensor(source).name = graph_.tensor(current.output).name;
    std::replace(graph_.outputs.begin(), graph_.outputs.end(), current.output, source);
  }
  kept.count += std::exchange(removed.count, 0);
  release_inputs(current);
  replacement_[static_cast<std::size_t>(current.output)] = source;
  current.output = no_tensor;
  return true;
}

void Rewriter::merge_into(Node& earlier, Node& current) {
  release_inputs(current);
  Uses& uses = uses_of(current.output);
  Uses& old = uses_of(earlier.output);
  uses.position = old.position;
  uses.producer = std::exchange(old.producer, nullptr);
  earlier.output = std::exchange(current.output, no_tensor);
}

void Rewriter::remove(Node& earlier) {
  release_inputs(earlier);
  uses_of(earlier.output).producer = nullptr;
  earlier.output = no_tensor;
}

Result<TensorType> Rewriter::infer_output(const Node& node) const { return infer(graph_, node); }

void Rewriter::refresh_output(const Node& node) {
  Result<TensorType> inferred = infer_output(node);
  if (!inferred) return;
  graph_.tensor(node.output).type = inferred->type;
  graph_.tensor(node.output).shape = std::move(inferred->shape);
}

void Rewriter::assemble() {
  for (Node& node : placed_) {
    if (node.output != no_tensor) graph_.nodes.push_back(std::move(node));
  }
  graph_ = without_dead(std::move(graph_));
}

Graph Rewriter::finish() && {
  assemble();
  static_cast<void>(refresh_shapes(graph_));
  return std::move(graph_);
}

Graph Rewriter::finish_or(Graph original) && {
  assemble();
  return refresh_shapes(graph_) ? std::move(graph_) : std::move(original);
}

Graph without_dead(Graph graph) {
  constexpr TensorId unneeded = -1;
  std::vector<TensorId> renumbered(graph.tensors.size(), unneeded);
  const auto need = [&renumbered](TensorId id) {
    if (id != no_tensor) renumbered[static_cast<std::size_t>(id)] = 0;
  };
  const auto is_needed = [&renumbered](TensorId id) { return renumbered[static_cast<std::size_t>(id)] != unneeded; };
  for (const TensorId id : graph.outputs) need(id);
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    if (!is_needed(node->output)) continue;
    for (const TensorId id : node->inputs) need(id);
  }
  std::erase_if(graph.nodes, [&](const Node& node) { return !is_needed(node.output); });
  for (const TensorId id : graph.inputs) need(id);

  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < renumbered.size(); ++i) {
    if (renumbered[i] == unneeded) continue;
    renumbered[i] = static_cast<TensorId>(tensors.size());
    tensors.push_back(std::move(graph.tensors[i]));
  }
  graph.tensors = std::move(tensors);
  const auto renumber = [&renumbered](TensorId& id) {
    if (id != no_tensor) id = renumbered[static_cast<std::size_t>(id)];
  };
  for (Node& node : graph.nodes) {
    std::for_each(node.inputs.begin(), node.inputs.end(), renumber);
    renumber(node.output);
  }
  std::for_each(graph.inputs.begin(), graph.inputs.end(), renumber);
  std::for_each(graph.outputs.begin(), graph.outputs.end(), renumber);
  return graph;
}

Tensor make_constant(const Value& value, ElementType type, std::string name) {
  ConstantData data =
      is_floating_point(type) ? packed_floats(value.floats(), type) : packed_integers(value.integers(), type);
  return {std::move(name), type, value.shape, std::move(data)};
}

std::optional<std::vector<std::int64_t>> reshape_target(const Shape& x, const Shape& output, std::size_t copied) {
  constexpr std::int64_t copy = 0, infer_it = -1;
  if (std::find(x.begin(), x.end(), 0) != x.end()) return std::nullopt;  // nothing can be inferred from no elements
  std::vector<std::int64_t> target;
  bool inferred = false;
  for (std::size_t i = 0; i < output.size(); ++i) {
    const bool same_symbol = i < x.size() && output[i] == batch_dimension && x[i] == batch_dimension;
    if (is_static(output[i])) {
      if (output[i] == 0) return std::nullopt;  // would read as a copy
      target.push_back(output[i]);
    } else if (i < copied || same_symbol) {
      target.push_back(copy);
    } else if (std::exchange(inferred, true)) {
      return std::nullopt;
    } else {
      target.push_back(infer_it);
    }
  }
  return target;
}

bool renames_dimensions(Op op) {
  return op == Op::reshape || op == Op::flatten || op == Op::squeeze || op == Op::unsqueeze;
}

bool is_arithmetic(Op op) { return op == Op::add || op == Op::subtract || op == Op::multiply || op == Op::divide; }

Activation* activation_of(Node& node) {
  switch (node.op) {
    case Op::convolution:
      return &attributes_of<ConvolutionAttributes>(node).activation;
    case Op::batch_norm:
      return &attributes_of<BatchNormAttributes>(node).activation;
    case Op::group_norm:
      return &attributes_of<GroupNormAttributes>(node).activation;
    case Op::channel_gate:
      return &attributes_of<ChannelGateAttributes>(node).activation;
    default:
      return nullptr;
  }
}

bool is_activated(const Node& node) {
  const Activation* activation = activation_of(const_cast<Node&>(node));
  return activation && *activation == Activation::relu;
}

bool is_pixel(const Shape& x) { return x.size() == 4 && is_static(x[1]) && x[2] == 1 && x[3] == 1; }

}  // namespace residua::graph
