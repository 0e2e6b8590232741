// Pixels to a PNG file's bytes through libpng's simplified interface, which needs no setjmp.
#include <png.h>

#include <string>

#include "tools/image/image.h"

namespace residua::tool {

std::string encode_png(const Image& image) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = static_cast<png_uint_32>(image.width);
  header.height = static_cast<png_uint_32>(image.height);
  header.format = PNG_FORMAT_RGB;
  header.flags = PNG_IMAGE_FLAG_FAST;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"  // inside libpng's macro
  std::string file(PNG_IMAGE_PNG_SIZE_MAX(header), '\0');
#pragma GCC diagnostic pop
  png_alloc_size_t size = file.size();
  const bool written = png_image_write_to_memory(&header, file.data(), &size, 0, image.rgb.data(), 0, nullptr) != 0;
  const std::string message = header.message;
  png_image_free(&header);
  if (!written) throw ImageError("PNG: " + message);
  file.resize(size);
  return file;
}

}  // namespace residua::tool
