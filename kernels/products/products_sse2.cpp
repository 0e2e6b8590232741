#include <xsimd/xsimd.hpp>

#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
constexpr int most_rows = 6;  // 16 registers: 12 sums, 2 weights, a factor.
constexpr int slice_chunks = 0;
constexpr bool folds_broadcasts = false;
#include "kernels/products/products_body.h"
}  // namespace

void fill_products_sse2(KernelTable& table) noexcept { table.products = product_kernels; }

}  // namespace residua::kernels
