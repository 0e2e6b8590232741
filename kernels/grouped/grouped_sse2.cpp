#include <xsimd/xsimd.hpp>

#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
using Vector = xsimd::batch<float>;
constexpr int lanes = static_cast<int>(Vector::size);
constexpr int most_outputs = 7;  // of 16 registers

template <int group, int i>
Vector spread(Vector inputs) noexcept {
  static_assert(group == 0, "no group is narrower than a vector");
  return inputs;
}

#include "kernels/grouped/grouped_body.h"
}  // namespace

void fill_grouped_sse2(KernelTable& table) noexcept { table.grouped = grouped_kernels; }

}  // namespace residua::kernels
