#include <xsimd/xsimd.hpp>

#include <cstdint>
#include <cstring>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
#include "kernels/products/registers_avx512.h"

#include "kernels/winograd/winograd_schemes.h"

#include "kernels/winograd/terms_body.h"

#include "kernels/winograd/winograd_body.h"
}  // namespace

void fill_winograd_avx512(KernelTable& table) noexcept {
  table.winograd_6x6 = winograd_kernels<F6>;
  table.winograd_4x4 = winograd_kernels<F4>;
  table.winograd_4x4_compact = winograd_kernels<F4Compact, F4>;
  table.winograd_4x4_terms = winograd_kernels<F4Terms, F4>;
  table.winograd_2x2 = winograd_kernels<F2>;
  table.winograd_2x2_compact = winograd_kernels<F2Compact, F2>;
  table.winograd_4x4_stride_2 = winograd_kernels<F4Stride2>;
  table.winograd_4x4_stride_2_compact = winograd_kernels<F4Stride2Compact, F4Stride2>;
  table.winograd_2x2_stride_2 = winograd_kernels<F2Stride2>;
  table.winograd_2x2_stride_2_compact = winograd_kernels<F2Stride2Compact, F2Stride2>;
}

}  // namespace residua::kernels
