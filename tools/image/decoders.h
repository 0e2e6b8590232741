// What the decoders of the single formats share. All throw ImageError.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "tools/image/image.h"

namespace residua::tool {

using Bytes = std::span<const std::byte>;

struct DecodedImage {
  Image image;          // as stored
  int orientation = 1;  // EXIF: 1 .. 8
};

DecodedImage decode_jpeg(Bytes file);
DecodedImage decode_png(Bytes file);
DecodedImage decode_webp(Bytes file);

// Throws where `found` is more than that limit of the library (residua_check_limit). `where` starts the message.
void require_within(const char* limit, std::uint64_t found, const std::string& where);

// An image of that size without pixels yet. Sizes come from untrusted headers: neither 0 nor beyond the limit passes.
Image empty_image(std::uint32_t width, std::uint32_t height);

}  // namespace residua::tool
