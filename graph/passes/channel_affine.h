// y = scale * x + shift per channel: what a batch_norm and arithmetic with constants do at inference.
#pragma once

#include <optional>
#include <vector>

#include "graph/passes/rewrite.h"

namespace residua::graph {

struct ChannelAffine {
  std::vector<double> scale, shift;  // one each per channel, finite
};

// A node as such a map of one of its operands.
struct AffineNode {
  std::size_t operand = 0;
  ChannelAffine affine;
};

// nullopt where the node does anything else, or where its parameters are not constants. The channel is dimension 1 of
// the node's output.
std::optional<AffineNode> as_channel_affine(const Rewriter& rewriter, const Node& node);

// First `first`, then `second`; they have the same number of channels.
ChannelAffine composed(const ChannelAffine& first, const ChannelAffine& second);

}  // namespace residua::graph
