// Convolution and pooling.
#include <algorithm>
#include <cstdint>

#include "graph/import/onnx_operators.h"

namespace residua::graph::onnx {
namespace {

// Sizes, strides and pads stay below this, so that their sums and products fit 64 bits.
constexpr std::int64_t largest_count = INT32_MAX;

struct Windows {
  Pair kernel{1, 1};
  Pair strides{1, 1};
  Padding padding;
  Pair dilations{1, 1};
};

Error wrong_counts(const Conversion& node, std::string_view name, const std::vector<std::int64_t>& found,
                   const std::string& expected) {
  return node.error(ErrorCode::malformed,
                    "attribute " + std::string(name) + " is " + to_string(found) + ", expected " + expected);
}

// Signals, [N, C, W], are images of one row.
bool is_signal(const Conversion& node) { return node.shape(0).size() == 3; }

// An attribute with a count of at least one along height and width.
Result<Pair> pair(Conversion& node, std::string_view name, Pair fallback) {
  RESIDUA_ASSIGN(const auto values, node.integers(name));
  if (values.empty()) return fallback;
  const std::size_t expected = is_signal(node) ? 1 : 2;
  const bool valid = values.size() == expected && std::all_of(values.begin(), values.end(), [](std::int64_t value) {
                       return value >= 1 && value <= largest_count;
                     });
  if (!valid) return wrong_counts(node, name, values, "a number of at least 1 for each dimension of the images");
  return is_signal(node) ? Pair{1, values[0]} : Pair{values[0], values[1]};
}

Result<Padding> explicit_padding(Conversion& node) {
  RESIDUA_ASSIGN(const auto pads, node.integers("pads"));
  if (pads.empty()) return Padding{};
  const std::size_t expected = is_signal(node) ? 2 : 4;
  const bool valid = pads.size() == expected && std::all_of(pads.begin(), pads.end(), [](std::int64_t value) {
                       return value >= 0 && value <= largest_count;
                     });
  if (!valid) return wrong_counts(node, "pads", pads, "[top, left, bottom, right], none negative");
  return is_signal(node) ? Padding{0, pads[0], 0, pads[1]} : Padding{pads[0], pads[1], pads[2], pads[3]};
}

// How much padding SAME asks for along one axis: so much that there are ceil(size / stride) windows.
Result<std::int64_t> same_padding(const Conversion& node, const Windows& windows, std::size_t axis) {
  const std::int64_t extent = (windows.kernel[axis] - 1) * windows.dilations[axis] + 1;
  const std::int64_t stride = windows.strides[axis];
  if (extent == 1) return std::int64_t{0};
  if (stride == 1) return extent - 1;
  const Dimension size = node.shape(0)[node.shape(0).size() - 2 + axis];
  if (!is_static(size)) {
    return node.error(ErrorCode::unsupported, "auto_pad SAME with stride " + std::to_string(stride) +
                                                  " needs a known image size, found shape " + to_string(node.shape(0)) +
                                                  "; export with a fixed height and width");
  }
  if (size > largest_count) return node.error(ErrorCode::limit, "an image of " + to_string(node.shape(0)));
  const std::int64_t count = (size + stride - 1) / stride;
  return std::max<std::int64_t>(0, (count - 1) * stride + extent - size);
}

// The attributes that convolutions and pools share. `kernel` is read by the caller.
Result<Windows> windows_of(Conversion& node, Pair kernel) {
  if (node.shape(0).size() != 4 && !is_signal(node)) {
    return node.error(ErrorCode::unsupported, node.describe("input", 0) + " has shape " + to_string(node.shape(0)) +
                                                  ", expected rank 4 (batch, channels, height, width)");
  }
  Windows windows;
  windows.kernel = kernel;
  RESIDUA_ASSIGN(windows.strides, pair(node, "strides", {1, 1}));
  RESIDUA_ASSIGN(windows.dilations, pair(node, "dilations", {1, 1}));
  RESIDUA_ASSIGN(const Padding padding, explicit_padding(node));
  RESIDUA_ASSIGN(const std::string_view automatic, node.text("auto_pad", "NOTSET"));
  if (automatic == "NOTSET" || automatic.empty()) {
    windows.padding = padding;
  } else if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
    RESIDUA_ASSIGN(const std::int64_t height, same_padding(node, windows, 0));
    RESIDUA_ASSIGN(const std::int64_t width, same_padding(node, windows, 1));
    windows.padding = {height / 2, width / 2, height - height / 2, width - width / 2};
    if (automatic == "SAME_LOWER") {
      std::swap(windows.padding.top, windows.padding.bottom);
      std::swap(windows.padding.left, windows.padding.right);
    }
  } else if (automatic != "VALID") {
    return node.error(ErrorCode::malformed, "auto_pad is none of NOTSET, VALID, SAME_UPPER and SAME_LOWER");
  }
  return windows;
}

Result<PoolAttributes> pool_of(Conversion& node) {
  if (is_signal(node)) return node.error(ErrorCode::unsupported, "pools signals, expected images");
  RESIDUA_ASSIGN(const Pair kernel, pair(node, "kernel_shape", {0, 0}));
  if (kernel[0] == 0) return node.error(ErrorCode::malformed, "has no kernel_shape");
  RESIDUA_ASSIGN(const Windows windows, windows_of(node, kernel));
  RESIDUA_ASSIGN(const bool ceil_mode, node.flag("ceil_mode", false));
  return PoolAttributes{windows.kernel, windows.strides, windows.padding, windows.dilations, ceil_mode, false};
}

// A convolution of signals, as one of images with one row.
Result<TensorId> emit_signal_convolution(Conversion& node, const ConvolutionAttributes& convolution) {
  std::vector<TensorId> inputs = node.inputs();
  const AxesAttributes row{{2}};
  RESIDUA_ASSIGN(inputs[0], node.emit(Op::unsqueeze, {inputs[0]}, row, ".images"));
  RESIDUA_ASSIGN(inputs[1], node.emit(Op::unsqueeze, {inputs[1]}, row, ".kernels"));
  RESIDUA_ASSIGN(const TensorId images, node.emit(Op::convolution, std::move(inputs), convolution, ".convolution"));
  return node.emit(Op::squeeze, {images}, row);
}

}  // namespace

