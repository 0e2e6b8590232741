#include <xsimd/xsimd.hpp>

#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
using Vector = xsimd::batch<float>;
constexpr int most_rows = 14;    // 32 registers: 28 sums, 2 weights, a factor.
constexpr int slice_chunks = 0;  // two vectors of weights serve 28 multiply-adds: streaming keeps up by itself
constexpr int unrolled_lanes = 4;
[[gnu::always_inline]] inline void add_product(Vector factor, Vector weight, Vector& sum) noexcept {
  sum = xsimd::fma(factor, weight, sum);
}
#include "kernels/products/products_body.h"
}  // namespace

void fill_products_avx512(KernelTable& table) noexcept { table.products = product_kernels; }

}  // namespace residua::kernels
