#include <xsimd/xsimd.hpp>

#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
#include "kernels/convolution/convolution_body.h"
}  // namespace

void fill_convolution_avx2(KernelTable& table) noexcept { table.convolution = convolution_kernels; }

}  // namespace residua::kernels
