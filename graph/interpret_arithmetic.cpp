#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/interpret_ops.h"

namespace residua::graph {
namespace {

template <class Function>
Value map_floats(const Value& x, Function&& function) {
  std::vector<float> elements = x.floats();
  for (float& element : elements) element = static_cast<float>(function(static_cast<double>(element)));
  return {x.shape, std::move(elements)};
}

// sum over k of row[k] * column[k * stride]
double dot(const float* row, const float* column, std::int64_t stride, std::int64_t count) {
  double sum = 0;
  for (std::int64_t k = 0; k < count; ++k) {
    sum += static_cast<double>(row[k]) * static_cast<double>(column[k * stride]);
  }
  return sum;
}

// The strides with which `shape`, aligned at the last dimension, is read to fill `output`.
std::vector<std::int64_t> broadcast_strides(const Shape& shape, const Shape& output) {
  const std::vector<std::int64_t> own = strides_of(shape);
  std::vector<std::int64_t> strides(output.size(), 0);
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != 1) strides[output.size() - shape.size() + i] = own[i];
  }
  return strides;
}

double activated(Activation activation, double x) {
  return activation == Activation::relu && x < 0 ? 0 : x;
}  // NaN stays

double combine(Op op, double a, double b) {
  switch (op) {
    case Op::add:
      return a + b;
    case Op::subtract:
      return a - b;
    case Op::multiply:
      return a * b;
    case Op::divide:
      return a / b;
    default:
      throw InternalError("an op without arithmetic");
  }
}

// Wraps as the hardware does, where signed overflow would be undefined.
std::int64_t combine(Op op, std::int64_t a, std::int64_t b) {
  const auto left = static_cast<std::uint64_t>(a);
  const auto right = static_cast<std::uint64_t>(b);
  switch (op) {
    case Op::add:
      return static_cast<std::int64_t>(left + right);
    case Op::subtract:
      return static_cast<std::int64_t>(left - right);
    case Op::multiply:
      return static_cast<std::int64_t>(left * right);
    case Op::divide:
      return b == -1 ? static_cast<std::int64_t>(0 - left) : a / b;  // INT64_MIN / -1 would trap
    default:
      throw InternalError("an op without arithmetic");
  }
}

// Keeps the bits that the type has room for.
std::int64_t narrowed(std::int64_t value, ElementType type) {
  switch (type) {
    case ElementType::int32:
      return static_cast<std::int32_t>(value);
    case ElementType::uint8:
      return static_cast<std::uint8_t>(value);
    case ElementType::int8:
      return static_cast<std::int8_t>(value);
    case ElementType::boolean:
      return value != 0 ? 1 : 0;
    default:
      return value;
  }
}

}  // namespace

Result<Value> interpret_fully_connected(const Invocation& call) {
  const float* x = call.input(0).floats().data();
  const float* weight = call.input(1).floats().data();
  const std::int64_t depth = call.input(1).shape[1];  // x is flattened as it lies
  std::vector<float> elements(count_of(call.output_shape));
  for_each_element(call.output_shape, [&](std::size_t i, const std::vector<std::int64_t>& at) {
    const double bias =
        call.has(2) ? static_cast<double>(call.input(2).floats()[static_cast<std::size_t>(at[1])]) : 0.0;
    elements[i] = static_cast<float>(bias + dot(x + at[0] * depth, weight + at[1] * depth, 1, depth));
  });
  return Value{call.output_shape, std::move(elements)};
}

Result<Value> interpret_matmul(const Invocation& call) {
  const float* x = call.input(0).floats().data();
  const float* y = call.input(1).floats().data();
  const std::int64_t depth = call.input(1).shape[0];
  const std::int64_t columns = call.input(1).shape[1];
  std::vector<float> elements(count_of(call.output_shape));
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    elements[i] = static_cast<float>(dot(x + index / columns * depth, y + index % columns, columns, depth));
  }
  return Value{call.output_shape, std::move(elements)};
}

Result<Value> interpret_batch_norm(const Invocation& call) {
  const auto& norm = call.attributes<BatchNormAttributes>();
  const auto parameter = [&call](std::size_t input, std::int64_t channel) {
    return static_cast<double>(call.input(input).floats()[static_cast<std::size_t>(channel)]);
  };
  std::vector<float> elements = call.input(0).floats();
  for_each_element(call.output_shape, [&](std::size_t i, const std::vector<std::int64_t>& at) {
    const std::int64_t c = at[1];
    const double normal =
        (static_cast<double>(elements[i]) - parameter(3, c)) / std::sqrt(parameter(4, c) + norm.epsilon);
    elements[i] = static_cast<float>(activated(norm.activation, normal * parameter(1, c) + parameter(2, c)));
  });
  return Value{call.output_shape, std::move(elements)};
}

