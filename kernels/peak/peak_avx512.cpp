#include <xsimd/xsimd.hpp>

#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
#include "kernels/peak/peak_body.h"
}  // namespace

void fill_peak_avx512(KernelTable& table) noexcept { table.multiply_add_burst = multiply_add_burst; }

}  // namespace residua::kernels
