// Exporters write a group norm as reshape, instance norm over the groups, reshape back, scale and shift: one
// group_norm.
#include <algorithm>

#include "graph/passes/channel_affine.h"
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace residua::graph {
namespace {

constexpr std::size_t scale_input = 1, shift_input = 2;

// A norm whose output one node reads, and whose scale and shift are constants.
Node* open_norm(const Rewriter& rewriter, TensorId id) {
  Node* norm = rewriter.sole_producer(id, Op::group_norm);
  if (!norm || is_activated(*norm)) return nullptr;
  const bool constant =
      rewriter.is_float_constant(norm->inputs[scale_input]) && rewriter.is_float_constant(norm->inputs[shift_input]);
  return constant ? norm : nullptr;
}

// The images' norm that reshape, norm and `back` make together; nullopt where they make anything else: each group of
// the norm must be some whole channels of one image.
std::optional<Node> norm_of_images(Rewriter& rewriter, const Node& back) {
  const Node* norm = open_norm(rewriter, back.inputs[0]);
  const Node* reshape = norm ? rewriter.sole_producer(norm->inputs[0], Op::reshape) : nullptr;
  if (!reshape || reshape->input(1) != no_tensor || back.input(1) != no_tensor) return std::nullopt;
  const TensorId x = reshape->inputs[0];
  const Shape shape = rewriter.shape(x), grouped = rewriter.shape(norm->inputs[0]);
  const auto& attributes = attributes_of<GroupNormAttributes>(*norm);
  const bool fits = shape.size() == 4 && is_static(shape[1]) && rewriter.shape(back.output) == shape &&
                    grouped.size() == 3 && grouped[0] == shape[0] && shape[0] != unknown_dimension &&
                    grouped[1] == attributes.groups && shape[1] % attributes.groups == 0;
  if (!fits) return std::nullopt;
  Node whole = *norm;
  whole.inputs[0] = x;
  for (const std::size_t input : {scale_input, shift_input}) {
    const Tensor& parameter = rewriter.tensor(norm->inputs[input]);
    std::vector<float> values;
    for (const float value : read_floats(parameter))
      values.insert(values.end(), static_cast<std::size_t>(shape[1] / attributes.groups), value);
    whole.inputs[input] = rewriter.add(make_float_constant(parameter.name, {shape[1]}, values));
  }
  return whole;
}

std::vector<float> rounded(const std::vector<double>& values) { return {values.begin(), values.end()}; }

// y = scale * norm(x) + shift, then `affine`.
void scale_norm(Rewriter& rewriter, Node& norm, const ChannelAffine& affine) {
  const Tensor scale = rewriter.tensor(norm.inputs[scale_input]), shift = rewriter.tensor(norm.inputs[shift_input]);
  const std::vector<float> scales = read_floats(scale), shifts = read_floats(shift);
  const ChannelAffine total = composed({{scales.begin(), scales.end()}, {shifts.begin(), shifts.end()}}, affine);
  rewriter.set_inputs(norm,
                      {norm.inputs[0], rewriter.add(make_float_constant(scale.name, scale.shape, rounded(total.scale))),
                       rewriter.add(make_float_constant(shift.name, shift.shape, rounded(total.shift)))});
}

}  // namespace

Graph fuse_group_norm(Graph graph) {
  Rewriter rewriter(std::move(graph));
  rewriter.sweep([&](Node& node) {
    if (node.op == Op::reshape) {
      if (std::optional<Node> whole = norm_of_images(rewriter, node)) {
        rewriter.set_inputs(node, whole->inputs);
        node.op = Op::group_norm;
        node.attributes = whole->attributes;
      }
      return;
    }
    const auto affine_node = as_channel_affine(rewriter, node);
    Node* norm = affine_node ? open_norm(rewriter, node.inputs[affine_node->operand]) : nullptr;
    if (!norm) return;
    scale_norm(rewriter, *norm, affine_node->affine);
    rewriter.merge_into(*norm, node);
  });
  return std::move(rewriter).finish();
}

}  // namespace residua::graph
