// Ops that move elements: pad, slice, concat, transpose, gather; and how axes and shape operands are read.
#include <algorithm>
#include <limits>

#include "graph/infer_rules.h"

namespace residua::graph {
namespace {

// One dimension of a slice by ONNX's rules. `size` is static.
SliceRange clamped_range(std::int64_t size, std::int64_t start, std::int64_t end, std::int64_t step) {
  const auto from_front = [size](std::int64_t position) { return position < 0 ? position + size : position; };
  std::int64_t count = 0;
  if (step > 0) {
    start = std::clamp<std::int64_t>(from_front(start), 0, size);
    end = std::clamp<std::int64_t>(from_front(end), 0, size);
    if (end > start) count = (end - start - 1) / step + 1;
  } else if (size > 0) {
    // Downwards, the end may stand before the first element.
    start = std::clamp<std::int64_t>(from_front(start), 0, size - 1);
    end = std::clamp<std::int64_t>(from_front(end), -1, size - 1);
    // The negation of a step of INT64_MIN leaves 64 bits; it is longer than any dimension either way.
    const std::int64_t stride = step == std::numeric_limits<std::int64_t>::min() ? INT64_MAX : -step;
    if (start > end) count = (start - end - 1) / stride + 1;
  }
  return {count, start, step};
}

SliceRange sliced_dimension(Dimension size, std::int64_t start, std::int64_t end, std::int64_t step) {
  if (is_static(size)) return clamped_range(size, start, end, step);
  // Exporters write "to the end" as the largest 32- or 64-bit integer.
  const bool whole = start == 0 && step == 1 && end >= INT32_MAX;
  return {whole ? size : unknown_dimension, start, step};
}

// A mirror image or an edge has to come from x: at most what it holds beyond the outermost element, or any of it.
Status check_pad_mode(const NodeView& view, Dimension size, std::int64_t before, std::int64_t after) {
  const PadMode mode = view.attributes<PadAttributes>().mode;
  if (mode == PadMode::constant || (before == 0 && after == 0)) return {};
  const std::string counts = std::to_string(before) + " and " + std::to_string(after);
  if (before < 0 || after < 0) return view.malformed("reflects or repeats " + counts + "; expected no negative pads");
  if (!is_static(size)) return {};
  const std::int64_t most = mode == PadMode::reflect ? size - 1 : size < 1 ? 0 : INT64_MAX;
  if (before <= most && after <= most) return {};
  return view.mismatch("pads a dimension of " + std::to_string(size) + " by " + counts + "; there are " +
                       std::to_string(most) + " elements to take");
}

}  // namespace

Result<std::size_t> normalized_axis(const NodeView& view, std::int64_t axis, std::size_t rank) {
  const auto signed_rank = static_cast<std::int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank) {
    return view.mismatch("has axis " + std::to_string(axis) + " of " + std::to_string(rank) + " dimensions");
  }
  return static_cast<std::size_t>(axis < 0 ? axis + signed_rank : axis);
}

Result<std::vector<bool>> axis_flags(const NodeView& view, const std::vector<std::int64_t>& axes, std::size_t rank) {
  std::vector<bool> flags(rank, false);
  for (const std::int64_t given : axes) {
    RESIDUA_ASSIGN(const std::size_t axis, normalized_axis(view, given, rank));
    if (flags[axis]) return view.mismatch("names axis " + std::to_string(given) + " twice");
    flags[axis] = true;
  }
  return flags;
}

Result<std::size_t> operand_length(const NodeView& view, std::size_t index) {
  const Shape& shape = view.shape(index);
  if (shape.empty()) return std::size_t{1};
  if (shape.size() != 1 || !is_static(shape[0])) {
    return view.error(ErrorCode::unsupported, "has input " + std::to_string(index) + " of shape " + to_string(shape) +
                                                  "; expected one dimension of known size");
  }
  if (shape[0] > static_cast<std::int64_t>(2 * maximum_rank)) {
    return view.error(ErrorCode::limit, "has " + std::to_string(shape[0]) + " entries in input " +
                                            std::to_string(index) + "; expected one per dimension");
  }
  return static_cast<std::size_t>(shape[0]);
}

