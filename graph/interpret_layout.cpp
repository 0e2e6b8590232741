#include <algorithm>
#include <numeric>

#include "graph/interpret_ops.h"

namespace residua::graph {
namespace {

// Calls make(elements) on the elements of `x`, of whichever kind they are, and gives its result the output's shape.
template <class Make>
Value of_same_kind(const Invocation& call, const Value& x, Make&& make) {
  return std::visit([&](const auto& elements) { return Value{call.output_shape, make(elements)}; }, x.elements);
}

// The element of a dimension of `size` that a pad puts at `position`, counted from x's first; -1: its constant.
std::int64_t padded_from(PadMode mode, std::int64_t position, std::int64_t size) {
  if (position >= 0 && position < size) return position;
  switch (mode) {
    case PadMode::constant:
      return -1;
    case PadMode::reflect:
      return position < 0 ? -position : 2 * (size - 1) - position;
    case PadMode::edge:
      return position < 0 ? 0 : size - 1;
  }
  throw InternalError("an unknown pad mode");
}

// Elements of the dimensions [begin, end).
std::size_t extent_of(const Shape& shape, std::size_t begin, std::size_t end) {
  return count_of(
      Shape(shape.begin() + static_cast<std::ptrdiff_t>(begin), shape.begin() + static_cast<std::ptrdiff_t>(end)));
}

}  // namespace

Result<Value> interpret_pad(const Invocation& call) {
  RESIDUA_ASSIGN(const auto counts, pad_counts(call.view));
  const double value = call.attributes<PadAttributes>().value;
  const PadMode mode = call.attributes<PadAttributes>().mode;
  const Shape& x = call.input(0).shape;
  const std::vector<std::int64_t> strides = strides_of(x);
  return of_same_kind(call, call.input(0), [&]<class Element>(const std::vector<Element>& source) {
    Element filling{};
    if constexpr (std::is_same_v<Element, float>) {
      filling = static_cast<float>(value);
    } else {
      filling = to_integer(value);
    }
    std::vector<Element> elements(count_of(call.output_shape), filling);
    for_each_element(call.output_shape, [&](std::size_t i, const std::vector<std::int64_t>& at) {
      std::int64_t offset = 0;
      for (std::size_t d = 0; d < x.size(); ++d) {
        const std::int64_t position = padded_from(mode, at[d] - counts->before[d], x[d]);
        if (position < 0) return;
        offset += position * strides[d];
      }
      elements[i] = source[static_cast<std::size_t>(offset)];
    });
    return elements;
  });
}

Result<Value> interpret_slice(const Invocation& call) {
  RESIDUA_ASSIGN(const auto ranges, slice_ranges(call.view));
  std::vector<std::int64_t> strides = strides_of(call.input(0).shape);
  std::int64_t base = 0;
  for (std::size_t i = 0; i < strides.size(); ++i) {
    const SliceRange& range = (*ranges)[i];
    base += range.start * strides[i];
    // A step that is taken stays within the dimension; one that is not may be of any size.
    strides[i] *= range.count > 1 ? range.step : 0;
  }
  return of_same_kind(call, call.input(0),
                      [&](const auto& source) { return strided_read(source, call.output_shape, base, strides); });
}

Result<Value> interpret_concat(const Invocation& call) {
  const Shape& output = call.output_shape;
  RESIDUA_ASSIGN(const std::size_t axis,
                 normalized_axis(call.view, call.attributes<AxisAttributes>().axis, output.size()));
  const std::size_t outer = extent_of(output, 0, axis);
  return of_same_kind(call, call.input(0), [&]<class Element>(const std::vector<Element>&) {
    std::vector<Element> elements;
    elements.reserve(count_of(output));
    for (std::size_t row = 0; row < outer; ++row) {
      for (const Value* input : call.inputs) {
        const auto& source = std::get<std::vector<Element>>(input->elements);
        const auto run = static_cast<std::ptrdiff_t>(extent_of(input->shape, axis, output.size()));
        const auto first = source.begin() + static_cast<std::ptrdiff_t>(row) * run;
        elements.insert(elements.end(), first, first + run);
      }
    }
    return elements;
  });
}

Result<Value> interpret_transpose(const Invocation& call) {
  RESIDUA_ASSIGN(const auto permutation, permutation_of(call.view));
  const std::vector<std::int64_t> own = strides_of(call.input(0).shape);
  std::vector<std::int64_t> strides;
  strides.reserve(permutation.size());
  for (const std::size_t dimension : permutation) strides.push_back(own[dimension]);
  return of_same_kind(call, call.input(0),
                      [&](const auto& source) { return strided_read(source, call.output_shape, 0, strides); });
}

Result<Value> interpret_gather(const Invocation& call) {
  const Shape& data = call.input(0).shape;
  RESIDUA_ASSIGN(const std::size_t axis,
                 normalized_axis(call.view, call.attributes<AxisAttributes>().axis, data.size()));
  const std::int64_t size = data[axis];
  std::vector<std::int64_t> indices = call.input(1).integers();
  for (std::int64_t& index : indices) {
    if (index < -size || index >= size) {
      return call.view.error(ErrorCode::invalid_argument, "gathers element " + std::to_string(index) +
                                                              " along a dimension of " + std::to_string(size));
    }
    if (index < 0) index += size;
  }
  const std::size_t outer = extent_of(data, 0, axis);
  const auto inner = static_cast<std::ptrdiff_t>(extent_of(data, axis + 1, data.size()));
  return of_same_kind(call, call.input(0), [&]<class Element>(const std::vector<Element>& source) {
    std::vector<Element> elements;
    elements.reserve(count_of(call.output_shape));
    for (std::size_t row = 0; row < outer; ++row) {
      for (const std::int64_t index : indices) {
        const auto first = source.begin() + (static_cast<std::ptrdiff_t>(row) * size + index) * inner;
        elements.insert(elements.end(), first, first + inner);
      }
    }
    return elements;
  });
}

Result<Value> interpret_reinterpretation(const Invocation& call) {
  return Value{call.output_shape, call.input(0).elements};
}

Result<Value> interpret_shape_of(const Invocation& call) { return Value{call.output_shape, call.input(0).shape}; }

Result<Value> interpret_constant_of_shape(const Invocation& call) {
  const auto& attributes = call.attributes<ConstantOfShapeAttributes>();
  const std::size_t count = count_of(call.output_shape);
  if (is_floating_point(attributes.type)) {
    return Value{call.output_shape, std::vector<float>(count, static_cast<float>(attributes.value))};
  }
  return Value{call.output_shape, std::vector<std::int64_t>(count, to_integer(attributes.value))};
}

}  // namespace residua::graph
