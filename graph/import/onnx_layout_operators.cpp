// Operators that move elements or change the shape. Operands that are constants become attributes.
#include <algorithm>
#include <numeric>

#include "graph/import/onnx_operators.h"

namespace residua::graph::onnx {
namespace {

using Integers = std::vector<std::int64_t>;

Result<std::size_t> axis_of(const Conversion& node, std::int64_t axis, std::size_t rank) {
  const auto count = static_cast<std::int64_t>(rank);
  if (axis < -count || axis >= count) {
    return node.error(ErrorCode::malformed,
                      "axis " + std::to_string(axis) + " is out of range for rank " + std::to_string(rank));
  }
  return static_cast<std::size_t>(axis < 0 ? axis + count : axis);
}

Result<PadMode> pad_mode(Conversion& node) {
  RESIDUA_ASSIGN(const std::string_view given, node.text("mode", "constant"));
  for (const PadMode mode : {PadMode::constant, PadMode::reflect, PadMode::edge}) {
    if (given == name_of(mode)) return mode;
  }
  return node.error(ErrorCode::unsupported, "mode is none of constant, reflect and edge");
}

// `pads` is all counts before, then all after, for each of `axes` (empty: every dimension).
Result<PadAttributes> pad_of(const Conversion& node, const Integers& pads, const std::optional<Integers>& axes,
                             double value, PadMode mode) {
  const std::size_t rank = node.shape(0).size();
  const std::size_t count = axes ? axes->size() : rank;
  if (pads.size() != 2 * count) {
    return node.error(ErrorCode::mismatch, "has " + std::to_string(pads.size()) + " pads, expected two for each of " +
                                               std::to_string(count) + " axes");
  }
  PadAttributes pad{Integers(rank, 0), Integers(rank, 0), value, mode};
  std::vector<bool> seen(rank, false);
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t axis = i;
    if (axes) {
      RESIDUA_ASSIGN(axis, axis_of(node, (*axes)[i], rank));
    }
    if (seen[axis]) return node.error(ErrorCode::malformed, "pads axis " + std::to_string(axis) + " twice");
    seen[axis] = true;
    pad.before[axis] = pads[i];
    pad.after[axis] = pads[i + count];
  }
  return pad;
}

// The axes of squeeze and unsqueeze: an attribute before opset 13, an input since. nullopt: not given; an empty inner
// optional: computed.
Result<std::optional<std::optional<Integers>>> axes_of(Conversion& node) {
  using Axes = std::optional<std::optional<Integers>>;
  if (node.opset() < 13) {
    if (!node.has_attribute("axes")) return Axes{};
    RESIDUA_ASSIGN(auto axes, node.integers("axes"));
    return Axes(std::move(axes));
  }
  if (!node.has_input(1)) return Axes{};
  RESIDUA_ASSIGN(auto axes, node.constant_integers("axes", 1));
  return Axes(std::move(axes));
}

}  // namespace

Result<TensorId> convert_flatten(Conversion& node) {
  RESIDUA_ASSIGN(const std::int64_t axis, node.integer("axis", 1));
  return node.emit(Op::flatten, node.inputs(), AxisAttributes{axis});
}

Result<TensorId> convert_reshape(Conversion& node) {
  RESIDUA_ASSIGN(const bool zero_is_size, node.flag("allowzero", false));
  RESIDUA_ASSIGN(auto target, node.constant_integers("shape", 1));
  // A computed shape under allowzero holds a zero only for an empty image, which no run has.
  if (!target) return node.emit(Op::reshape, node.inputs(), ReshapeAttributes{});
  if (zero_is_size && std::find(target->begin(), target->end(), 0) != target->end()) {
    return node.error(ErrorCode::unsupported, "allowzero is 1 and the shape " + to_string(*target) +
                                                  " has a dimension of 0, expected non-empty tensors");
  }
  for (const std::int64_t dimension : *target) {
    if (dimension < -1) {
      return node.error(ErrorCode::malformed,
                        node.describe("shape", 1) + " holds " + std::to_string(dimension) + ", expected -1 or more");
    }
  }
  // A file with a fixed batch of 1 has that 1 in its shapes too; any batch may be run, so it is copied from x.
  const Shape& x = node.shape(0);
  if (node.fixed_batch() && !x.empty() && x[0] == batch_dimension && !target->empty() && target->front() == 1) {
    target->front() = 0;
  }
  return node.emit(Op::reshape, {node.input(0)}, ReshapeAttributes{std::move(*target)});
}

