#include <xsimd/xsimd.hpp>

#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
#include "kernels/products/registers_avx512.h"

constexpr int slice_chunks = 0;  // two vectors of weights serve 28 multiply-adds: streaming keeps up by itself
constexpr int unrolled_lanes = 4;

#include "kernels/products/products_body.h"
}  // namespace

void fill_products_avx512(KernelTable& table) noexcept { table.products = product_kernels; }

}  // namespace residua::kernels
