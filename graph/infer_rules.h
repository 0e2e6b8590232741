// The rules of shape inference, one per kind of op, on what is known of a node's inputs: the same for a graph with
// symbolic shapes (infer.h) and for concrete values (interpret.h). Private to the graph core.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/infer.h"

namespace residua::graph {

// No network of images comes near it; it bounds the work that a hostile shape can cause.
inline constexpr std::size_t maximum_rank = 32;

// What is known of one input.
struct Operand {
  TensorType tensor;
  std::optional<std::vector<std::int64_t>> values;  // of an integer constant that is small enough to be a shape
};

// A node, its inputs, and errors that name it.
class NodeView {
 public:
  NodeView(const Node& node, std::span<const std::optional<Operand>> operands) : node_(node), operands_(operands) {}

  const Node& node() const { return node_; }
  std::size_t input_count() const { return operands_.size(); }
  bool has(std::size_t index) const { return index < operands_.size() && operands_[index].has_value(); }
  const Operand& operand(std::size_t index) const;
  const Shape& shape(std::size_t index) const { return operand(index).tensor.shape; }
  ElementType type(std::size_t index) const { return operand(index).tensor.type; }
  template <class A>
  const A& attributes() const {
    return attributes_of<A>(node_);
  }

  Error error(ErrorCode code, const std::string& what) const;
  // Inputs that do not fit the op or each other.
  Error mismatch(const std::string& what) const { return error(ErrorCode::mismatch, what); }
  // Attributes that mean nothing.
  Error malformed(const std::string& what) const { return error(ErrorCode::malformed, what); }

 private:
  const Node& node_;
  std::span<const std::optional<Operand>> operands_;
};

// The rule of the node's op, after a check of arity and attributes.
Result<TensorType> infer_node(const NodeView& view);

// infer_windows.cpp
Result<TensorType> infer_convolution(const NodeView& view);
Result<TensorType> infer_pool(const NodeView& view);
Result<TensorType> infer_global_average_pool(const NodeView& view);

// infer_arithmetic.cpp
Result<TensorType> infer_fully_connected(const NodeView& view);
Result<TensorType> infer_matmul(const NodeView& view);
Result<TensorType> infer_batch_norm(const NodeView& view);
Result<TensorType> infer_group_norm(const NodeView& view);
Result<TensorType> infer_channel_gate(const NodeView& view);
Result<TensorType> infer_activation(const NodeView& view);
Result<TensorType> infer_quantize(const NodeView& view);
Result<TensorType> infer_softmax(const NodeView& view);
Result<TensorType> infer_broadcast(const NodeView& view);
Result<TensorType> infer_expand(const NodeView& view);
Result<TensorType> infer_reduce_mean(const NodeView& view);
Status require_floating_point(const NodeView& view, std::size_t index);
Status require_rank(const NodeView& view, std::size_t index, std::size_t rank);
// Whether two dimensions can be equal: an unknown one fits everything.
bool compatible(Dimension a, Dimension b);
// The better known of two compatible dimensions.
Dimension better_known(Dimension a, Dimension b);

// infer_layout.cpp, infer_reshape.cpp
Result<TensorType> infer_pad(const NodeView& view);
Result<TensorType> infer_slice(const NodeView& view);
Result<TensorType> infer_concat(const NodeView& view);
Result<TensorType> infer_transpose(const NodeView& view);
Result<TensorType> infer_gather(const NodeView& view);
Result<TensorType> infer_flatten(const NodeView& view);
Result<TensorType> infer_reshape(const NodeView& view);
Result<TensorType> infer_squeeze(const NodeView& view);
Result<TensorType> infer_unsqueeze(const NodeView& view);
Result<TensorType> infer_constant_of_shape(const NodeView& view);

// What rules and interpreter both need to know.

// `axis` counted from the front, out of `rank`.
Result<std::size_t> normalized_axis(const NodeView& view, std::int64_t axis, std::size_t rank);
// One flag per dimension out of `rank`: whether `axes` names it; an error where it does so twice.
Result<std::vector<bool>> axis_flags(const NodeView& view, const std::vector<std::int64_t>& axes, std::size_t rank);
// The values of the shape operand at `index`, or those of the attribute where there is no such input; nullopt where the
// operand is no constant.
Result<std::optional<std::vector<std::int64_t>>> operand_or_attribute(const NodeView& view, std::size_t index,
                                                                      const std::vector<std::int64_t>& attribute);
// How many entries the shape operand at `index` has, an error where that is unknown.
Result<std::size_t> operand_length(const NodeView& view, std::size_t index);

// Dimension i of the output of a slice reads x at start + step * index.
struct SliceRange {
  Dimension count = 0;  // symbolic where x is
  std::int64_t start = 0;
  std::int64_t step = 1;
};
// nullopt where an operand is no constant.
Result<std::optional<std::vector<SliceRange>>> slice_ranges(const NodeView& view);

// {before, after}, one count per dimension; nullopt where the operand is no constant.
struct PadCounts {
  std::vector<std::int64_t> before, after;
};
Result<std::optional<PadCounts>> pad_counts(const NodeView& view);

// The permutation of a transpose; an empty attribute reverses the dimensions.
Result<std::vector<std::size_t>> permutation_of(const NodeView& view);

// The axes that reduce_mean averages over, one flag per dimension; nullopt where the operand is no constant.
Result<std::optional<std::vector<bool>>> reduced_axes(const NodeView& view);

}  // namespace residua::graph
