#include <xsimd/xsimd.hpp>

#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
#include "kernels/products/registers_sse2.h"

constexpr int slice_chunks = 0;
constexpr int unrolled_lanes = 4;

#include "kernels/products/products_body.h"
}  // namespace

void fill_products_sse2(KernelTable& table) noexcept { table.products = product_kernels; }

}  // namespace residua::kernels
