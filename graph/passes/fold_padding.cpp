// Padding of rows and columns that stands alone goes into the window op that reads it.
#include <limits>

#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace residua::graph {
namespace {

// How many constants a pad node adds around each image; nullopt where it does anything else (mirrors, crops, pads other
// dimensions, or reads its counts from an input).
std::optional<Padding> image_padding(const Node& pad) {
  if (pad.input(1) != no_tensor) return std::nullopt;
  const auto& [before, after, value, mode] = attributes_of<PadAttributes>(pad);
  if (mode != PadMode::constant || before.size() != 4 || before[0] != 0 || before[1] != 0 || after[0] != 0 ||
      after[1] != 0)
    return std::nullopt;
  const Padding padding{before[2], before[3], after[2], after[3]};
  const bool crops = padding.top < 0 || padding.left < 0 || padding.bottom < 0 || padding.right < 0;
  return crops ? std::nullopt : std::optional(padding);
}

std::optional<Padding> sum(const Padding& a, const Padding& b) {
  Padding total;
  if (__builtin_add_overflow(a.top, b.top, &total.top) || __builtin_add_overflow(a.left, b.left, &total.left) ||
      __builtin_add_overflow(a.bottom, b.bottom, &total.bottom) ||
      __builtin_add_overflow(a.right, b.right, &total.right)) {
    return std::nullopt;
  }
  return total;
}

bool is_less_than(const Padding& padding, const Pair& kernel) {
  return padding.top < kernel[0] && padding.bottom < kernel[0] && padding.left < kernel[1] && padding.right < kernel[1];
}

// No value of the tensor is negative: it comes from a relu or the like, perhaps through a pool, which adds no new
// values.
bool is_non_negative(const Rewriter& rewriter, TensorId id) {
  const Node* node = rewriter.producer(id);
  if (node && node->op == Op::max_pool) node = rewriter.producer(node->inputs[0]);
  if (!node) return false;
  switch (node->op) {
    case Op::relu:
    case Op::sigmoid:
    case Op::softmax:
      return true;
    case Op::clip:
      return attributes_of<ClipAttributes>(*node).minimum >= 0 && attributes_of<ClipAttributes>(*node).maximum >= 0;
    default:
      return is_activated(*node);
  }
}

// The padding of a convolution is zeros.
bool fold_into_convolution(Node& node, const Padding& padding, double value) {
  auto& attributes = attributes_of<ConvolutionAttributes>(node);
  const std::optional<Padding> total = sum(attributes.padding, padding);
  if (value != 0 || !total) return false;
  attributes.padding = *total;
  return true;
}

// Windows are counted alike only when their number is rounded down: rounded up, a last window may start in a pad node's
// columns but not in a pool's own. And a pool takes no padding as wide as its window.
std::optional<Padding> pool_padding(const PoolAttributes& attributes, const Padding& padding) {
  const std::optional<Padding> total = sum(attributes.padding, padding);
  if (attributes.ceil_mode || !total || !is_less_than(*total, attributes.kernel)) return std::nullopt;
  return total;
}

// The zeros of a pad node are counted in the mean; so must be those of the pool, which therefore has none of its own
// that are not.
bool fold_into_average_pool(Node& node, const Padding& padding, double value) {
  auto& attributes = attributes_of<PoolAttributes>(node);
  const std::optional<Padding> total = pool_padding(attributes, padding);
  const bool counts_alike = attributes.count_include_pad || attributes.padding == Padding{};
  if (value != 0 || !counts_alike || !total) return false;
  attributes.padding = *total;
  attributes.count_include_pad = true;
  return true;
}

// A max_pool's own padding never wins. Neither does a pad node's
// - when it is -infinity: the maximum with it changes nothing; or
// - when it is 0 and x is not negative, provided that each window holds at least one pixel of x, which then is >= 0.
//   It does: let the window of size k start at s, with padding a < k before and b < k after n >= 1 pixels, and no
//   dilation. -a <= s <= n + b - k gives s + k - 1 >= k - 1 - a >= 0 and s <= n - 1 + (b + 1 - k) <= n - 1. So s ..
//   s + k - 1, which leaves out no position between, meets 0 .. n - 1.
bool fold_into_max_pool(const Rewriter& rewriter, Node& node, const Padding& padding, double value, TensorId x) {
  auto& attributes = attributes_of<PoolAttributes>(node);
  const std::optional<Padding> total = pool_padding(attributes, padding);
  if (!total) return false;
  const bool never_wins = value == -std::numeric_limits<double>::infinity();
  const bool never_shows = value == 0 && attributes.dilations == Pair{1, 1} && is_non_negative(rewriter, x);
  if (!never_wins && !never_shows) return false;
  attributes.padding = *total;
  return true;
}

}  // namespace

Graph fold_padding(Graph graph) {
  Rewriter rewriter(std::move(graph));
  rewriter.sweep([&](Node& node) {
    if (node.op != Op::convolution && node.op != Op::average_pool && node.op != Op::max_pool) return;
    const Node* pad = rewriter.producer(node.inputs[0], Op::pad);
    if (!pad) return;
    const std::optional<Padding> padding = image_padding(*pad);
    if (!padding) return;
    const TensorId x = pad->inputs[0];
    const double value = attributes_of<PadAttributes>(*pad).value;
    const bool folded = node.op == Op::convolution    ? fold_into_convolution(node, *padding, value)
                        : node.op == Op::average_pool ? fold_into_average_pool(node, *padding, value)
                                                      : fold_into_max_pool(rewriter, node, *padding, value, x);
    if (!folded) return;
    std::vector<TensorId> inputs = node.inputs;
    inputs[0] = x;
    rewriter.set_inputs(node, std::move(inputs));
  });
  return std::move(rewriter).finish();
}

}  // namespace residua::graph
