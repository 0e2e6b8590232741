#include <xsimd/xsimd.hpp>

#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
using Vector = xsimd::batch<float>;
constexpr int most_rows = 6;  // 16 registers: 12 sums, 2 weights, a factor.
constexpr int slice_chunks = 0;
constexpr int unrolled_lanes = 4;
[[gnu::always_inline]] inline void add_product(Vector factor, Vector weight, Vector& sum) noexcept {
  sum = xsimd::fma(factor, weight, sum);
}
#include "kernels/products/products_body.h"
}  // namespace

void fill_products_sse2(KernelTable& table) noexcept { table.products = product_kernels; }

}  // namespace residua::kernels