Result<std::optional<std::vector<std::int64_t>>> operand_or_attribute(const NodeView& view, std::size_t index,
                                                                      const std::vector<std::int64_t>& attribute) {
  if (!view.has(index)) return std::optional(attribute);
  if (is_floating_point(view.type(index))) {
    return view.mismatch("has input " + std::to_string(index) + " of type " + std::string(name_of(view.type(index))) +
                         "; expected integers");
  }
  RESIDUA_RETURN_IF_ERROR(operand_length(view, index));
  return view.operand(index).values;
}

Result<std::optional<PadCounts>> pad_counts(const NodeView& view) {
  const std::size_t rank = view.shape(0).size();
  PadCounts counts{view.attributes<PadAttributes>().before, view.attributes<PadAttributes>().after};
  if (view.has(1)) {
    RESIDUA_ASSIGN(const auto pads, operand_or_attribute(view, 1, {}));
    if (!pads) return std::optional<PadCounts>{};
    if (pads->size() != 2 * rank) {
      return view.mismatch("has " + std::to_string(pads->size()) + " pads for an input of shape " +
                           to_string(view.shape(0)) + "; expected two per dimension");
    }
    const auto middle = pads->begin() + static_cast<std::ptrdiff_t>(rank);
    counts = {{pads->begin(), middle}, {middle, pads->end()}};
  }
  if (counts.before.size() != rank || counts.after.size() != rank) {
    return view.mismatch("has " + std::to_string(counts.before.size()) + " and " + std::to_string(counts.after.size()) +
                         " pads for an input of shape " + to_string(view.shape(0)) + "; expected one per dimension");
  }
  return std::optional(std::move(counts));
}

Result<TensorType> infer_pad(const NodeView& view) {
  TensorType output = view.operand(0).tensor;
  RESIDUA_ASSIGN(const auto counts, pad_counts(view));
  for (std::size_t i = 0; i < output.shape.size(); ++i) {
    Dimension& size = output.shape[i];
    if (!counts) {
      size = unknown_dimension;
      continue;
    }
    const std::int64_t before = counts->before[i];
    const std::int64_t after = counts->after[i];
    RESIDUA_RETURN_IF_ERROR(check_pad_mode(view, size, before, after));
    if (before == 0 && after == 0) continue;
    if (!is_static(size)) {
      size = unknown_dimension;
      continue;
    }
    const Dimension original = size;
    if (__builtin_add_overflow(size, before, &size) || __builtin_add_overflow(size, after, &size)) {
      return view.error(ErrorCode::limit, "pads a dimension beyond 64 bits");
    }
    if (size < 0) {
      return view.mismatch("crops a dimension of " + std::to_string(original) + " by " + std::to_string(before) +
                           " and " + std::to_string(after));
    }
  }
  return output;
}

Result<std::optional<std::vector<SliceRange>>> slice_ranges(const NodeView& view) {
  const Shape& x = view.shape(0);
  const auto& attributes = view.attributes<SliceAttributes>();
  auto starts = std::optional(attributes.starts);
  auto ends = std::optional(attributes.ends);
  auto axes = std::optional(attributes.axes);
  auto steps = std::optional(attributes.steps);
  if (view.input_count() > 1) {
    if (!view.has(1) || !view.has(2)) return view.malformed("has inputs for its range, but not both starts and ends");
    RESIDUA_ASSIGN(starts, operand_or_attribute(view, 1, {}));
    RESIDUA_ASSIGN(ends, operand_or_attribute(view, 2, {}));
    RESIDUA_ASSIGN(axes, operand_or_attribute(view, 3, {}));
    RESIDUA_ASSIGN(steps, operand_or_attribute(view, 4, {}));
    if (!starts || !ends || !axes || !steps) return std::optional<std::vector<SliceRange>>{};
  }
  const std::size_t count = starts->size();
  if (ends->size() != count || (!axes->empty() && axes->size() != count) ||
      (!steps->empty() && steps->size() != count) || count > x.size()) {
    return view.mismatch("has " + std::to_string(count) + " starts, " + std::to_string(ends->size()) + " ends, " +
                         std::to_string(axes->size()) + " axes and " + std::to_string(steps->size()) +
                         " steps for an input of shape " + to_string(x));
  }
  if (!axes->empty()) RESIDUA_RETURN_IF_ERROR(axis_flags(view, *axes, x.size()));
  std::vector<SliceRange> ranges(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) ranges[i].count = x[i];
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t axis = i;
    if (!axes->empty()) {
      RESIDUA_ASSIGN(axis, normalized_axis(view, (*axes)[i], x.size()));
    }
    const std::int64_t step = steps->empty() ? 1 : (*steps)[i];
    if (step == 0) return view.malformed("has a step of 0");
    ranges[axis] = sliced_dimension(x[axis], (*starts)[i], (*ends)[i], step);
  }
  return std::optional(std::move(ranges));
}

