// The one EXIF tag that changes pixels.
#pragma once

#include <cstddef>
#include <span>

#include "tools/image/image.h"

namespace residua::tool {

// The orientation, 1 .. 8, in an EXIF block (with or without its "Exif\0\0" head); 1 where it has none or is damaged.
int exif_orientation(std::span<const std::byte> exif);

// The image turned upright.
Image turned_upright(Image image, int orientation);

}  // namespace residua::tool
