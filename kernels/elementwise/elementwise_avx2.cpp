#include <xsimd/xsimd.hpp>

#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
#include "kernels/elementwise/elementwise_body.h"
}  // namespace

void fill_elementwise_avx2(KernelTable& table) noexcept {
  table.scale_shift = scale_shift;
  table.gate_channels = gate_channels;
  table.sigmoid = sigmoid;
  table.channel_moments = channel_moments;
  table.quantize = quantize;
}

}  // namespace residua::kernels
