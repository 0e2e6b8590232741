// Pictures made smaller or larger, for people to look at; networks have the library's own resizing.
#pragma once

#include "tools/image/image.h"

namespace residua::tool {

// Every new pixel is the average of what it covers. Sizes: at least 1.
Image resized(const Image& image, int width, int height);

// With its longer side `side` pixels long, in the same proportions.
Image fitted(const Image& image, int side);

}  // namespace residua::tool
