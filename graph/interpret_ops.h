// The interpreter's ops, by kind. Each gets a node whose inputs its inference rule has accepted, and the shape that the
// rule gave. Private to the graph core.
#pragma once

#include <span>
#include <vector>

#include "graph/infer_rules.h"
#include "graph/interpret.h"

namespace residua::graph {

struct Invocation {
  const NodeView& view;
  std::span<const Value* const> inputs;
  const Shape& output_shape;

  const Value& input(std::size_t index) const { return *inputs[index]; }
  bool has(std::size_t index) const { return view.has(index); }
  template <class A>
  const A& attributes() const {
    return view.attributes<A>();
  }
};

// Elements of a shape that is known to be static and within the limit.
std::size_t count_of(const Shape& shape);
// Row-major, in elements.
std::vector<std::int64_t> strides_of(const Shape& shape);

// Truncated, out of range to the nearest, NaN to 0.
std::int64_t to_integer(double value);

// Calls visit(i, coordinates) for every element i of `shape` in row-major order.
template <class Visitor>
void for_each_element(const Shape& shape, Visitor&& visit) {
  std::vector<std::int64_t> coordinates(shape.size(), 0);
  const std::size_t count = count_of(shape);
  for (std::size_t i = 0; i < count; ++i) {
    visit(i, std::as_const(coordinates));
    for (std::size_t d = shape.size(); d-- > 0;) {
      if (++coordinates[d] < shape[d]) break;
      coordinates[d] = 0;
    }
  }
}

inline std::int64_t offset_of(std::span<const std::int64_t> coordinates, std::span<const std::int64_t> strides) {
  std::int64_t offset = 0;
  for (std::size_t d = 0; d < strides.size(); ++d) offset += coordinates[d] * strides[d];
  return offset;
}

// out[c] = source[base + sum of c[d] * strides[d]]: how transposing, slicing and broadcasting read.
template <class Element>
std::vector<Element> strided_read(const std::vector<Element>& source, const Shape& shape, std::int64_t base,
                                  std::span<const std::int64_t> strides) {
  std::vector<Element> elements(count_of(shape));
  for_each_element(shape, [&](std::size_t i, const std::vector<std::int64_t>& coordinates) {
    elements[i] = source[static_cast<std::size_t>(base + offset_of(coordinates, strides))];
  });
  return elements;
}

// interpret_windows.cpp
Result<Value> interpret_convolution(const Invocation& call);
Result<Value> interpret_max_pool(const Invocation& call);
Result<Value> interpret_average_pool(const Invocation& call);

// interpret_arithmetic.cpp
Result<Value> interpret_fully_connected(const Invocation& call);
Result<Value> interpret_matmul(const Invocation& call);
Result<Value> interpret_batch_norm(const Invocation& call);
Result<Value> interpret_group_norm(const Invocation& call);
Result<Value> interpret_channel_gate(const Invocation& call);
Result<Value> interpret_relu(const Invocation& call);
Result<Value> interpret_sigmoid(const Invocation& call);
Result<Value> interpret_clip(const Invocation& call);
Result<Value> interpret_quantize(const Invocation& call);
Result<Value> interpret_softmax(const Invocation& call);
Result<Value> interpret_broadcast(const Invocation& call);
Result<Value> interpret_expand(const Invocation& call);
Result<Value> interpret_mean(const Invocation& call);  // reduce_mean, global_average_pool
Result<Value> interpret_cast(const Invocation& call);

// interpret_layout.cpp
Result<Value> interpret_pad(const Invocation& call);
Result<Value> interpret_slice(const Invocation& call);
Result<Value> interpret_concat(const Invocation& call);
Result<Value> interpret_transpose(const Invocation& call);
Result<Value> interpret_gather(const Invocation& call);
Result<Value> interpret_reinterpretation(const Invocation& call);  // the same elements in another shape
Result<Value> interpret_shape_of(const Invocation& call);
Result<Value> interpret_constant_of_shape(const Invocation& call);

}  // namespace residua::graph
