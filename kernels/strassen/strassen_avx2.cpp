#include <xsimd/xsimd.hpp>

#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
#include "kernels/strassen/strassen_body.h"
}  // namespace

void fill_strassen_avx2(KernelTable& table) noexcept { table.strassen = strassen_kernels; }

}  // namespace residua::kernels
