// Exporters compute shapes inside the network: shape_of, gather, concat, reshape. What that arithmetic comes to is
// worked out here with the batch and the image's size as symbols; results that are numbers become constants, and
// operands that say a shape, axes or counts become attributes.
#include <algorithm>
#include <unordered_map>

#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"
#include "graph/passes/symbolic_integers.h"

namespace residua::graph {
namespace {

using Kind = SymbolicInteger::Kind;

class ShapeFolder {
 public:
  explicit ShapeFolder(Rewriter& rewriter) : rewriter_(rewriter) {}

  void visit(Node& node) {
    settle_operands(node);
    rewriter_.refresh_output(node);
    if (is_floating_point(rewriter_.tensor(node.output).type)) return;
    std::optional<SymbolicTensor> result = evaluate(node);
    if (!result) return;
    if (result->is_known() && !rewriter_.is_output(node.output)) {
      replace_by_constant(node, *result);
    } else {
      known_.emplace(node.output, std::move(*result));
    }
  }

 private:
  // nullptr where nothing is known of it
  const SymbolicTensor* find(TensorId id) {
    if (id == no_tensor) return nullptr;
    const auto entry = known_.find(id);
    if (entry != known_.end()) return &entry->second;
    const Tensor& tensor = rewriter_.tensor(id);
    if (!tensor.is_constant() || is_floating_point(tensor.type)) return nullptr;
    const Result<std::int64_t> count = element_count(tensor.shape);
    if (!count || *count > most_symbolic_entries) return nullptr;
    return &known_.emplace(id, symbolic_numbers(tensor.shape, read_integers(tensor))).first->second;
  }

  std::optional<std::vector<std::int64_t>> find_numbers(TensorId id) {
    const SymbolicTensor* operand = find(id);
    return operand && operand->is_known() ? std::optional(operand->numbers()) : std::nullopt;
  }

  std::optional<SymbolicTensor> evaluate(const Node& node) {
    if (node.op == Op::shape_of) return symbolic_shape(rewriter_.shape(node.inputs[0]));
    std::vector<const SymbolicTensor*> inputs;
    inputs.reserve(node.inputs.size());
    for (const TensorId id : node.inputs) inputs.push_back(find(id));
    return evaluate_symbolically(node, inputs);
  }

  void replace_by_constant(Node& node, const SymbolicTensor& result) {
    const Tensor& output = rewriter_.tensor(node.output);
    const Value value{result.shape, result.numbers()};
    rewriter_.bypass(node, rewriter_.add(make_constant(value, output.type, output.name)));
  }

  // Moves operands into attributes where they are known.
  void settle_operands(Node& node) {
    if (node.inputs.size() < 2) return;
    switch (node.op) {
      case Op::reshape:
        return settle_reshape(node);
      case Op::expand:
        return settle_expand(node);
      case Op::pad:
        return settle_pad(node);
      case Op::slice:
        return settle_slice(node);
      case Op::squeeze:
      case Op::unsqueeze:
        if (const auto axes = find_numbers(node.inputs[1]); axes && !axes->empty()) settle(node, AxesAttributes{*axes});
        return;
      case Op::reduce_mean:
        if (const auto axes = find_numbers(node.inputs[1])) {
          settle(node, ReduceAttributes{*axes, attributes_of<ReduceAttributes>(node).keep_dimensions});
        }
        return;
      default:
        return;
    }
  }

  // Only where the attributes fit x: what does not is left for shape inference to refuse when sizes are known.
  void settle(Node& node, Attributes attributes) {
    Node settled = node;
    settled.inputs = {node.inputs[0]};
    settled.attributes = attributes;
    if (!rewriter_.infer_output(settled)) return;
    rewriter_.set_inputs(node, {node.inputs[0]});
    node.attributes = std::move(attributes);
  }

  // A size that is no number is copied from x where x has the batch in its place, and inferred from all the others
  // where it is the only one: what it comes to is what is left of x's elements.
  void settle_reshape(Node& node) {
    const SymbolicTensor* operand = find(node.inputs[1]);
    if (!operand) return;
    const Shape& x = rewriter_.shape(node.inputs[0]);
    std::vector<std::int64_t> target;
    for (std::size_t i = 0; i < operand->entries.size(); ++i) {
      const SymbolicInteger& entry = operand->entries[i];
      const bool copies = entry.kind == Kind::batch && i < x.size() && x[i] == batch_dimension;
      target.push_back(entry.is_number() ? entry.number : copies ? 0 : -1);
    }
    if (std::count(target.begin(), target.end(), -1) <= 1) settle(node, ReshapeAttributes{std::move(target)});
  }

  // A size that is no number but the batch keeps its symbol; any other leaves the operand in place.
  void settle_expand(Node& node) {
    const SymbolicTensor* operand = find(node.inputs[1]);
    if (!operand) return;
    std::vector<std::int64_t> target;
    for (const SymbolicInteger& entry : operand->entries) {
      if (!entry.is_number() && entry.kind != Kind::batch) return;
      target.push_back(entry.is_number() ? entry.number : batch_dimension);
    }
    settle(node, ReshapeAttributes{std::move(target)});
  }

  void settle_pad(Node& node) {
    const auto counts = find_numbers(node.inputs[1]);
    if (!counts || counts->size() % 2 != 0) return;
    const auto middle = counts->begin() + static_cast<std::ptrdiff_t>(counts->size() / 2);
    PadAttributes pad = attributes_of<PadAttributes>(node);
    pad.before.assign(counts->begin(), middle);
    pad.after.assign(middle, counts->end());
    settle(node, std::move(pad));
  }

  void settle_slice(Node& node) {
    SliceAttributes slice;
    std::vector<std::int64_t>* const fields[] = {&slice.starts, &slice.ends, &slice.axes, &slice.steps};
    for (std::size_t i = 1; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == no_tensor) continue;
      auto values = find_numbers(node.inputs[i]);
      if (!values) return;
      *fields[i - 1] = std::move(*values);
    }
    settle(node, std::move(slice));
  }

  Rewriter& rewriter_;
  std::unordered_map<TensorId, SymbolicTensor> known_;
};

}  // namespace

Graph fold_shape_arithmetic(Graph graph) {
  const Graph original = graph;
  Rewriter rewriter(std::move(graph));
  ShapeFolder folder(rewriter);
  rewriter.sweep([&folder](Node& node) { folder.visit(node); });
  return std::move(rewriter).finish_or(original);
}

}  // namespace residua::graph
