#include <xsimd/xsimd.hpp>

#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
#include "kernels/products/registers_avx2.h"

#include "kernels/stem/stem_body.h"
}  // namespace

void fill_stem_avx2(KernelTable& table) noexcept { table.stem = stem_kernels; }

}  // namespace residua::kernels
