// Channels of one tensor that are taken out, scaled and shifted one by one, and put together again, as torchvision's
// Inception does with its input: one batch_norm over all of them.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "graph/passes/channel_affine.h"
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace residua::graph {
namespace {

// Channels of `source` from `first` on, scaled and shifted.
struct Channels {
  TensorId source = no_tensor;
  std::int64_t first = 0;
  ChannelAffine affine;
};

bool is_image(const Tensor& x) {
  const auto is_known = [](Dimension dimension) { return dimension != unknown_dimension; };
  return x.type == ElementType::float32 && x.shape.size() == 4 && std::all_of(x.shape.begin(), x.shape.end(), is_known);
}

// The channel of an image tensor that a reshape of a gather is.
std::optional<Channels> taken_channel(const Rewriter& rewriter, const Node& reshape) {
  const Node* gather = rewriter.producer(reshape.inputs[0], Op::gather);
  if (!gather || !rewriter.is_constant(gather->inputs[1])) return std::nullopt;
  const Shape& x = rewriter.shape(gather->inputs[0]);
  const std::int64_t axis = attributes_of<AxisAttributes>(*gather).axis;
  const bool is_channel = is_image(rewriter.tensor(gather->inputs[0])) && is_static(x[1]) &&
                          (axis == 1 || axis == -3) && rewriter.shape(gather->inputs[1]).empty() &&
                          rewriter.shape(reshape.output) == Shape{x[0], 1, x[2], x[3]};
  if (!is_channel) return std::nullopt;
  const std::int64_t index = read_integers(rewriter.tensor(gather->inputs[1])).front();
  return Channels{gather->inputs[0], index < 0 ? index + x[1] : index, {{1.0}, {0.0}}};
}

// What `id` is; nullopt where it is anything else.
std::optional<Channels> channel_of(const Rewriter& rewriter, TensorId id) {
  // More than anybody writes; without an end, many operands of one long chain would take the product of both.
  constexpr int most_steps = 8;
  ChannelAffine affine{{1.0}, {0.0}};
  for (int steps = 0; steps <= most_steps; ++steps) {
    const Node* node = rewriter.producer(id);
    if (!node) break;
    if (node->op == Op::reshape) {
      std::optional<Channels> channel = taken_channel(rewriter, *node);
      if (channel) channel->affine = std::move(affine);
      return channel;
    }
    const Tensor& x = rewriter.tensor(id);
    const auto step = is_image(x) && x.shape[1] == 1 ? as_channel_affine(rewriter, *node) : std::nullopt;
    if (!step) return std::nullopt;
    affine = composed(step->affine, affine);
    id = node->inputs[step->operand];
  }
  return std::nullopt;
}

// What all operands together make of one tensor with as many channels.
std::optional<Channels> channels_of(const Rewriter& rewriter, const std::vector<TensorId>& operands) {
  Channels whole;
  for (const TensorId operand : operands) {
    const std::optional<Channels> channel = channel_of(rewriter, operand);
    if (!channel || channel->first != static_cast<std::int64_t>(whole.affine.scale.size())) return std::nullopt;
    if (whole.source != no_tensor && channel->source != whole.source) return std::nullopt;
    // Rounded to float below.
    for (const double value : {channel->affine.scale.front(), channel->affine.shift.front()})
      if (!(std::fabs(value) <= std::numeric_limits<float>::max())) return std::nullopt;
    whole.source = channel->source;
    whole.affine.scale.push_back(channel->affine.scale.front());
    whole.affine.shift.push_back(channel->affine.shift.front());
  }
  if (rewriter.shape(whole.source)[1] != static_cast<std::int64_t>(operands.size())) return std::nullopt;
  return whole;
}

}  // namespace

Graph merge_channels(Graph graph) {
  Rewriter rewriter(std::move(graph));
  rewriter.sweep([&](Node& node) {
    if (node.op != Op::concat || !is_image(rewriter.tensor(node.output))) return;
    const std::int64_t axis = attributes_of<AxisAttributes>(node).axis;
    if (axis != 1 && axis != -3) return;
    const std::optional<Channels> whole = channels_of(rewriter, node.inputs);
    if (!whole) return;
    const std::size_t count = node.inputs.size();
    const auto constant = [&](const std::string& name, const std::vector<double>& values) {
      return rewriter.add(make_float_constant(node.name + name, {static_cast<std::int64_t>(count)},
                                              std::vector<float>(values.begin(), values.end())));
    };
    const std::vector<double> zeros(count, 0.0), ones(count, 1.0);
    rewriter.set_inputs(
        node, {whole->source, constant(".weight", whole->affine.scale), constant(".bias", whole->affine.shift),
               constant(".mean", zeros), constant(".variance", ones)});
    node.op = Op::batch_norm;
    node.attributes = BatchNormAttributes{.epsilon = 0};
  });
  return std::move(rewriter).finish();
}

}  // namespace residua::graph
