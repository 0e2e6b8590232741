// What convolutions on our Winograd kernels (kernels/winograd/winograd.h) have in common.
#pragma once

#include "engine/steps/blocked_convolution.h"

namespace residua::engine {

BlockedConvolution blocked_winograd(const StepRequest& request, const kernels::WinogradKernels& winograd,
                                    const kernels::WinogradGeometry& geometry, const ChannelBlocks& channels);

Cost winograd_cost(const StepRequest& request, const kernels::WinogradKernels& winograd,
                   const kernels::WinogradGeometry& geometry, const ChannelBlocks& channels);

}  // namespace residua::engine
