#include <cstdint>

#include "kernels/tiers.h"

namespace residua::kernels {
namespace {
#include "kernels/layout/layout_body.h"
}  // namespace

void fill_layout_avx512(KernelTable& table) noexcept {
  table.interleave_planes = interleave_planes;
  table.space_to_depth_row = space_to_depth_row;
  table.normalize_pixels = normalize_pixels;
}

}  // namespace residua::kernels