Result<TensorType> infer_slice(const NodeView& view) {
  TensorType output = view.operand(0).tensor;
  RESIDUA_ASSIGN(const auto ranges, slice_ranges(view));
  for (std::size_t i = 0; i < output.shape.size(); ++i) {
    output.shape[i] = ranges ? (*ranges)[i].count : unknown_dimension;
  }
  return output;
}

Result<TensorType> infer_concat(const NodeView& view) {
  TensorType output = view.operand(0).tensor;
  const std::size_t rank = output.shape.size();
  RESIDUA_ASSIGN(const std::size_t axis, normalized_axis(view, view.attributes<AxisAttributes>().axis, rank));
  for (std::size_t input = 1; input < view.input_count(); ++input) {
    const Shape& shape = view.shape(input);
    bool fits = view.type(input) == output.type && shape.size() == rank;
    for (std::size_t i = 0; fits && i < rank; ++i) fits = i == axis || compatible(shape[i], output.shape[i]);
    if (!fits) {
      return view.mismatch("has input " + std::to_string(input) + " of " + std::string(name_of(view.type(input))) +
                           " " + to_string(shape) + "; expected what fits " + std::string(name_of(output.type)) + " " +
                           to_string(output.shape) + " except along axis " + std::to_string(axis));
    }
    for (std::size_t i = 0; i < rank; ++i) {
      if (i != axis) {
        output.shape[i] = better_known(output.shape[i], shape[i]);
      } else if (!is_static(output.shape[i]) || !is_static(shape[i])) {
        output.shape[i] = unknown_dimension;
      } else if (__builtin_add_overflow(output.shape[i], shape[i], &output.shape[i])) {
        return view.error(ErrorCode::limit, "joins inputs beyond 64 bits");
      }
    }
  }
  return output;
}

Result<std::vector<std::size_t>> permutation_of(const NodeView& view) {
  const auto& given = view.attributes<TransposeAttributes>().permutation;
  const std::size_t rank = view.shape(0).size();
  std::vector<std::size_t> permutation(rank);
  if (given.empty()) {
    for (std::size_t i = 0; i < rank; ++i) permutation[i] = rank - 1 - i;
    return permutation;
  }
  if (given.size() != rank) {
    return view.mismatch("permutes " + std::to_string(given.size()) + " dimensions of an input of shape " +
                         to_string(view.shape(0)));
  }
  RESIDUA_RETURN_IF_ERROR(axis_flags(view, given, rank));
  for (std::size_t i = 0; i < rank; ++i) {
    RESIDUA_ASSIGN(permutation[i], normalized_axis(view, given[i], rank));
  }
  return permutation;
}

Result<TensorType> infer_transpose(const NodeView& view) {
  RESIDUA_ASSIGN(const auto permutation, permutation_of(view));
  Shape output;
  for (const std::size_t dimension : permutation) output.push_back(view.shape(0)[dimension]);
  return TensorType{view.type(0), std::move(output)};
}

Result<TensorType> infer_gather(const NodeView& view) {
  const Shape& data = view.shape(0);
  const Shape& indices = view.shape(1);
  RESIDUA_ASSIGN(const std::size_t axis, normalized_axis(view, view.attributes<AxisAttributes>().axis, data.size()));
  if (is_floating_point(view.type(1))) {
    return view.mismatch("has indices of type " + std::string(name_of(view.type(1))) + "; expected integers");
  }
  const auto split = data.begin() + static_cast<std::ptrdiff_t>(axis);
  Shape output(data.begin(), split);
  output.insert(output.end(), indices.begin(), indices.end());
  output.insert(output.end(), split + 1, data.end());
  return TensorType{view.type(0), std::move(output)};
}

}  // namespace residua::graph
