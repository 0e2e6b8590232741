// Batch, instance and group normalisation.
#include "graph/import/onnx_operators.h"

namespace residua::graph::onnx {
namespace {

// Statistics of the batch at hand, of a batch of one: what standardises weights inside an exported network (Qiao et
// al., "Weight Standardization", 2019). Over more images than one they would make images depend on each other.
Result<TensorId> emit_statistics_of_one(Conversion& node, double epsilon) {
  const Shape& x = node.shape(0);
  if (x.size() < 3 || x[0] != 1 || !is_static(x[1])) {
    return node.error(ErrorCode::unsupported, "computes training statistics of " + to_string(x) +
                                                  ", expected a network exported for inference");
  }
  return node.emit(Op::group_norm, {node.input(0), node.input(1), node.input(2)}, GroupNormAttributes{x[1], epsilon});
}

// `parameter`, which holds one value a group, with one a channel.
Result<TensorId> spread(Conversion& node, std::size_t input, std::string_view role, std::int64_t channels) {
  if (!node.is_constant(input)) {
    return node.error(ErrorCode::unsupported, node.describe(role, input) + " is computed, expected a constant");
  }
  const std::vector<float> values = read_floats(node.tensor(node.input(input)));
  std::vector<float> all;
  const auto each = channels / static_cast<std::int64_t>(values.size());
  for (const float value : values) all.insert(all.end(), static_cast<std::size_t>(each), value);
  return node.add_constant(make_float_constant(node.tensor(node.input(input)).name, {channels}, all));
}

}  // namespace

Result<TensorId> convert_batch_normalization(Conversion& node) {
  node.ignore({"momentum"});  // of the running statistics, while training
  RESIDUA_ASSIGN(const bool training, node.flag("training_mode", false));
  RESIDUA_ASSIGN(const bool spatial, node.flag("spatial", true));
  BatchNormAttributes batch_norm;
  RESIDUA_ASSIGN(batch_norm.epsilon, node.number("epsilon", batch_norm.epsilon));
  if (!spatial) return node.error(ErrorCode::unsupported, "spatial is 0, expected one mean and variance per channel");
  if (training) return emit_statistics_of_one(node, batch_norm.epsilon);
  for (std::size_t i = 1; i < node.output_count(); ++i) {
    if (!node.has_output(i)) continue;
    return node.error(ErrorCode::unsupported, "gives statistics as outputs, expected a network exported for inference");
  }
  return node.emit(Op::batch_norm, node.inputs(), batch_norm);
}

Result<TensorId> convert_instance_normalization(Conversion& node) {
  GroupNormAttributes norm;
  RESIDUA_ASSIGN(norm.epsilon, node.number("epsilon", norm.epsilon));
  const Shape& x = node.shape(0);
  if (x.size() < 3 || !is_static(x[1])) {
    return node.error(ErrorCode::unsupported, node.describe("input", 0) + " has shape " + to_string(x) +
                                                  ", expected [N, C, ..] with known channels");
  }
  norm.groups = x[1];
  return node.emit(Op::group_norm, node.inputs(), norm);
}

// Before opset 21 scale and bias hold one value a group, since then one a channel.
Result<TensorId> convert_group_normalization(Conversion& node) {
  node.ignore({"stash_type"});  // the precision of the statistics: ours are never less exact
  GroupNormAttributes norm;
  RESIDUA_ASSIGN(norm.epsilon, node.number("epsilon", norm.epsilon));
  RESIDUA_ASSIGN(norm.groups, node.integer("num_groups", 0));
  const Shape& x = node.shape(0);
  if (x.size() < 3 || !is_static(x[1]) || norm.groups < 1 || x[1] % norm.groups != 0) {
    return node.error(ErrorCode::mismatch, "normalises " + to_string(x) + " in " + std::to_string(norm.groups) +
                                               " groups, expected [N, C, ..] and a divisor of C");
  }
  if (node.opset() >= 21) return node.emit(Op::group_norm, node.inputs(), norm);
  const Dimension channels = x[1];
  if (node.shape(1) != Shape{norm.groups} || node.shape(2) != Shape{norm.groups}) {
    return node.error(ErrorCode::mismatch, "has scale " + to_string(node.shape(1)) + " and bias " +
                                               to_string(node.shape(2)) + ", expected one value for each of " +
                                               std::to_string(norm.groups) + " groups");
  }
  RESIDUA_ASSIGN(const TensorId scale, spread(node, 1, "scale", channels));
  RESIDUA_ASSIGN(const TensorId shift, spread(node, 2, "bias", channels));
  return node.emit(Op::group_norm, {node.input(0), scale, shift}, norm);
}

}  // namespace residua::graph::onnx
