// QuantizeLinear and DequantizeLinear: what a network trained or calibrated for 8 bits does to its numbers.
//
// The graph computes in float: whole numbers stand in float tensors, exactly. Quantised weights become float constants.
#include <algorithm>
#include <cmath>

#include "graph/import/onnx_operators.h"

namespace residua::graph::onnx {
namespace {

struct Range {
  std::int64_t minimum = 0, maximum = 255;
};

Result<Range> range_of(const Conversion& node, ElementType type) {
  if (type == ElementType::uint8) return Range{0, 255};
  if (type == ElementType::int8) return Range{-128, 127};
  return node.error(ErrorCode::unsupported, "quantises to " + std::string(name_of(type)) + ", expected 8-bit integers");
}

// The zero point, an integer constant of `index`; none is 0.
Result<std::int64_t> zero_point_of(const Conversion& node, std::size_t index) {
  RESIDUA_ASSIGN(const auto value, node.constant_number("zero point", index));
  return static_cast<std::int64_t>(value.value_or(0));
}

Result<double> scale_of(const Conversion& node) {
  RESIDUA_ASSIGN(const auto scale, node.constant_number("scale", 1));
  if (!(*scale > 0) || std::isinf(*scale)) {
    return node.error(ErrorCode::malformed,
                      node.describe("scale", 1) + " is " + std::to_string(*scale) + ", expected a positive number");
  }
  return *scale;
}

// One scale, and one zero point, for all of x or for each of `axis`'s places.
Result<TensorId> dequantized_constant(Conversion& node, std::int64_t axis) {
  const Tensor& x = node.tensor(node.input(0));
  const Tensor& scale = node.tensor(node.input(1));
  const bool has_zero = node.has_input(2);
  const auto rank = static_cast<std::int64_t>(x.shape.size());
  if (axis < 0) axis += rank;
  const bool whole = std::all_of(scale.shape.begin(), scale.shape.end(), [](Dimension size) { return size == 1; });
  const bool by_axis =
      scale.shape.size() == 1 && axis >= 0 && axis < rank && scale.shape[0] == x.shape[static_cast<std::size_t>(axis)];
  const bool constant = scale.is_constant() && (!has_zero || node.is_constant(2));
  if (!constant || (!whole && !by_axis) || (has_zero && node.shape(2) != scale.shape)) {
    return node.error(ErrorCode::unsupported, node.describe("scale", 1) + " of shape " + to_string(scale.shape) +
                                                  ", expected constants, one for " + to_string(x.shape) +
                                                  " or one along axis " + std::to_string(axis) +
                                                  ", and as many zero points");
  }
  RESIDUA_ASSIGN(const std::int64_t count, element_count(x.shape));
  if (auto charged = node.loader().charge(static_cast<std::size_t>(count) * sizeof(float)); !charged)
    return node.error(charged.error().code, charged.error().message);
  const std::vector<float> scales = read_floats(scale);
  const std::vector<std::int64_t> zeros =
      has_zero ? read_integers(node.tensor(node.input(2))) : std::vector<std::int64_t>(scales.size(), 0);
  const std::vector<std::int64_t> integers = read_integers(x);
  std::size_t inner = 1;  // elements for which one scale holds in a row
  for (auto i = static_cast<std::size_t>(axis) + 1; by_axis && i < x.shape.size(); ++i)
    inner *= static_cast<std::size_t>(x.shape[i]);
  std::vector<float> values;
  values.reserve(integers.size());
  for (std::size_t i = 0; i < integers.size(); ++i) {
    const std::size_t which = whole ? 0 : i / inner % scales.size();
    values.push_back(static_cast<float>(integers[i] - zeros[which]) * scales[which]);
  }
  return node.add_constant(make_float_constant(node.output_name(), x.shape, values));
}

}  // namespace

Result<TensorId> convert_quantize_linear(Conversion& node) {
  node.ignore({"axis", "saturate"});  // of scales along an axis, which are refused, and of 8-bit floating point
  RESIDUA_ASSIGN(const double scale, scale_of(node));
  RESIDUA_ASSIGN(const std::int64_t zero_point, zero_point_of(node, 2));
  const ElementType type = node.has_input(2) ? node.tensor(node.input(2)).type : ElementType::uint8;
  RESIDUA_ASSIGN(const Range range, range_of(node, type));
  return node.emit(Op::quantize, {node.input(0)}, QuantizeAttributes{scale, zero_point, range.minimum, range.maximum});
}

Result<TensorId> convert_dequantize_linear(Conversion& node) {
  RESIDUA_ASSIGN(const std::int64_t axis, node.integer("axis", 1));
  if (node.is_constant(0) && !is_floating_point(node.tensor(node.input(0)).type))
    return dequantized_constant(node, axis);
  RESIDUA_ASSIGN(const double scale, scale_of(node));
  RESIDUA_ASSIGN(const std::int64_t zero_point, zero_point_of(node, 2));
  // Right behind its own quantisation, as nearly always: one node does both.
  if (const Node* quantize = node.producer(0); quantize && quantize->op == Op::quantize) {
    QuantizeAttributes grid = attributes_of<QuantizeAttributes>(*quantize);
    if (!grid.dequantize && grid.scale == scale && grid.zero_point == zero_point) {
      grid.dequantize = true;
      return node.emit(Op::quantize, {quantize->inputs[0]}, grid);
    }
  }
  TensorId x = node.input(0);
  if (zero_point != 0) {
    const TensorId zero = node.add_constant(make_float_constant("zero_point", {}, {static_cast<float>(zero_point)}));
    RESIDUA_ASSIGN(x, node.emit(Op::subtract, {x, zero}, NoAttributes{}, ".centred"));
  }
  const TensorId factor = node.add_constant(make_float_constant("scale", {}, {static_cast<float>(scale)}));
  return node.emit(Op::multiply, {x, factor});
}

}  // namespace residua::graph::onnx