Result<TensorId> convert_conv(Conversion& node) {
  Shape weight = node.shape(1);
  if (weight.size() != node.shape(0).size() || weight.size() < 3 || weight.size() > 4 || !is_static(weight)) {
    return node.error(ErrorCode::mismatch, node.describe("weight", 1) + " has shape " + to_string(weight) +
                                               " for an input of shape " + to_string(node.shape(0)) +
                                               ", expected rank 4 (or 3) of both and known sizes");
  }
  if (is_signal(node)) weight.insert(weight.begin() + 2, 1);
  const Pair kernel{weight[2], weight[3]};
  RESIDUA_ASSIGN(const Pair declared, pair(node, "kernel_shape", kernel));
  if (declared != kernel || kernel[0] < 1 || kernel[1] < 1 || kernel[0] > largest_count || kernel[1] > largest_count) {
    return node.error(ErrorCode::mismatch, "kernel_shape is " + to_string(Shape{declared[0], declared[1]}) + " but " +
                                               node.describe("weight", 1) + " has shape " + to_string(weight));
  }
  RESIDUA_ASSIGN(const Windows windows, windows_of(node, kernel));
  ConvolutionAttributes convolution{windows.strides, windows.padding, windows.dilations};
  RESIDUA_ASSIGN(convolution.groups, node.integer("group", 1));
  if (is_signal(node)) return emit_signal_convolution(node, convolution);
  return node.emit(Op::convolution, node.inputs(), convolution);
}

Result<TensorId> convert_max_pool(Conversion& node) {
  node.ignore({"storage_order"});  // of the second output, which is not made
  RESIDUA_ASSIGN(const PoolAttributes pool, pool_of(node));
  return node.emit(Op::max_pool, node.inputs(), pool);
}

Result<TensorId> convert_average_pool(Conversion& node) {
  RESIDUA_ASSIGN(PoolAttributes pool, pool_of(node));
  RESIDUA_ASSIGN(pool.count_include_pad, node.flag("count_include_pad", false));
  return node.emit(Op::average_pool, node.inputs(), pool);
}

}  // namespace residua::graph::onnx
