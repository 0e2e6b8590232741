#include <immintrin.h>

#include <xsimd/xsimd.hpp>

#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
using Vector = xsimd::batch<float>;
constexpr int lanes = static_cast<int>(Vector::size);
constexpr int most_outputs = 14;  // of 32 registers

template <int group, int i>
[[gnu::always_inline]] inline Vector spread(Vector inputs) noexcept {
  static_assert(group == 4 || group == 8);
  if constexpr (group == 4) return _mm512_permute_ps(inputs, i * 0x55);
  const __m512i index =
      _mm512_setr_epi32(i, i, i, i, i, i, i, i, 8 + i, 8 + i, 8 + i, 8 + i, 8 + i, 8 + i, 8 + i, 8 + i);
  return _mm512_permutexvar_ps(index, inputs);
}

#include "kernels/grouped/grouped_body.h"
}  // namespace

void fill_grouped_avx512(KernelTable& table) noexcept { table.grouped = grouped_kernels; }

}  // namespace residua::kernels
