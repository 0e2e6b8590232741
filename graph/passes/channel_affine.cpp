#include "graph/passes/channel_affine.h"

#include <algorithm>
#include <cmath>

namespace residua::graph {
namespace {

using Doubles = std::vector<double>;

bool all_finite(const Doubles& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

// The values of a constant as one per channel of `output`, where it broadcasts so.
std::optional<Doubles> per_channel(const Rewriter& rewriter, TensorId id, const Shape& output) {
  if (!rewriter.is_float_constant(id)) return std::nullopt;
  const Shape& shape = rewriter.shape(id);
  if (shape.size() > output.size()) return std::nullopt;
  const std::size_t missing = output.size() - shape.size();
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool is_channel = missing + i == 1 && shape[i] == output[1];
    if (shape[i] != 1 && !is_channel) return std::nullopt;
  }
  const std::vector<float> values = read_floats(rewriter.tensor(id));
  Doubles channels(values.begin(), values.end());
  channels.resize(static_cast<std::size_t>(output[1]), channels.front());  // a scalar counts for every channel
  return channels;
}

std::optional<ChannelAffine> batch_norm_affine(const Rewriter& rewriter, const Node& node) {
  for (std::size_t i = 1; i < 5; ++i) {
    if (!rewriter.is_float_constant(node.inputs[i])) return std::nullopt;
  }
  const auto floats = [&](std::size_t i) { return read_floats(rewriter.tensor(node.inputs[i])); };
  const std::vector<float> gamma = floats(1), beta = floats(2), mean = floats(3), variance = floats(4);
  const double epsilon = attributes_of<BatchNormAttributes>(node).epsilon;
  ChannelAffine affine;
  for (std::size_t c = 0; c < gamma.size(); ++c) {
    const double scale = static_cast<double>(gamma[c]) / std::sqrt(static_cast<double>(variance[c]) + epsilon);
    affine.scale.push_back(scale);
    affine.shift.push_back(static_cast<double>(beta[c]) - static_cast<double>(mean[c]) * scale);
  }
  return affine;
}

// x op c, or c op x where the constant is operand 0
std::optional<ChannelAffine> arithmetic_affine(Op op, Doubles constant, bool constant_first) {
  const Doubles zeros(constant.size(), 0.0), ones(constant.size(), 1.0);
  const auto negated = [](Doubles values) {
    for (double& value : values) value = -value;
    return values;
  };
  switch (op) {
    case Op::add:
      return ChannelAffine{ones, std::move(constant)};
    case Op::subtract:
      if (constant_first) return ChannelAffine{negated(ones), std::move(constant)};
      return ChannelAffine{ones, negated(std::move(constant))};
    case Op::multiply:
      return ChannelAffine{std::move(constant), zeros};
    case Op::divide:
      if (constant_first) return std::nullopt;
      for (double& value : constant) value = 1 / value;
      return ChannelAffine{std::move(constant), zeros};
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<AffineNode> as_channel_affine(const Rewriter& rewriter, const Node& node) {
  const Shape& output = rewriter.shape(node.output);
  if (output.size() < 2 || !is_static(output[1]) || output[1] == 0) return std::nullopt;
  AffineNode result;
  std::optional<ChannelAffine> affine;
  if (node.op == Op::batch_norm && attributes_of<BatchNormAttributes>(node).activation == Activation::none) {
    affine = batch_norm_affine(rewriter, node);
  } else if (is_arithmetic(node.op)) {
    const bool constant_first = rewriter.is_constant(node.inputs[0]);
    result.operand = constant_first ? 1 : 0;
    // The map must not broadcast its operand.
    if (rewriter.shape(node.inputs[result.operand]) != output) return std::nullopt;
    if (auto constant = per_channel(rewriter, node.inputs[1 - result.operand], output)) {
      affine = arithmetic_affine(node.op, std::move(*constant), constant_first);
    }
  }
  if (!affine || !all_finite(affine->scale) || !all_finite(affine->shift)) return std::nullopt;
  result.affine = std::move(*affine);
  return result;
}

ChannelAffine composed(const ChannelAffine& first, const ChannelAffine& second) {
  ChannelAffine result = first;
  for (std::size_t c = 0; c < result.scale.size(); ++c) {
    result.scale[c] *= second.scale[c];
    result.shift[c] = result.shift[c] * second.scale[c] + second.shift[c];
  }
  return result;
}

}  // namespace residua::graph
