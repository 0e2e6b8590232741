#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
#include "kernels/layout/layout_body.h"
}  // namespace

void fill_layout_avx2(KernelTable& table) noexcept {
  table.interleave_planes = interleave_planes;
  table.normalize_pixels = normalize_pixels;
}

}  // namespace residua::kernels
