// The graph of a network: a plain value.
//
// Nodes stand in topological order: a node's inputs are graph inputs, constants, or outputs of earlier nodes. Tensors
// are named by their index in Graph::tensors. Shapes are logical NCHW (weights OIHW) whatever layout a plan chooses.
// Copying a graph copies no weights: constants are shared.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "graph/tensor.h"

namespace residua::graph {

using TensorId = std::int32_t;
inline constexpr TensorId no_tensor = -1;  // an optional input that is left out

enum class Op : std::uint8_t {
  // what a plan runs
  convolution,          // x, weight OIHW, [bias O], [residual]; then the activation
  fully_connected,      // x [N, K], weight [O, K], [bias O]; x of higher rank is flattened after dimension 0
  max_pool,             // x
  average_pool,         // x
  global_average_pool,  // x -> [N, C, 1, 1]
  batch_norm,           // x, scale, shift, mean, variance: each [C]; then the activation
  group_norm,           // x [N, C, ..], scale [C], shift [C]: each image's groups of channels by their own statistics
  channel_gate,         // x, gate [N, C, 1, 1], [residual]: x * gate + residual; then the activation
  relu,
  sigmoid,
  clip,
  quantize,  // x to the nearest of evenly spaced values
  softmax,
  add,  // the arithmetic of two tensors broadcasts as numpy does
  subtract,
  multiply,
  divide,
  pad,        // x, [pads]
  slice,      // x, [starts, ends, axes, steps]
  concat,     // one or more
  flatten,    // x -> two dimensions
  reshape,    // x, [shape]
  transpose,  // x
  expand,     // x, [shape]: broadcasts as numpy does
  // what importers write and passes resolve
  matmul,       // x [.., K], y [K, O]
  reduce_mean,  // x, [axes]
  squeeze,      // x, [axes]
  unsqueeze,    // x, [axes]
  identity,
  cast,
  shape_of,           // x -> int64 [rank]
  gather,             // data, indices
  constant_of_shape,  // shape
};

enum class Activation : std::uint8_t { none, relu };

// What a pad puts around x: a constant, its own elements mirrored without the outermost one, or the outermost one.
enum class PadMode : std::uint8_t { constant, reflect, edge };
std::string_view name_of(PadMode mode);

struct Padding {
  std::int64_t top = 0, left = 0, bottom = 0, right = 0;
  friend bool operator==(const Padding&, const Padding&) = default;
};

using Pair = std::array<std::int64_t, 2>;  // {along height, along width}

// Each attribute struct lists its fields once, in fields(): the text form, comparison and verification follow from it.
// A field that has its default value is not written.
struct ConvolutionAttributes {
  Pair strides{1, 1};
  Padding padding;
  Pair dilations{1, 1};
  std::int64_t groups = 1;
  Activation activation = Activation::none;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("strides", self.strides);
    visit("padding", self.padding);
    visit("dilations", self.dilations);
    visit("groups", self.groups);
    visit("activation", self.activation);
  }
};

struct BatchNormAttributes {
  double epsilon = 1e-5;
  Activation activation = Activation::none;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("epsilon", self.epsilon);
    visit("activation", self.activation);
  }
};

// y = (x - mean) / sqrt(variance + epsilon) * scale + shift, mean and (biased) variance over one image's elements of
// one group of channels: Wu and He, "Group Normalization" (2018). As many groups as channels: instance norm.
struct GroupNormAttributes {
  std::int64_t groups = 1;
  double epsilon = 1e-5;
  Activation activation = Activation::none;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("groups", self.groups);
    visit("epsilon", self.epsilon);
    visit("activation", self.activation);
  }
};

// The end of a squeeze and excitation (Hu et al., "Squeeze-and-Excitation Networks", 2018): each channel of each image
// by its own factor.
struct ChannelGateAttributes {
  Activation activation = Activation::none;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("activation", self.activation);
  }
};

// q = clamp(round(x / scale) + zero_point, minimum, maximum), halves to the even neighbour; the result is q, a whole
// number, or with `dequantize` (q - zero_point) * scale. All in float, as a network trained for 8 bits simulates them.
struct QuantizeAttributes {
  double scale = 1;
  std::int64_t zero_point = 0;
  std::int64_t minimum = -128, maximum = 127;
  bool dequantize = false;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("scale", self.scale);
    visit("zero_point", self.zero_point);
    visit("minimum", self.minimum);
    visit("maximum", self.maximum);
    visit("dequantize", self.dequantize);
  }
};

