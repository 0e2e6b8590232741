#include <xsimd/xsimd.hpp>

#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
using Vector = xsimd::batch<float>;
constexpr int most_rows = 6;      // 16 registers: 12 sums, 2 weights, a factor.
constexpr int slice_chunks = 16;  // 8 KiB of weights: a quarter of a level 1 cache
constexpr int unrolled_lanes = 8;
// The sum stays in its register. Where the compiler is free to write elsewhere it does, and with 16 registers spends a
// ninth of the instructions on moves between them.
[[gnu::always_inline]] inline void add_product(Vector factor, Vector weight, Vector& sum) noexcept {
  asm("vfmadd231ps %2, %1, %0" : "+x"(sum.data) : "x"(factor.data), "x"(weight.data));
}
#include "kernels/products/products_body.h"
}  // namespace

void fill_products_avx2(KernelTable& table) noexcept { table.products = product_kernels; }

}  // namespace residua::kernels