Result<Value> interpret_group_norm(const Invocation& call) {
  const auto& attributes = call.attributes<GroupNormAttributes>();
  const std::vector<float>&scale = call.input(1).floats(), &shift = call.input(2).floats();
  std::vector<float> elements = call.input(0).floats();
  const auto channels = static_cast<std::size_t>(call.output_shape[1]);
  const std::size_t a_group = channels / static_cast<std::size_t>(attributes.groups);
  const std::size_t places = elements.size() / (static_cast<std::size_t>(call.output_shape[0]) * channels);
  const std::size_t count = a_group * places;  // a group's elements lie side by side
  for (std::size_t first = 0; first < elements.size(); first += count) {
    const std::span<float> group(elements.data() + first, count);
    double mean = 0, variance = 0;
    for (const float x : group) mean += static_cast<double>(x) / static_cast<double>(count);
    for (const float x : group)
      variance += (static_cast<double>(x) - mean) * (static_cast<double>(x) - mean) / static_cast<double>(count);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t c = (first + i) / places % channels;
      const double normal = (static_cast<double>(group[i]) - mean) / std::sqrt(variance + attributes.epsilon);
      const double y = normal * static_cast<double>(scale[c]) + static_cast<double>(shift[c]);
      group[i] = static_cast<float>(activated(attributes.activation, y));
    }
  }
  return Value{call.output_shape, std::move(elements)};
}

Result<Value> interpret_channel_gate(const Invocation& call) {
  const Activation activation = call.attributes<ChannelGateAttributes>().activation;
  const std::vector<float>& gate = call.input(1).floats();
  std::vector<float> elements = call.input(0).floats();
  const std::size_t pixels = elements.size() / std::max<std::size_t>(gate.size(), 1);
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const double residual = call.has(2) ? static_cast<double>(call.input(2).floats()[i]) : 0;
    const double gated = static_cast<double>(elements[i]) * static_cast<double>(gate[i / pixels]);
    elements[i] = static_cast<float>(activated(activation, gated + residual));
  }
  return Value{call.output_shape, std::move(elements)};
}

Result<Value> interpret_relu(const Invocation& call) {
  return map_floats(call.input(0), [](double x) { return activated(Activation::relu, x); });
}

Result<Value> interpret_sigmoid(const Invocation& call) {
  return map_floats(call.input(0), [](double x) {
    const double e = std::exp(-std::fabs(x));  // never overflows
    return x < 0 ? e / (1 + e) : 1 / (1 + e);
  });
}

Result<Value> interpret_clip(const Invocation& call) {
  const auto& attributes = call.attributes<ClipAttributes>();
  return map_floats(call.input(0), [&attributes](double x) {  // NaN stays; the maximum wins over a larger minimum
    if (x < attributes.minimum) x = attributes.minimum;
    if (x > attributes.maximum) x = attributes.maximum;
    return x;
  });
}

// What a float divided by a float is decides which way a half is rounded, so the division is one of floats.
Result<Value> interpret_quantize(const Invocation& call) {
  const auto& grid = call.attributes<QuantizeAttributes>();
  const auto scale = static_cast<float>(grid.scale);
  const auto zero = static_cast<double>(grid.zero_point);
  return map_floats(call.input(0), [&](double x) {
    double q = std::nearbyint(static_cast<double>(static_cast<float>(x) / scale)) + zero;
    if (q < static_cast<double>(grid.minimum)) q = static_cast<double>(grid.minimum);
    if (q > static_cast<double>(grid.maximum)) q = static_cast<double>(grid.maximum);
    return grid.dequantize ? (q - zero) * static_cast<double>(scale) : q;  // NaN stays
  });
}

