// Nodes that hand on what they get.
#include <algorithm>
#include <limits>

#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace residua::graph {
namespace {

bool all_are(const std::vector<std::int64_t>& values, std::int64_t wanted) {
  return std::all_of(values.begin(), values.end(), [wanted](std::int64_t value) { return value == wanted; });
}

bool pads_nothing(const Node& node) {
  const auto& pad = attributes_of<PadAttributes>(node);
  return node.input(1) == no_tensor && all_are(pad.before, 0) && all_are(pad.after, 0);
}

// Steps of 1, and each dimension as long as before; of one whose length is not known, from 0 to what exporters write
// for "the end".
bool takes_everything(const Rewriter& rewriter, const Node& node) {
  if (node.inputs.size() > 1) return false;
  const auto& slice = attributes_of<SliceAttributes>(node);
  const Shape& x = rewriter.shape(node.inputs[0]);
  const Shape& output = rewriter.shape(node.output);
  if (!all_are(slice.steps, 1)) return false;
  for (std::size_t i = 0; i < slice.starts.size(); ++i) {
    std::int64_t axis = slice.axes.empty() ? static_cast<std::int64_t>(i) : slice.axes[i];
    if (axis < 0) axis += static_cast<std::int64_t>(x.size());
    const Dimension size = x[static_cast<std::size_t>(axis)];
    const bool whole = is_static(size) ? output[static_cast<std::size_t>(axis)] == size
                                       : slice.starts[i] == 0 && slice.ends[i] >= std::numeric_limits<int>::max();
    if (!whole) return false;
  }
  return true;
}

bool is_identity(const std::vector<std::int64_t>& permutation) {
  for (std::size_t i = 0; i < permutation.size(); ++i) {
    if (permutation[i] != static_cast<std::int64_t>(i)) return false;
  }
  return !permutation.empty();
}

// The same shape, and at most one size that nobody vouches for: the number of elements settles that one.
bool keeps_shape(const Rewriter& rewriter, const Node& node) {
  if (node.input(1) != no_tensor) return false;
  const Shape& x = rewriter.shape(node.inputs[0]);
  if (x != rewriter.shape(node.output)) return false;
  const auto* reshape = std::get_if<ReshapeAttributes>(&node.attributes);
  std::size_t open = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool copied = reshape && reshape->shape[i] == 0;
    if (x[i] == unknown_dimension && !copied) ++open;
  }
  return open <= 1;
}

// Whether the operand at `index` is a constant full of `neutral` that does not broadcast the other one up.
bool is_neutral(const Rewriter& rewriter, const Node& node, std::size_t index, float neutral) {
  const TensorId constant = node.inputs[index];
  if (!rewriter.is_constant(constant)) return false;
  if (rewriter.shape(node.inputs[1 - index]) != rewriter.shape(node.output)) return false;
  const Tensor& tensor = rewriter.tensor(constant);
  if (is_floating_point(tensor.type)) {
    const std::vector<float> values = read_floats(tensor);
    return std::all_of(values.begin(), values.end(), [neutral](float value) { return value == neutral; });
  }
  return all_are(read_integers(tensor), static_cast<std::int64_t>(neutral));
}

bool is_unknown(const Shape& shape) { return std::find(shape.begin(), shape.end(), unknown_dimension) != shape.end(); }

// Arithmetic broadcasts by itself: it reads what an expand reads, where the other operand has the output's shape.
void read_through_expand(Rewriter& rewriter, Node& node) {
  const Shape& output = rewriter.shape(node.output);
  if (is_unknown(output)) return;
  for (std::size_t i = 0; i < 2; ++i) {
    const Node* expand = rewriter.producer(node.inputs[i], Op::expand);
    if (!expand || rewriter.shape(node.inputs[1 - i]) != output) continue;
    std::vector<TensorId> inputs = node.inputs;
    inputs[i] = expand->inputs[0];
    rewriter.set_inputs(node, std::move(inputs));
  }
}

// The operand that arithmetic with a neutral constant hands on, or no_tensor.
TensorId unchanged_operand(const Rewriter& rewriter, const Node& node) {
  const bool additive = node.op == Op::add || node.op == Op::subtract;
  const bool commutes = node.op == Op::add || node.op == Op::multiply;
  const float neutral = additive ? 0.0f : 1.0f;
  if (is_neutral(rewriter, node, 1, neutral)) return node.inputs[0];
  if (commutes && is_neutral(rewriter, node, 0, neutral)) return node.inputs[1];
  return no_tensor;
}

bool clips_nothing(const ClipAttributes& clip) {
  constexpr ClipAttributes unlimited;
  return clip.minimum <= unlimited.minimum && clip.maximum >= unlimited.maximum;
}

// relu after relu
bool is_rectified(const Rewriter& rewriter, TensorId x) {
  const Node* node = rewriter.producer(x);
  return node && (node->op == Op::relu || is_activated(*node));
}

// What the node hands on, or no_tensor.
TensorId handed_on(const Rewriter& rewriter, const Node& node) {
  const TensorId x = node.inputs[0];
  const auto x_if = [x](bool condition) { return condition ? x : no_tensor; };
  switch (node.op) {
    case Op::identity:
      return x;
    case Op::expand:
      return x_if(rewriter.shape(x) == rewriter.shape(node.output) && !is_unknown(rewriter.shape(x)));
    case Op::cast:
      return x_if(rewriter.tensor(x).type == attributes_of<CastAttributes>(node).to);
    case Op::pad:
      return x_if(pads_nothing(node));
    case Op::slice:
      return x_if(takes_everything(rewriter, node));
    case Op::concat:
      return x_if(node.inputs.size() == 1);
    case Op::transpose:
      return x_if(is_identity(attributes_of<TransposeAttributes>(node).permutation));
    case Op::reshape:
    case Op::flatten:
    case Op::squeeze:
    case Op::unsqueeze:
      return x_if(keeps_shape(rewriter, node));
    case Op::add:
    case Op::subtract:
    case Op::multiply:
    case Op::divide:
      return unchanged_operand(rewriter, node);
    case Op::clip:
      return x_if(clips_nothing(attributes_of<ClipAttributes>(node)));
    case Op::relu:
      return x_if(is_rectified(rewriter, x));
    default:
      return no_tensor;
  }
}

}  // namespace

Graph remove_noops(Graph graph) {
  const Graph original = graph;
  Rewriter rewriter(std::move(graph));
  rewriter.sweep([&](Node& node) {
    if (is_arithmetic(node.op)) read_through_expand(rewriter, node);
    const TensorId x = handed_on(rewriter, node);
    if (x != no_tensor) rewriter.bypass(node, x);
  });
  return std::move(rewriter).finish_or(original);
}

}  // namespace residua::graph