struct PoolAttributes {
  Pair kernel{1, 1};
  Pair strides{1, 1};
  Padding padding;
  Pair dilations{1, 1};
  bool ceil_mode = false;          // round the number of windows up; no window starts in the right padding
  bool count_include_pad = false;  // average_pool: divide by the whole window, padding included
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("kernel", self.kernel);
    visit("strides", self.strides);
    visit("padding", self.padding);
    visit("dilations", self.dilations);
    visit("ceil_mode", self.ceil_mode);
    visit("count_include_pad", self.count_include_pad);
  }
};

struct ClipAttributes {
  double minimum = -3.402823466e+38;
  double maximum = 3.402823466e+38;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("minimum", self.minimum);
    visit("maximum", self.maximum);
  }
};

// flatten, softmax, concat, gather; negative counts from the end
struct AxisAttributes {
  std::int64_t axis = 1;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("axis", self.axis);
  }
};

// squeeze, unsqueeze: empty while a second input still holds the axes (or, for squeeze, for every dimension of size 1)
struct AxesAttributes {
  std::vector<std::int64_t> axes;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("axes", self.axes);
  }
};

struct ReduceAttributes {
  std::vector<std::int64_t> axes;  // empty: all, or a second input holds them
  bool keep_dimensions = true;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("axes", self.axes);
    visit("keep_dimensions", self.keep_dimensions);
  }
};

// Used when there is no second input. reshape: 0 copies the dimension of x, one -1 is inferred. expand: what x
// broadcasts with.
struct ReshapeAttributes {
  std::vector<std::int64_t> shape;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("shape", self.shape);
  }
};

struct TransposeAttributes {
  std::vector<std::int64_t> permutation;  // output dimension i is input dimension permutation[i]
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("permutation", self.permutation);
  }
};

// Used when there is no second input: one count per dimension of x; a negative count crops.
struct PadAttributes {
  std::vector<std::int64_t> before, after;
  double value = 0;
  PadMode mode = PadMode::constant;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("before", self.before);
    visit("after", self.after);
    visit("value", self.value);
    visit("mode", self.mode);
  }
};

// Used when there is one input only; ONNX's rules: negative counts from the end, out-of-range is clamped, empty axes
// are the first ones, empty steps are 1.
struct SliceAttributes {
  std::vector<std::int64_t> starts, ends, axes, steps;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("starts", self.starts);
    visit("ends", self.ends);
    visit("axes", self.axes);
    visit("steps", self.steps);
  }
};

struct CastAttributes {
  ElementType to = ElementType::float32;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("to", self.to);
  }
};

struct ConstantOfShapeAttributes {
  ElementType type = ElementType::float32;
  double value = 0;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("type", self.type);
    visit("value", self.value);
  }
};

struct NoAttributes {
  template <class Self, class Visitor>
  static void fields(Self&, Visitor&&) {}
};

using Attributes =
    std::variant<NoAttributes, ConvolutionAttributes, BatchNormAttributes, GroupNormAttributes, ChannelGateAttributes,
                 PoolAttributes, ClipAttributes, QuantizeAttributes, AxisAttributes, AxesAttributes, ReduceAttributes,
                 ReshapeAttributes, TransposeAttributes, PadAttributes, SliceAttributes, CastAttributes,
                 ConstantOfShapeAttributes>;

struct Node {
  Op op = Op::identity;
  std::string name;  // from the file where it had one; for messages and reports, not necessarily unique
  std::vector<TensorId> inputs;
  TensorId output = no_tensor;  // every op here has one
  Attributes attributes;

  // The input at `index`, or no_tensor where it is left out.
  TensorId input(std::size_t index) const { return index < inputs.size() ? inputs[index] : no_tensor; }
};

struct Graph {
  std::string name;
  std::vector<Tensor> tensors;
  std::vector<Node> nodes;
  std::vector<TensorId> inputs;
  std::vector<TensorId> outputs;

  Tensor& tensor(TensorId id) { return tensors[static_cast<std::size_t>(id)]; }
  const Tensor& tensor(TensorId id) const { return tensors[static_cast<std::size_t>(id)]; }
  TensorId add(Tensor tensor) {
    tensors.push_back(std::move(tensor));
    return static_cast<TensorId>(tensors.size() - 1);
  }
};

// The attributes of `node`, which its op promises to be an A; anything else is a bug (verify() checks graphs from
// outside), reported as InternalError.
template <class A>
const A& attributes_of(const Node& node) {
  const A* attributes = std::get_if<A>(&node.attributes);
  if (!attributes) throw InternalError("node '" + node.name + "' holds attributes of another op");
  return *attributes;
}
template <class A>
A& attributes_of(Node& node) {
  return const_cast<A&>(attributes_of<A>(static_cast<const Node&>(node)));
}

}  // namespace residua::graph
