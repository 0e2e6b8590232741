// What convolutions on our Winograd kernels (kernels/winograd/winograd.h) have in common.
#pragma once

#include <span>
#include <vector>

#include "engine/steps/blocked_convolution.h"

namespace residua::engine {

// The weights of one block of output channels, [width, block_inputs, taps, taps].
using BlockWeights = std::function<std::vector<float>(std::span<const float> weights, std::int64_t block)>;

// `geometry`: of the convolution that the kernels run, which is not the node's own where the input is prepared.
BlockedConvolution blocked_winograd(const StepRequest& request, const kernels::WinogradKernels& winograd,
                                    const kernels::WinogradGeometry& geometry, const ChannelBlocks& channels,
                                    const BlockWeights& block_weights);

Cost winograd_cost(const StepRequest& request, const kernels::WinogradKernels& winograd,
                   const kernels::WinogradGeometry& geometry, const ChannelBlocks& channels);

}  // namespace residua::engine