Result<TensorId> convert_transpose(Conversion& node) {
  RESIDUA_ASSIGN(auto permutation, node.integers("perm"));
  if (permutation.empty()) {
    permutation.resize(node.shape(0).size());
    std::iota(permutation.rbegin(), permutation.rend(), 0);
  }
  return node.emit(Op::transpose, node.inputs(), TransposeAttributes{std::move(permutation)});
}

Result<TensorId> convert_concat(Conversion& node) {
  if (!node.has_attribute("axis")) return node.error(ErrorCode::malformed, "has no axis");
  RESIDUA_ASSIGN(const std::int64_t axis, node.integer("axis", 0));
  return node.emit(Op::concat, node.inputs(), AxisAttributes{axis});
}

// One slice an output.
Result<TensorId> convert_split(Conversion& node) {
  RESIDUA_ASSIGN(const std::int64_t given_axis, node.integer("axis", 0));
  RESIDUA_ASSIGN(const std::size_t axis, axis_of(node, given_axis, node.shape(0).size()));
  const Dimension size = node.shape(0)[axis];
  const auto count = static_cast<std::int64_t>(node.output_count());
  Integers sizes;
  if (node.opset() < 13) {
    RESIDUA_ASSIGN(sizes, node.integers("split"));
  } else if (node.has_input(1)) {
    RESIDUA_ASSIGN(const auto constant, node.constant_integers("split", 1));
    if (!constant) return node.error(ErrorCode::unsupported, node.describe("split", 1) + " is computed");
    sizes = *constant;
  }
  RESIDUA_ASSIGN(const std::int64_t parts, node.integer("num_outputs", count));
  if (!is_static(size)) {
    return node.error(ErrorCode::unsupported, "splits " + to_string(node.shape(0)) + " along axis " +
                                                  std::to_string(axis) + ", expected a known size there");
  }
  std::int64_t left = size;
  if (sizes.empty()) {  // equal parts, the last one perhaps smaller
    const std::int64_t part = size / count + (size % count == 0 ? 0 : 1);
    for (std::int64_t i = 0; i < count; ++i) {
      sizes.push_back(std::min(part, left));
      left -= sizes.back();
    }
    left = size;
  }
  for (const std::int64_t part : sizes) left = part < 0 || part > left ? -1 : left - part;
  if (parts != count || static_cast<std::int64_t>(sizes.size()) != count || left != 0) {
    return node.error(ErrorCode::mismatch, "splits " + std::to_string(size) + " into " + to_string(sizes) + " for " +
                                               std::to_string(count) + " outputs");
  }
  std::int64_t start = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::int64_t end = start + sizes[i];
    const SliceAttributes slice{{start}, {end}, {static_cast<std::int64_t>(axis)}, {}};
    if (node.has_output(i)) RESIDUA_RETURN_IF_ERROR(node.emit_output(i, Op::slice, {node.input(0)}, slice));
    start = end;
  }
  return node.made_output(0);
}

// A computed shape stays an operand, as that of a reshape does.
Result<TensorId> convert_expand(Conversion& node) {
  RESIDUA_ASSIGN(auto target, node.constant_integers("shape", 1));
  if (!target) return node.emit(Op::expand, node.inputs(), ReshapeAttributes{});
  return node.emit(Op::expand, {node.input(0)}, ReshapeAttributes{std::move(*target)});
}

Result<TensorId> convert_gather(Conversion& node) {
  RESIDUA_ASSIGN(const std::int64_t axis, node.integer("axis", 0));
  return node.emit(Op::gather, node.inputs(), AxisAttributes{axis});
}

Result<TensorId> convert_pad_with_attributes(Conversion& node) {
  RESIDUA_ASSIGN(const PadMode mode, pad_mode(node));
  RESIDUA_ASSIGN(const auto pads, node.integers("pads"));
  RESIDUA_ASSIGN(const double value, node.number("value", 0));
  RESIDUA_ASSIGN(const PadAttributes pad, pad_of(node, pads, std::nullopt, value, mode));
  return node.emit(Op::pad, node.inputs(), pad);
}

