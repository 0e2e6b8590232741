#include <algorithm>

#include "kernels/tiles/tiles.h"

namespace residua::kernels {

TilePlanes::TilePlanes(const ConvolutionGeometry& g)
    : stride(g.stride_height),
      lines(g.output_height + (g.kernel_height - 1) / stride),
      pitch(g.output_width + (g.kernel_width - 1) / stride),
      shared_padding(0),
      chunks(g.channels / TileSizes::chunk),
      taps(g.kernel_height * g.kernel_width) {
  if (stride > 1) return;
  const std::int64_t padding_right = g.output_width + g.kernel_width - 1 - g.padding_left - g.width;
  shared_padding = std::clamp<std::int64_t>(std::min(g.padding_left, padding_right), 0, g.kernel_width - 1);
  pitch -= shared_padding;
}

}  // namespace residua::kernels