Result<Value> interpret_softmax(const Invocation& call) {
  const Shape& shape = call.output_shape;
  RESIDUA_ASSIGN(const std::size_t axis,
                 normalized_axis(call.view, call.attributes<AxisAttributes>().axis, shape.size()));
  const auto stride = static_cast<std::size_t>(strides_of(shape)[axis]);
  const auto classes = static_cast<std::size_t>(shape[axis]);
  std::vector<float> elements = call.input(0).floats();
  std::vector<double> exponentials(classes);
  for_each_element(shape, [&](std::size_t first, const std::vector<std::int64_t>& at) {
    if (at[axis] != 0) return;
    double maximum = -std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < classes; ++k) maximum = std::max<double>(maximum, elements[first + k * stride]);
    double sum = 0;
    for (std::size_t k = 0; k < classes; ++k) {
      exponentials[k] = std::exp(static_cast<double>(elements[first + k * stride]) - maximum);
      sum += exponentials[k];
    }
    for (std::size_t k = 0; k < classes; ++k) elements[first + k * stride] = static_cast<float>(exponentials[k] / sum);
  });
  return Value{shape, std::move(elements)};
}

Result<Value> interpret_broadcast(const Invocation& call) {
  const Op op = call.view.node().op;
  const Value& a = call.input(0);
  const Value& b = call.input(1);
  const std::vector<std::int64_t> a_strides = broadcast_strides(a.shape, call.output_shape);
  const std::vector<std::int64_t> b_strides = broadcast_strides(b.shape, call.output_shape);
  if (a.elements.index() == 0) {
    std::vector<float> elements = strided_read(a.floats(), call.output_shape, 0, a_strides);
    const std::vector<float> right = strided_read(b.floats(), call.output_shape, 0, b_strides);
    for (std::size_t i = 0; i < elements.size(); ++i) {
      elements[i] = static_cast<float>(combine(op, static_cast<double>(elements[i]), static_cast<double>(right[i])));
    }
    return Value{call.output_shape, std::move(elements)};
  }
  std::vector<std::int64_t> elements = strided_read(a.integers(), call.output_shape, 0, a_strides);
  const std::vector<std::int64_t> right = strided_read(b.integers(), call.output_shape, 0, b_strides);
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (op == Op::divide && right[i] == 0) {
      return call.view.error(ErrorCode::invalid_argument, "divides an integer by zero");
    }
    elements[i] = combine(op, elements[i], right[i]);
  }
  return Value{call.output_shape, std::move(elements)};
}

Result<Value> interpret_expand(const Invocation& call) {
  const std::vector<std::int64_t> strides = broadcast_strides(call.input(0).shape, call.output_shape);
  return std::visit(
      [&](const auto& elements) {
        return Value{call.output_shape, strided_read(elements, call.output_shape, 0, strides)};
      },
      call.input(0).elements);
}

Result<Value> interpret_mean(const Invocation& call) {
  const Shape& x = call.input(0).shape;
  std::vector<bool> reduced(x.size(), false);
  if (call.view.node().op == Op::global_average_pool) {
    reduced[2] = reduced[3] = true;
  } else {
    RESIDUA_ASSIGN(auto axes, reduced_axes(call.view));
    reduced = std::move(*axes);
  }
  // Where an element of x goes in the output: nowhere further along the averaged dimensions.
  Shape kept = x;
  double count = 1;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!reduced[i]) continue;
    kept[i] = 1;
    count *= static_cast<double>(x[i]);
  }
  std::vector<double> sums(count_of(kept), 0.0);
  const std::vector<std::int64_t> strides = broadcast_strides(kept, x);
  for_each_element(x, [&](std::size_t i, const std::vector<std::int64_t>& at) {
    sums[static_cast<std::size_t>(offset_of(at, strides))] += static_cast<double>(call.input(0).floats()[i]);
  });
  std::vector<float> elements;
  elements.reserve(sums.size());
  for (const double sum : sums) elements.push_back(static_cast<float>(sum / count));
  return Value{call.output_shape, std::move(elements)};
}

Result<Value> interpret_cast(const Invocation& call) {
  const ElementType to = call.attributes<CastAttributes>().to;
  const Value& x = call.input(0);
  const bool from_floats = x.elements.index() == 0;
  if (is_floating_point(to)) {
    if (from_floats) return x;
    return Value{x.shape, std::vector<float>(x.integers().begin(), x.integers().end())};
  }
  std::vector<std::int64_t> elements;
  if (from_floats) {
    elements.reserve(x.floats().size());
    for (const float value : x.floats()) {
      // Every value that is not zero is true, fractions and NaN included.
      const std::int64_t integer = to == ElementType::boolean ? value != 0 : to_integer(static_cast<double>(value));
      elements.push_back(narrowed(integer, to));
    }
  } else {
    elements = x.integers();
    for (std::int64_t& element : elements) element = narrowed(element, to);
  }
  return Value{x.shape, std::move(elements)};
}

}  // namespace residua::graph
