#include "graph/infer_rules.h"

namespace residua::graph {
namespace {

struct WindowAxis {
  Dimension size;  // of x along this axis
  std::int64_t kernel, stride, dilation, before, after;
  bool ceil_mode;
  bool pooling;
};

// How many windows fit along one axis. Never less than one.
Result<Dimension> window_count(const NodeView& view, const WindowAxis& axis) {
  if (axis.kernel < 1 || axis.stride < 1 || axis.dilation < 1 || axis.before < 0 || axis.after < 0) {
    return view.malformed("has kernel " + std::to_string(axis.kernel) + ", stride " + std::to_string(axis.stride) +
                          ", dilation " + std::to_string(axis.dilation) + ", padding " + std::to_string(axis.before) +
                          " and " + std::to_string(axis.after) +
                          "; expected at least 1 each, and padding that is not negative");
  }
  // extent: from the first tap of a window to its last
  std::int64_t extent = 0;
  if (__builtin_mul_overflow(axis.kernel - 1, axis.dilation, &extent) || __builtin_add_overflow(extent, 1, &extent)) {
    return view.error(ErrorCode::limit, "has a window that 64 bits can't measure");
  }
  // Otherwise windows could lie in the padding alone and have nothing to pool.
  if (axis.pooling && (axis.before >= extent || axis.after >= extent)) {
    return view.malformed("pads by " + std::to_string(axis.before) + " and " + std::to_string(axis.after) +
                          "; expected less than the window's extent of " + std::to_string(extent));
  }
  if (!is_static(axis.size)) return unknown_dimension;
  if (axis.pooling && axis.size == 0) return view.mismatch("pools an image without pixels");
  std::int64_t padded = 0;
  std::int64_t room = 0;  // for the last window to start in
  if (__builtin_add_overflow(axis.size, axis.before, &padded) || __builtin_add_overflow(padded, axis.after, &padded) ||
      __builtin_sub_overflow(padded, extent, &room) ||
      (axis.ceil_mode && __builtin_add_overflow(room, axis.stride - 1, &room))) {
    return view.error(ErrorCode::limit, "has padding that leaves 64 bits");
  }
  if (room < 0) {
    return view.mismatch("has a window of extent " + std::to_string(extent) + " on a padded image of " +
                         std::to_string(padded));
  }
  const std::int64_t last = room / axis.stride;
  // Rounding up must not let a window start in the right padding. The product is at most `room`.
  const bool starts_in_padding = axis.ceil_mode && last > 0 && last * axis.stride >= axis.size + axis.before;
  if (last == INT64_MAX) return view.error(ErrorCode::limit, "has more windows than 64 bits can count");
  return starts_in_padding ? last : last + 1;
}

struct Windows {
  Pair kernel, strides;
  Padding padding;
  Pair dilations;
  bool ceil_mode, pooling;
};

// The output's height and width for x of rank 4.
Result<std::array<Dimension, 2>> window_counts(const NodeView& view, const Windows& windows) {
  const Shape& x = view.shape(0);
  const Padding& padding = windows.padding;
  RESIDUA_ASSIGN(const Dimension height,
                 window_count(view, {x[2], windows.kernel[0], windows.strides[0], windows.dilations[0], padding.top,
                                     padding.bottom, windows.ceil_mode, windows.pooling}));
  RESIDUA_ASSIGN(const Dimension width,
                 window_count(view, {x[3], windows.kernel[1], windows.strides[1], windows.dilations[1], padding.left,
                                     padding.right, windows.ceil_mode, windows.pooling}));
  return std::array<Dimension, 2>{height, width};
}

}  // namespace

Result<TensorType> infer_convolution(const NodeView& view) {
  const auto& attributes = view.attributes<ConvolutionAttributes>();
  for (std::size_t i = 0; i < view.input_count(); ++i) {
    if (view.has(i)) RESIDUA_RETURN_IF_ERROR(require_floating_point(view, i));
  }
  RESIDUA_RETURN_IF_ERROR(require_rank(view, 0, 4));
  RESIDUA_RETURN_IF_ERROR(require_rank(view, 1, 4));
  const Shape& x = view.shape(0);
  const Shape& weight = view.shape(1);
  if (!is_static(weight)) {
    return view.error(ErrorCode::unsupported, "has a weight of shape " + to_string(weight) + "; expected static sizes");
  }
  if (attributes.groups < 1) {
    return view.malformed("has " + std::to_string(attributes.groups) + " groups; expected at least 1");
  }
  std::int64_t channels = 0;
  if (__builtin_mul_overflow(weight[1], attributes.groups, &channels) || !compatible(x[1], channels) ||
      weight[0] % attributes.groups != 0) {
    return view.mismatch("has an input of shape " + to_string(x) + ", a weight of shape " + to_string(weight) +
                         " and " + std::to_string(attributes.groups) +
                         " groups; expected groups x weight[1] channels, and groups that divide weight[0]");
  }
  RESIDUA_ASSIGN(
      const auto counts,
      window_counts(
          view, {{weight[2], weight[3]}, attributes.strides, attributes.padding, attributes.dilations, false, false}));
  if (view.has(2) && view.shape(2) != Shape{weight[0]}) {
    return view.mismatch("has a bias of shape " + to_string(view.shape(2)) + "; expected " +
                         to_string(Shape{weight[0]}));
  }
  Shape output{x[0], weight[0], counts[0], counts[1]};
  if (view.has(3)) {
    RESIDUA_RETURN_IF_ERROR(require_rank(view, 3, 4));
    const Shape& residual = view.shape(3);
    for (std::size_t i = 0; i < 4; ++i) {
      if (!compatible(output[i], residual[i])) {
        return view.mismatch("has a residual of shape " + to_string(residual) + "; expected that of the output, " +
                             to_string(output));
      }
    }
    for (std::size_t i = 0; i < 4; ++i) output[i] = better_known(output[i], residual[i]);
  }
  return TensorType{view.type(0), std::move(output)};
}

Result<TensorType> infer_pool(const NodeView& view) {
  const auto& attributes = view.attributes<PoolAttributes>();
  RESIDUA_RETURN_IF_ERROR(require_floating_point(view, 0));
  RESIDUA_RETURN_IF_ERROR(require_rank(view, 0, 4));
  RESIDUA_ASSIGN(const auto counts, window_counts(view, {attributes.kernel, attributes.strides, attributes.padding,
                                                         attributes.dilations, attributes.ceil_mode, true}));
  const Shape& x = view.shape(0);
  return TensorType{view.type(0), {x[0], x[1], counts[0], counts[1]}};
}

Result<TensorType> infer_global_average_pool(const NodeView& view) {
  RESIDUA_RETURN_IF_ERROR(require_floating_point(view, 0));
  RESIDUA_RETURN_IF_ERROR(require_rank(view, 0, 4));
  const Shape& x = view.shape(0);
  return TensorType{view.type(0), {x[0], x[1], 1, 1}};
}

}  // namespace residua::graph
