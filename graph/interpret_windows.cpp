#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/interpret_ops.h"

namespace residua::graph {
namespace {

// The taps of one window along one axis: tap k reads position start + k * dilation.
struct Window {
  std::int64_t start, dilation, kernel;

  std::int64_t position(std::int64_t tap) const { return start + tap * dilation; }
};

struct Range {
  std::int64_t begin, end;
  std::int64_t size() const { return std::max<std::int64_t>(end - begin, 0); }
};

// The taps whose positions lie in [low, high).
Range taps_within(const Window& window, std::int64_t low, std::int64_t high) {
  const auto taps_before = [&window](std::int64_t position) {
    const std::int64_t distance = position - window.start;
    return distance <= 0 ? 0 : std::min(window.kernel, (distance - 1) / window.dilation + 1);
  };
  return {taps_before(low), taps_before(high)};
}

struct ConvolutionOperands {
  const float *x, *weight, *bias, *residual;  // the last two may be null
  std::int64_t channels, height, width;       // of x
  std::int64_t group_channels, kernel_height, kernel_width;
};

// One output before its activation: image n, output channel o of group g.
double convolve_at(const ConvolutionOperands& operands, std::int64_t n, std::int64_t g, std::int64_t o,
                   const Window& rows, const Window& columns) {
  const Range row_taps = taps_within(rows, 0, operands.height);
  const Range column_taps = taps_within(columns, 0, operands.width);
  double sum = operands.bias ? operands.bias[o] : 0.0;
  for (std::int64_t c = 0; c < operands.group_channels; ++c) {
    const std::int64_t plane = n * operands.channels + g * operands.group_channels + c;
    const float* x = operands.x + plane * operands.height * operands.width;
    const std::int64_t kernel_area = operands.kernel_height * operands.kernel_width;
    const float* weight = operands.weight + (o * operands.group_channels + c) * kernel_area;
    for (std::int64_t i = row_taps.begin; i < row_taps.end; ++i) {
      for (std::int64_t j = column_taps.begin; j < column_taps.end; ++j) {
        sum += static_cast<double>(x[rows.position(i) * operands.width + columns.position(j)]) *
               static_cast<double>(weight[i * operands.kernel_width + j]);
      }
    }
  }
  return sum;
}

// Calls visit(plane, rows, columns) for every output of a pool, in order.
template <class Visitor>
Value pool(const Invocation& call, Visitor&& visit) {
  const auto& attributes = call.attributes<PoolAttributes>();
  const Shape& shape = call.input(0).shape;
  const float* x = call.input(0).floats().data();
  const Shape& output = call.output_shape;
  std::vector<float> elements;
  elements.reserve(count_of(output));
  for (std::int64_t plane = 0; plane < output[0] * output[1]; ++plane) {
    for (std::int64_t oh = 0; oh < output[2]; ++oh) {
      for (std::int64_t ow = 0; ow < output[3]; ++ow) {
        const Window rows{oh * attributes.strides[0] - attributes.padding.top, attributes.dilations[0],
                          attributes.kernel[0]};
        const Window columns{ow * attributes.strides[1] - attributes.padding.left, attributes.dilations[1],
                             attributes.kernel[1]};
        elements.push_back(visit(x + plane * shape[2] * shape[3], rows, columns));
      }
    }
  }
  return {output, std::move(elements)};
}

}  // namespace

Result<Value> interpret_convolution(const Invocation& call) {
  const auto& attributes = call.attributes<ConvolutionAttributes>();
  const auto optional_floats = [&call](std::size_t index) {
    return call.has(index) ? call.input(index).floats().data() : nullptr;
  };
  const Shape& x = call.input(0).shape;
  const Shape& weight = call.input(1).shape;
  const Shape& output = call.output_shape;
  const ConvolutionOperands operands{call.input(0).floats().data(),
                                     call.input(1).floats().data(),
                                     optional_floats(2),
                                     optional_floats(3),
                                     x[1],
                                     x[2],
                                     x[3],
                                     weight[1],
                                     weight[2],
                                     weight[3]};
  const std::int64_t outputs_per_group = std::max<std::int64_t>(output[1] / attributes.groups, 1);
  std::vector<float> elements(count_of(output));
  for_each_element(output, [&](std::size_t i, const std::vector<std::int64_t>& at) {
    const Window rows{at[2] * attributes.strides[0] - attributes.padding.top, attributes.dilations[0], weight[2]};
    const Window columns{at[3] * attributes.strides[1] - attributes.padding.left, attributes.dilations[1], weight[3]};
    double sum = convolve_at(operands, at[0], at[1] / outputs_per_group, at[1], rows, columns);
    if (operands.residual) sum += static_cast<double>(operands.residual[i]);
    if (attributes.activation == Activation::relu && sum < 0) sum = 0;  // NaN stays
    elements[i] = static_cast<float>(sum);
  });
  return Value{output, std::move(elements)};
}

Result<Value> interpret_max_pool(const Invocation& call) {
  const Shape& shape = call.input(0).shape;
  return pool(call, [&shape](const float* x, const Window& rows, const Window& columns) {
    const Range row_taps = taps_within(rows, 0, shape[2]);
    const Range column_taps = taps_within(columns, 0, shape[3]);
    float maximum = -std::numeric_limits<float>::infinity();
    for (std::int64_t i = row_taps.begin; i < row_taps.end; ++i) {
      for (std::int64_t j = column_taps.begin; j < column_taps.end; ++j) {
        const float value = x[rows.position(i) * shape[3] + columns.position(j)];
        if (value > maximum || std::isnan(value)) maximum = value;  // nothing is greater than a NaN: it stays
      }
    }
    return maximum;
  });
}

Result<Value> interpret_average_pool(const Invocation& call) {
  const auto& attributes = call.attributes<PoolAttributes>();
  const Padding& padding = attributes.padding;
  const Shape& shape = call.input(0).shape;
  return pool(call, [&](const float* x, const Window& rows, const Window& columns) {
    const Range row_taps = taps_within(rows, 0, shape[2]);
    const Range column_taps = taps_within(columns, 0, shape[3]);
    double sum = 0;
    for (std::int64_t i = row_taps.begin; i < row_taps.end; ++i) {
      for (std::int64_t j = column_taps.begin; j < column_taps.end; ++j) {
        sum += static_cast<double>(x[rows.position(i) * shape[3] + columns.position(j)]);
      }
    }
    Range counted_rows = row_taps;
    Range counted_columns = column_taps;
    if (attributes.count_include_pad) {  // what ceil_mode adds beyond the padding never counts
      counted_rows = taps_within(rows, -padding.top, shape[2] + padding.bottom);
      counted_columns = taps_within(columns, -padding.left, shape[3] + padding.right);
    }
    const double count = static_cast<double>(counted_rows.size()) * static_cast<double>(counted_columns.size());
    // A dilated window may have all its taps in the padding, whose mean is 0.
    return count == 0 ? 0.0f : static_cast<float>(sum / count);
  });
}

}  // namespace residua::graph
