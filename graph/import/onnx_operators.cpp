#include "graph/import/onnx_operators.h"

#include <algorithm>
#include <limits>

namespace residua::graph::onnx {
namespace {

template <Op op>
Result<TensorId> convert_plain(Conversion& node) {
  return node.emit(op, node.inputs());
}

Result<TensorId> convert_identity(Conversion& node) {
  // Exporters share equal weights between layers through Identity: they stay constants.
  return node.is_constant(0) ? node.input(0) : node.emit(Op::identity, node.inputs());
}

Result<TensorId> convert_cast(Conversion& node) {
  node.ignore({"saturate"});  // only for 8-bit floating-point types, which are refused
  RESIDUA_ASSIGN(const std::int64_t to, node.integer("to", 0));
  if (to < INT32_MIN || to > INT32_MAX) return node.error(ErrorCode::malformed, "casts to type " + std::to_string(to));
  const auto target = element_type_info(static_cast<std::int32_t>(to));
  if (!target) return node.error(ErrorCode::unsupported, "casts to " + target.error().message);
  if (node.tensor(node.input(0)).type == target->in_graph) return convert_identity(node);
  return node.emit(Op::cast, node.inputs(), CastAttributes{target->in_graph});
}

Result<TensorId> convert_sum(Conversion& node) {
  if (node.input_count() == 1) return convert_identity(node);
  TensorId sum = node.input(0);
  for (std::size_t i = 1; i < node.input_count(); ++i) {
    if (!node.has_input(i)) return node.error(ErrorCode::malformed, "input " + std::to_string(i) + " is left out");
    const bool last = i + 1 == node.input_count();
    RESIDUA_ASSIGN(sum, node.emit(Op::add, {sum, node.input(i)}, NoAttributes{}, last ? "" : "." + std::to_string(i)));
  }
  return sum;
}

Result<TensorId> convert_clip(Conversion& node) {
  const ClipAttributes everything;
  ClipAttributes clip;
  if (node.opset() < 11) {
    RESIDUA_ASSIGN(clip.minimum, node.number("min", everything.minimum));
    RESIDUA_ASSIGN(clip.maximum, node.number("max", everything.maximum));
  } else {
    RESIDUA_ASSIGN(const auto minimum, node.constant_number("min", 1));
    RESIDUA_ASSIGN(const auto maximum, node.constant_number("max", 2));
    clip = {minimum.value_or(everything.minimum), maximum.value_or(everything.maximum)};
  }
  // An infinite bound is no bound.
  clip.minimum = std::max(clip.minimum, everything.minimum);
  clip.maximum = std::min(clip.maximum, everything.maximum);
  return node.emit(Op::clip, {node.input(0)}, clip);
}

// A number that takes part in arithmetic.
TensorId scalar(Conversion& node, std::string_view role, double value) {
  return node.add_constant(
      make_float_constant(node.output_name() + "." + std::string(role), {}, {static_cast<float>(value)}));
}

Result<TensorId> emit_hard_sigmoid(Conversion& node, double alpha, double beta, std::string_view suffix) {
  RESIDUA_ASSIGN(TensorId x,
                 node.emit(Op::multiply, {node.input(0), scalar(node, "alpha", alpha)}, NoAttributes{}, ".scaled"));
  RESIDUA_ASSIGN(x, node.emit(Op::add, {x, scalar(node, "beta", beta)}, NoAttributes{}, ".shifted"));
  return node.emit(Op::clip, {x}, ClipAttributes{0, 1}, suffix);
}

Result<TensorId> convert_hard_sigmoid(Conversion& node) {
  RESIDUA_ASSIGN(const double alpha, node.number("alpha", static_cast<double>(0.2f)));
  RESIDUA_ASSIGN(const double beta, node.number("beta", 0.5));
  return emit_hard_sigmoid(node, alpha, beta, "");
}

Result<TensorId> convert_hard_swish(Conversion& node) {
  RESIDUA_ASSIGN(const TensorId gate, emit_hard_sigmoid(node, 1.0 / 6, 0.5, ".gate"));
  return node.emit(Op::multiply, {node.input(0), gate});
}

Result<TensorId> convert_dropout(Conversion& node) {
  node.ignore({"ratio", "seed"});
  RESIDUA_ASSIGN(const auto training, node.constant_number("training_mode", 2));
  if (training.value_or(0) != 0) {
    return node.error(ErrorCode::unsupported, "training_mode is set, expected a network exported for inference");
  }
  return node.emit(Op::identity, {node.input(0)});
}

// Before opset 13 softmax ran over all dimensions from `axis` on, taken as one.
Result<TensorId> convert_coercing_softmax(Conversion& node) {
  RESIDUA_ASSIGN(std::int64_t axis, node.integer("axis", 1));
  const Shape shape = node.shape(0);
  const auto rank = static_cast<std::int64_t>(shape.size());
  if (axis < -rank || axis > rank) {
    return node.error(ErrorCode::malformed,
                      "axis " + std::to_string(axis) + " of an input of shape " + to_string(shape));
  }
  if (axis < 0) axis += rank;
  const auto is_one = [](Dimension dimension) { return dimension == 1; };
  if (axis < rank && std::all_of(shape.begin() + axis + 1, shape.end(), is_one)) {
    return node.emit(Op::softmax, node.inputs(), AxisAttributes{axis});
  }
  RESIDUA_ASSIGN(const TensorId flat, node.emit(Op::flatten, node.inputs(), AxisAttributes{axis}, ".flattened"));
  RESIDUA_ASSIGN(const TensorId softmax, node.emit(Op::softmax, {flat}, AxisAttributes{1}, ".softmax"));
  RESIDUA_ASSIGN(const TensorId target, node.emit(Op::shape_of, node.inputs(), NoAttributes{}, ".shape"));
  return node.emit(Op::reshape, {softmax, target}, ReshapeAttributes{});
}

Result<TensorId> convert_softmax(Conversion& node) {
  RESIDUA_ASSIGN(const std::int64_t axis, node.integer("axis", -1));
  return node.emit(Op::softmax, node.inputs(), AxisAttributes{axis});
}

Result<TensorId> convert_reduce_mean(Conversion& node) {
  ReduceAttributes reduce;
  RESIDUA_ASSIGN(reduce.keep_dimensions, node.flag("keepdims", true));
  bool empty_means_none = false;
  if (node.opset() < 18) {
    RESIDUA_ASSIGN(reduce.axes, node.integers("axes"));
  } else {
    RESIDUA_ASSIGN(empty_means_none, node.flag("noop_with_empty_axes", false));
    RESIDUA_ASSIGN(const auto axes, node.constant_integers("axes", 1));
    if (!axes && node.has_input(1)) {
      if (empty_means_none) {
        return node.error(ErrorCode::unsupported, node.describe("axes", 1) + " are computed and may be none");
      }
      return node.emit(Op::reduce_mean, node.inputs(), reduce);
    }
    reduce.axes = axes.value_or(std::vector<std::int64_t>{});
  }
  if (reduce.axes.empty() && empty_means_none) return node.emit(Op::identity, {node.input(0)});
  return node.emit(Op::reduce_mean, {node.input(0)}, reduce);
}

Result<TensorId> convert_constant(Conversion& node) {
  RESIDUA_ASSIGN(auto tensor, node.tensor_attribute("value"));
  if (!tensor && node.has_attribute("value_float")) {
    RESIDUA_ASSIGN(const double value, node.number("value_float", 0));
    tensor = make_float_constant({}, {}, {static_cast<float>(value)});
  } else if (!tensor && node.has_attribute("value_floats")) {
    RESIDUA_ASSIGN(const auto values, node.numbers("value_floats"));
    tensor = make_float_constant({}, {static_cast<Dimension>(values.size())}, values);
  } else if (!tensor && node.has_attribute("value_int")) {
    RESIDUA_ASSIGN(const std::int64_t value, node.integer("value_int", 0));
    tensor = make_integer_constant({}, {}, {value});
  } else if (!tensor && node.has_attribute("value_ints")) {
    RESIDUA_ASSIGN(const auto values, node.integers("value_ints"));
    tensor = make_integer_constant({}, {static_cast<Dimension>(values.size())}, values);
  }
  if (!tensor) {
    return node.error(ErrorCode::unsupported,
                      "has none of the attributes value, value_float, value_floats, value_int and value_ints");
  }
  tensor->name = node.output_name();
  return node.add_constant(std::move(*tensor));
}

Result<TensorId> convert_constant_of_shape(Conversion& node) {
  ConstantOfShapeAttributes constant;
  RESIDUA_ASSIGN(const auto shape, node.constant_integers("shape", 0));
  if (shape && std::any_of(shape->begin(), shape->end(), [](std::int64_t dimension) { return dimension < 0; })) {
    return node.error(ErrorCode::malformed, node.describe("shape", 0) + " holds a negative dimension");
  }
  RESIDUA_ASSIGN(const auto value, node.tensor_attribute("value"));
  if (value) {
    if (const auto count = element_count(value->shape); !count || *count != 1) {
      return node.error(ErrorCode::malformed,
                        "attribute value has shape " + to_string(value->shape) + ", expected one element");
    }
    constant.type = value->type;
    if (is_floating_point(value->type)) {
      constant.value = static_cast<double>(read_floats(*value)[0]);
    } else {
      constexpr std::int64_t exact_in_double = std::int64_t{1} << std::numeric_limits<double>::digits;
      const std::int64_t integer = read_integers(*value)[0];
      if (integer > exact_in_double || integer < -exact_in_double) {
        return node.error(ErrorCode::unsupported, "attribute value is " + std::to_string(integer) +
                                                      ", expected at most " + std::to_string(exact_in_double));
      }
      constant.value = static_cast<double>(integer);
    }
  }
  return node.emit(Op::constant_of_shape, node.inputs(), constant);
}

// Sorted by name; an operator whose form has changed has a row for each form.
constexpr Operator operators[] = {
    {"Add", 7, 22, 2, 2, convert_plain<Op::add>},
    {"AveragePool", 7, 22, 1, 1, convert_average_pool},
    {"BatchNormalization", 7, 22, 5, 5, convert_batch_normalization},
    {"Cast", 7, 22, 1, 1, convert_cast},
    {"Clip", 7, 10, 1, 1, convert_clip},
    {"Clip", 11, 22, 1, 3, convert_clip},
    {"Concat", 7, 22, 1, -1, convert_concat},
    {"Constant", 7, 22, 0, 0, convert_constant},
    {"ConstantOfShape", 9, 22, 1, 1, convert_constant_of_shape},
    {"Conv", 7, 22, 2, 3, convert_conv},
    {"DequantizeLinear", 10, 22, 2, 3, convert_dequantize_linear},
    {"Div", 7, 22, 2, 2, convert_plain<Op::divide>},
    {"Dropout", 7, 11, 1, 1, convert_dropout},
    {"Dropout", 12, 22, 1, 3, convert_dropout},
    {"Expand", 8, 22, 2, 2, convert_expand},
    {"Flatten", 7, 22, 1, 1, convert_flatten},
    {"Gather", 7, 22, 2, 2, convert_gather},
    {"Gemm", 7, 10, 3, 3, convert_gemm},
    {"Gemm", 11, 22, 2, 3, convert_gemm},
    {"GlobalAveragePool", 7, 22, 1, 1, convert_plain<Op::global_average_pool>},
    {"GroupNormalization", 18, 22, 3, 3, convert_group_normalization},
    {"HardSigmoid", 7, 22, 1, 1, convert_hard_sigmoid},
    {"HardSwish", 14, 22, 1, 1, convert_hard_swish},
    {"Identity", 7, 22, 1, 1, convert_identity},
    {"InstanceNormalization", 7, 22, 3, 3, convert_instance_normalization},
    {"MatMul", 7, 22, 2, 2, convert_mat_mul},
    {"MaxPool", 7, 22, 1, 1, convert_max_pool},
    {"Mul", 7, 22, 2, 2, convert_plain<Op::multiply>},
    {"Pad", 7, 10, 1, 1, convert_pad_with_attributes},
    {"Pad", 11, 17, 2, 3, convert_pad_with_inputs},
    {"Pad", 18, 22, 2, 4, convert_pad_with_inputs},
    {"QuantizeLinear", 10, 22, 2, 3, convert_quantize_linear},
    {"ReduceMean", 7, 17, 1, 1, convert_reduce_mean},
    {"ReduceMean", 18, 22, 1, 2, convert_reduce_mean},
    {"Relu", 7, 22, 1, 1, convert_plain<Op::relu>},
    {"Reshape", 7, 22, 2, 2, convert_reshape},
    {"Shape", 7, 22, 1, 1, convert_shape},
    {"Sigmoid", 7, 22, 1, 1, convert_plain<Op::sigmoid>},
    {"Slice", 7, 9, 1, 1, convert_slice_with_attributes},
    {"Slice", 10, 22, 3, 5, convert_slice_with_inputs},
    {"Softmax", 7, 12, 1, 1, convert_coercing_softmax},
    {"Softmax", 13, 22, 1, 1, convert_softmax},
    {"Split", 7, 12, 1, 1, convert_split},
    {"Split", 13, 22, 1, 2, convert_split},
    {"Squeeze", 7, 12, 1, 1, convert_squeeze},
    {"Squeeze", 13, 22, 1, 2, convert_squeeze},
    {"Sub", 7, 22, 2, 2, convert_plain<Op::subtract>},
    {"Sum", 7, 22, 1, -1, convert_sum},
    {"Transpose", 7, 22, 1, 1, convert_transpose},
    {"Unsqueeze", 7, 12, 1, 1, convert_unsqueeze},
    {"Unsqueeze", 13, 22, 2, 2, convert_unsqueeze},
};

}  // namespace

const Operator* find_operator(std::string_view op_type, std::int64_t opset) {
  const auto* found = std::find_if(std::begin(operators), std::end(operators), [&](const Operator& row) {
    return row.op_type == op_type && row.first_opset <= opset && opset <= row.last_opset;
  });
  return found == std::end(operators) ? nullptr : found;
}

std::string supported_operators() {
  std::string names;
  std::string_view previous;
  for (const Operator& row : operators) {
    if (row.op_type != previous) names += (names.empty() ? "" : ", ") + std::string(row.op_type);
    previous = row.op_type;
  }
  return names;
}

}  // namespace residua::graph::onnx
