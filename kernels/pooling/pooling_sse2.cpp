#include <xsimd/xsimd.hpp>

#include <cmath>
#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
#include "kernels/pooling/pooling_body.h"
}  // namespace

void fill_pooling_sse2(KernelTable& table) noexcept {
  table.max_pool_row = max_pool_row;
  table.average_pool_row = average_pool_row;
  table.global_average = global_average;
}

}  // namespace residua::kernels
