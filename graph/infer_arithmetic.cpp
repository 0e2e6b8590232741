#include <algorithm>

#include "graph/infer_rules.h"

namespace residua::graph {
namespace {

// The parameters of a layer may be stored in another floating-point type than its activations have.
Status require_all_floating_point(const NodeView& view) {
  for (std::size_t i = 0; i < view.input_count(); ++i) {
    if (view.has(i)) RESIDUA_RETURN_IF_ERROR(require_floating_point(view, i));
  }
  return {};
}

Error shapes_do_not_fit(const NodeView& view, const std::string& expected) {
  std::string found;
  for (std::size_t i = 0; i < view.input_count(); ++i) {
    if (view.has(i)) found += (found.empty() ? "" : ", ") + to_string(view.shape(i));
  }
  return view.mismatch("has inputs of shape " + found + "; expected " + expected);
}

// numpy's rule; nullopt where a and b do not fit.
std::optional<Dimension> broadcast(Dimension a, Dimension b) {
  if (a == 1) return b;
  if (b == 1) return a;
  if (!compatible(a, b)) return std::nullopt;
  return better_known(a, b);
}

// Aligned at the last dimension; missing ones are 1.
std::optional<Shape> broadcast(const Shape& a, const Shape& b) {
  Shape output(std::max(a.size(), b.size()));
  for (std::size_t i = 0; i < output.size(); ++i) {
    const Dimension from_a = i < a.size() ? a[a.size() - 1 - i] : 1;
    const Dimension from_b = i < b.size() ? b[b.size() - 1 - i] : 1;
    const std::optional<Dimension> dimension = broadcast(from_a, from_b);
    if (!dimension) return std::nullopt;
    output[output.size() - 1 - i] = *dimension;
  }
  return output;
}

// The elements of one image.
Result<Dimension> product_after_first(const NodeView& view, const Shape& shape) {
  Dimension product = 1;
  for (std::size_t i = 1; i < shape.size(); ++i) {
    if (!is_static(shape[i])) return unknown_dimension;
    if (__builtin_mul_overflow(product, shape[i], &product)) {
      return view.error(ErrorCode::limit, "has more elements than 64 bits can count");
    }
  }
  return product;
}

}  // namespace

Status require_floating_point(const NodeView& view, std::size_t index) {
  if (is_floating_point(view.type(index))) return {};
  return view.mismatch("has input " + std::to_string(index) + " of type " + std::string(name_of(view.type(index))) +
                       "; expected a floating-point type");
}

Status require_rank(const NodeView& view, std::size_t index, std::size_t rank) {
  if (view.shape(index).size() == rank) return {};
  return view.mismatch("has input " + std::to_string(index) + " of shape " + to_string(view.shape(index)) +
                       "; expected " + std::to_string(rank) + " dimensions");
}

bool compatible(Dimension a, Dimension b) { return a == b || !is_static(a) || !is_static(b); }

Dimension better_known(Dimension a, Dimension b) {
  // The symbols are ordered below the counts, but the batch is better known than `?`.
  if (is_static(a) || b == unknown_dimension) return a;
  return b;
}

Result<TensorType> infer_fully_connected(const NodeView& view) {
  RESIDUA_RETURN_IF_ERROR(require_all_floating_point(view));
  RESIDUA_RETURN_IF_ERROR(require_rank(view, 1, 2));
  const Shape& x = view.shape(0);
  const Shape& weight = view.shape(1);
  if (x.size() < 2) return shapes_do_not_fit(view, "[N, K] or what flattens to it, [O, K] and [O]");
  RESIDUA_ASSIGN(const Dimension features, product_after_first(view, x));
  const bool bias_fits = !view.has(2) || (view.shape(2).size() == 1 && compatible(view.shape(2)[0], weight[0]));
  if (!compatible(features, weight[1]) || !bias_fits) {
    return shapes_do_not_fit(view, "[N, K] or what flattens to it, [O, K] and [O]");
  }
  return TensorType{view.type(0), {x[0], weight[0]}};
}

Result<TensorType> infer_matmul(const NodeView& view) {
  RESIDUA_RETURN_IF_ERROR(require_all_floating_point(view));
  RESIDUA_RETURN_IF_ERROR(require_rank(view, 1, 2));
  Shape output = view.shape(0);
  const Shape& y = view.shape(1);
  if (output.empty() || !compatible(output.back(), y[0])) return shapes_do_not_fit(view, "[.., K] and [K, O]");
  output.back() = y[1];
  return TensorType{view.type(0), std::move(output)};
}

Result<TensorType> infer_batch_norm(const NodeView& view) {
  RESIDUA_RETURN_IF_ERROR(require_all_floating_point(view));
  const Shape& x = view.shape(0);
  if (x.size() < 2) return shapes_do_not_fit(view, "[N, C, ..] and four times [C]");
  for (std::size_t i = 1; i < 5; ++i) {
    const Shape& parameter = view.shape(i);
    if (parameter.size() != 1 || !compatible(parameter[0], x[1])) {
      return shapes_do_not_fit(view, "[N, C, ..] and four times [C]");
    }
  }
  return view.operand(0).tensor;
}

Result<TensorType> infer_group_norm(const NodeView& view) {
  RESIDUA_RETURN_IF_ERROR(require_all_floating_point(view));
  const Shape& x = view.shape(0);
  const auto fits = [&](const Shape& parameter) { return parameter.size() == 1 && compatible(parameter[0], x[1]); };
  if (x.size() < 3 || !fits(view.shape(1)) || !fits(view.shape(2))) {
    return shapes_do_not_fit(view, "[N, C, ..] of three dimensions and more, and twice [C]");
  }
  const std::int64_t groups = view.attributes<GroupNormAttributes>().groups;
  if (groups < 1 || (is_static(x[1]) && x[1] % groups != 0)) {
    return view.mismatch("has " + std::to_string(groups) + " groups for " + to_string(x) +
                         "; expected a divisor of its channels");
  }
  return view.operand(0).tensor;
}

Result<TensorType> infer_channel_gate(const NodeView& view) {
  RESIDUA_RETURN_IF_ERROR(require_all_floating_point(view));
  for (std::size_t i = 0; i < view.input_count(); ++i)
    if (view.has(i)) RESIDUA_RETURN_IF_ERROR(require_rank(view, i, 4));
  Shape output = view.shape(0);
  const auto merge = [&output](const Shape& other) {
    for (std::size_t i = 0; i < 4; ++i) {
      if (!compatible(output[i], other[i])) return false;
      output[i] = better_known(output[i], other[i]);
    }
    return true;
  };
  const Shape& gate = view.shape(1);
  const bool fits = compatible(gate[2], 1) && compatible(gate[3], 1) && merge({gate[0], gate[1], output[2], output[3]});
  if (!fits || (view.has(2) && !merge(view.shape(2))))
    return shapes_do_not_fit(view, "[N, C, H, W], [N, C, 1, 1] and, if any, [N, C, H, W]");
  return TensorType{view.type(0), std::move(output)};
}

Result<TensorType> infer_activation(const NodeView& view) {
  RESIDUA_RETURN_IF_ERROR(require_floating_point(view, 0));
  return view.operand(0).tensor;
}

Result<TensorType> infer_quantize(const NodeView& view) {
  RESIDUA_RETURN_IF_ERROR(require_floating_point(view, 0));
  const auto& grid = view.attributes<QuantizeAttributes>();
  // Whole numbers up to here are floats, and their differences too.
  constexpr std::int64_t largest = 1 << 16;
  const auto in_range = [](std::int64_t value) { return value >= -largest && value <= largest; };
  if (!(grid.scale > 0) || !in_range(grid.minimum) || !in_range(grid.maximum) || grid.minimum > grid.maximum ||
      !in_range(grid.zero_point)) {
    return view.malformed("has scale " + std::to_string(grid.scale) + ", zero point " +
                          std::to_string(grid.zero_point) + " and a range from " + std::to_string(grid.minimum) +
                          " to " + std::to_string(grid.maximum) + "; expected a positive scale and 17-bit numbers");
  }
  return view.operand(0).tensor;
}

Result<TensorType> infer_softmax(const NodeView& view) {
  RESIDUA_RETURN_IF_ERROR(require_floating_point(view, 0));
  RESIDUA_RETURN_IF_ERROR(normalized_axis(view, view.attributes<AxisAttributes>().axis, view.shape(0).size()));
  return view.operand(0).tensor;
}

Result<TensorType> infer_broadcast(const NodeView& view) {
  if (view.type(0) != view.type(1)) {
    return view.mismatch("has inputs of type " + std::string(name_of(view.type(0))) + " and " +
                         std::string(name_of(view.type(1))) + "; expected one type");
  }
  const std::optional<Shape> output = broadcast(view.shape(0), view.shape(1));
  if (!output) return shapes_do_not_fit(view, "shapes that broadcast");
  return TensorType{view.type(0), *output};
}

Result<TensorType> infer_expand(const NodeView& view) {
  const Shape& x = view.shape(0);
  RESIDUA_ASSIGN(const auto target, operand_or_attribute(view, 1, view.attributes<ReshapeAttributes>().shape));
  if (!target) {
    RESIDUA_ASSIGN(const std::size_t rank, operand_length(view, 1));
    return TensorType{view.type(0), Shape(std::max(rank, x.size()), unknown_dimension)};
  }
  for (const Dimension size : *target) {
    if (!is_static(size) && size != batch_dimension && size != unknown_dimension)
      return view.malformed("expands to a size of " + std::to_string(size));
  }
  const std::optional<Shape> output = broadcast(x, *target);
  if (!output) return view.mismatch("expands " + to_string(x) + " to " + to_string(*target) + ", which does not fit");
  return TensorType{view.type(0), *output};
}

Result<std::optional<std::vector<bool>>> reduced_axes(const NodeView& view) {
  const std::size_t rank = view.shape(0).size();
  RESIDUA_ASSIGN(const auto axes, operand_or_attribute(view, 1, view.attributes<ReduceAttributes>().axes));
  if (!axes) return std::optional<std::vector<bool>>{};
  if (axes->empty()) return std::optional(std::vector<bool>(rank, true));
  RESIDUA_ASSIGN(auto flags, axis_flags(view, *axes, rank));
  return std::optional(std::move(flags));
}

Result<TensorType> infer_reduce_mean(const NodeView& view) {
  RESIDUA_RETURN_IF_ERROR(require_floating_point(view, 0));
  const Shape& x = view.shape(0);
  const bool keep = view.attributes<ReduceAttributes>().keep_dimensions;
  RESIDUA_ASSIGN(const auto reduced, reduced_axes(view));
  Shape output;
  if (!reduced) {
    std::size_t rank = x.size();
    if (!keep) {
      RESIDUA_ASSIGN(const std::size_t removed, operand_length(view, 1));
      if (removed > rank) return shapes_do_not_fit(view, "no more axes than dimensions");
      rank = removed == 0 ? 0 : rank - removed;
    }
    output.assign(rank, unknown_dimension);
    return TensorType{view.type(0), std::move(output)};
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!(*reduced)[i]) {
      output.push_back(x[i]);
    } else if (keep) {
      output.push_back(1);
    }
  }
  return TensorType{view.type(0), std::move(output)};
}

}  // namespace residua::graph
