// batch_norm, and arithmetic with one constant per channel, goes into the weights of the layer before it.
//
// All that follows one layer is composed in double first, so that each weight is rounded to float once.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <span>
#include <unordered_map>

#include "graph/passes/channel_affine.h"
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace residua::graph {
namespace {

constexpr std::size_t weight_input = 1, bias_input = 2, residual_input = 3;
constexpr std::size_t longest_piece = 4096;  // of weights looked at at a time

// What has been taken into a layer during the sweep, to be worked into its weights at the end.
struct Pending {
  Node* layer;
  ChannelAffine affine;                // of the layer's output, its bias included
  std::vector<double> largest_weight;  // magnitude, per output channel
};

// A layer that is linear, reads constant weights, and whose output goes through one node only.
Node* open_layer(const Rewriter& rewriter, TensorId id) {
  Node* layer = rewriter.is_read_once(id) ? rewriter.producer(id) : nullptr;
  if (!layer || (layer->op != Op::convolution && layer->op != Op::fully_connected)) return nullptr;
  if (layer->op == Op::convolution && (layer->input(residual_input) != no_tensor ||
                                       attributes_of<ConvolutionAttributes>(*layer).activation != Activation::none)) {
    return nullptr;
  }
  const TensorId bias = layer->input(bias_input);
  const bool constant = rewriter.is_float_constant(layer->inputs[weight_input]) &&
                        (bias == no_tensor || rewriter.is_float_constant(bias));
  return constant ? layer : nullptr;
}

// Infinity where there is a NaN. The bits of magnitudes are ordered as the magnitudes are, infinity and NaN last; as
// integers, which compilers take many of at a time.
double largest_magnitude(std::span<const float> values) {
  std::int32_t largest = 0;
  for (const float value : values) largest = std::max(largest, std::bit_cast<std::int32_t>(value) & INT32_MAX);
  const float magnitude = std::bit_cast<float>(largest);
  return std::isnan(magnitude) ? std::numeric_limits<double>::infinity() : static_cast<double>(magnitude);
}

Pending untouched(const Rewriter& rewriter, Node& layer) {
  const Tensor& weight = rewriter.tensor(layer.inputs[weight_input]);
  const auto channels = static_cast<std::size_t>(weight.shape[0]);
  Pending pending{&layer, {std::vector<double>(channels, 1.0), std::vector<double>(channels, 0.0)}, {}};
  if (layer.input(bias_input) != no_tensor) {
    const std::vector<float> bias = read_floats(rewriter.tensor(layer.inputs[bias_input]));
    pending.affine.shift.assign(bias.begin(), bias.end());
  }
  const std::size_t count = weight.constant.size / size_of(weight.type);
  const std::size_t row = count / std::max<std::size_t>(channels, 1);
  std::vector<float> piece(std::min(row, longest_piece));
  for (std::size_t c = 0; c < channels; ++c) {
    double largest = 0;
    for (std::size_t i = 0; i < row; i += piece.size()) {
      const std::span<float> values(piece.data(), std::min(piece.size(), row - i));
      read_floats(weight, c * row + i, values);
      largest = std::max(largest, largest_magnitude(values));
    }
    pending.largest_weight.push_back(largest);
  }
  return pending;
}

// Whether the layer's new weights and bias are floats.
bool stays_finite(const Pending& pending) {
  constexpr double limit = std::numeric_limits<float>::max();
  for (std::size_t c = 0; c < pending.largest_weight.size(); ++c) {
    const bool fits = std::fabs(pending.affine.scale[c]) * pending.largest_weight[c] <= limit &&
                      std::fabs(pending.affine.shift[c]) <= limit;
    if (!fits) return false;
  }
  return true;
}

std::string bias_name(const std::string& weight_name) {
  constexpr std::string_view ending = ".weight";
  const bool ends = weight_name.ends_with(ending);
  return weight_name.substr(0, weight_name.size() - (ends ? ending.size() : 0)) + ".bias";
}

// The same bytes with a factor a row, or, where a row's factor cannot stand beside the bytes, new ones: values of
// another type, or scaled before, are rounded to float first.
Tensor scaled_weight(const Tensor& weight, const std::vector<double>& scale) {
  Tensor scaled = weight;
  if (weight.type != ElementType::float32 || weight.constant.row_scale)
    scaled = make_float_constant(weight.name, weight.shape, read_floats(weight));
  scaled.constant.row_scale = std::make_shared<const std::vector<double>>(scale);
  return scaled;
}

// New tensors always: a constant may be shared with another layer, or be a piece of a file.
void apply(Rewriter& rewriter, const Pending& pending) {
  Node& layer = *pending.layer;
  std::vector<TensorId> inputs = layer.inputs;
  inputs.resize(std::max(inputs.size(), bias_input + 1), no_tensor);
  const Tensor weight = rewriter.tensor(inputs[weight_input]);
  const auto& [scale, shift] = pending.affine;
  const bool scales = std::any_of(scale.begin(), scale.end(), [](double value) { return value != 1; });
  if (scales && weight.constant.size > 0) inputs[weight_input] = rewriter.add(scaled_weight(weight, scale));
  const std::string name =
      inputs[bias_input] == no_tensor ? bias_name(weight.name) : rewriter.tensor(inputs[bias_input]).name;
  std::vector<float> bias;
  bias.reserve(shift.size());
  for (const double value : shift) bias.push_back(static_cast<float>(value));
  inputs[bias_input] = rewriter.add(make_float_constant(name, {weight.shape[0]}, bias));
  rewriter.set_inputs(layer, std::move(inputs));
}

}  // namespace

Graph fold_batch_norm(Graph graph) {
  Rewriter rewriter(std::move(graph));
  std::vector<Pending> layers;
  std::unordered_map<const Node*, std::size_t> index_of;
  rewriter.sweep([&](Node& node) {
    const auto affine_node = as_channel_affine(rewriter, node);
    if (!affine_node) return;
    Node* layer = open_layer(rewriter, node.inputs[affine_node->operand]);
    if (!layer) return;
    const auto known = index_of.find(layer);
    Pending next = known == index_of.end() ? untouched(rewriter, *layer) : layers[known->second];
    next.affine = composed(next.affine, affine_node->affine);
    if (!stays_finite(next)) return;
    if (known == index_of.end()) {
      index_of.emplace(layer, layers.size());
      layers.push_back(std::move(next));
    } else {
      layers[known->second] = std::move(next);
    }
    rewriter.merge_into(*layer, node);
  });
  for (const Pending& pending : layers) apply(rewriter, pending);
  return std::move(rewriter).finish();
}

}  // namespace residua::graph