Result<TensorId> convert_pad_with_inputs(Conversion& node) {
  RESIDUA_ASSIGN(const PadMode mode, pad_mode(node));
  RESIDUA_ASSIGN(const auto pads, node.constant_integers("pads", 1));
  RESIDUA_ASSIGN(const auto value, node.constant_number("constant_value", 2));
  RESIDUA_ASSIGN(const auto axes, node.constant_integers("axes", 3));
  if (!pads || (node.has_input(3) && !axes)) {
    if (node.has_input(3)) {
      return node.error(ErrorCode::unsupported, "pads or axes are computed, expected constants when there are axes");
    }
    return node.emit(Op::pad, {node.input(0), node.input(1)}, PadAttributes{{}, {}, value.value_or(0), mode});
  }
  RESIDUA_ASSIGN(const PadAttributes pad, pad_of(node, *pads, axes, value.value_or(0), mode));
  return node.emit(Op::pad, {node.input(0)}, pad);
}

Result<TensorId> convert_slice_with_attributes(Conversion& node) {
  SliceAttributes slice;
  RESIDUA_ASSIGN(slice.starts, node.integers("starts"));
  RESIDUA_ASSIGN(slice.ends, node.integers("ends"));
  RESIDUA_ASSIGN(slice.axes, node.integers("axes"));
  return node.emit(Op::slice, node.inputs(), std::move(slice));
}

Result<TensorId> convert_slice_with_inputs(Conversion& node) {
  constexpr std::string_view roles[] = {"starts", "ends", "axes", "steps"};
  Integers values[4];
  for (std::size_t i = 0; i < 4; ++i) {
    if (!node.has_input(i + 1)) continue;
    RESIDUA_ASSIGN(auto constant, node.constant_integers(roles[i], i + 1));
    if (!constant) return node.emit(Op::slice, node.inputs(), SliceAttributes{});
    values[i] = std::move(*constant);
  }
  return node.emit(Op::slice, {node.input(0)}, SliceAttributes{values[0], values[1], values[2], values[3]});
}

Result<TensorId> convert_squeeze(Conversion& node) {
  RESIDUA_ASSIGN(const auto given, axes_of(node));
  if (given && !*given) return node.emit(Op::squeeze, node.inputs(), AxesAttributes{});
  AxesAttributes squeeze;
  if (given && !(*given)->empty()) {
    squeeze.axes = **given;
  } else {
    // Every dimension of size 1: settled here, so that a batch of 1 at run time does not change the rank.
    const Shape& x = node.shape(0);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (x[i] == 1) squeeze.axes.push_back(static_cast<std::int64_t>(i));
      if (x[i] == unknown_dimension) {
        return node.error(ErrorCode::unsupported, "has no axes, and its input's shape " + to_string(x) +
                                                      " does not tell which dimensions are 1");
      }
    }
    if (squeeze.axes.empty()) return node.emit(Op::identity, {node.input(0)});
  }
  return node.emit(Op::squeeze, {node.input(0)}, std::move(squeeze));
}

Result<TensorId> convert_unsqueeze(Conversion& node) {
  RESIDUA_ASSIGN(auto given, axes_of(node));
  if (!given || (*given && (*given)->empty())) return node.error(ErrorCode::malformed, "has no axes");
  if (!*given) return node.emit(Op::unsqueeze, node.inputs(), AxesAttributes{});
  return node.emit(Op::unsqueeze, {node.input(0)}, AxesAttributes{std::move(**given)});
}

Result<TensorId> convert_shape(Conversion& node) {
  const auto rank = static_cast<std::int64_t>(node.shape(0).size());
  RESIDUA_ASSIGN(const std::int64_t start, node.integer("start", 0));
  RESIDUA_ASSIGN(const std::int64_t end, node.integer("end", rank));
  if (start == 0 && end == rank) return node.emit(Op::shape_of, node.inputs());
  RESIDUA_ASSIGN(const TensorId whole, node.emit(Op::shape_of, node.inputs(), NoAttributes{}, ".whole"));
  return node.emit(Op::slice, {whole}, SliceAttributes{{start}, {end}, {0}, {}});
}

}  // namespace residua::graph::onnx
