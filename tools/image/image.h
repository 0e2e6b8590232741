// Image files to pixels: JPEG, PNG and WebP, told by content; and pixels to PNG and JPEG.
//
// Pixels are what Pillow's ImageOps.exif_transpose(image).convert("RGB") gives: turned upright as EXIF says, alpha and
// colour profiles left out, palettes, grays and CMYK made RGB. One difference: 16-bit grays keep their high byte, where
// Pillow clips at 255. All functions may be called by several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace residua::tool {

struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;  // height x width x 3, dense
};

// Says what was found and what was expected; does not name the file.
class ImageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws ImageError: another format, cut short, corrupt (also where a decoder would go on and make up pixels), more
// pixels than the limit image_pixels. Of an animation the first frame is taken.
Image decode_image(std::span<const std::byte> file);

// Throws ImageError, also when the file can't be read.
Image read_image(const std::filesystem::path& path);

// The bytes of a PNG file. Throws ImageError.
std::string encode_png(const Image& image);

// The bytes of a JPEG file of that quality, 1 .. 100. Throws ImageError.
std::string encode_jpeg(const Image& image, int quality);

}  // namespace residua::tool
