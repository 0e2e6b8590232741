#include <xsimd/xsimd.hpp>

#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
#include "kernels/products/registers_avx2.h"

constexpr int slice_chunks = 16;  // 8 KiB of weights: a quarter of a level 1 cache
constexpr int unrolled_lanes = 8;

#include "kernels/products/products_body.h"
}  // namespace

void fill_products_avx2(KernelTable& table) noexcept { table.products = product_kernels; }

}  // namespace residua::kernels
