#include "tools/image/orientation.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>

namespace residua::tool {

namespace {

using Bytes = std::span<const std::byte>;

// TIFF numbers in the byte order that the block's head names; nothing beyond the end.
class TiffReader {
 public:
  TiffReader(Bytes bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}

  std::optional<std::uint32_t> number(std::size_t offset, std::size_t size) const {
    if (offset > bytes_.size() || bytes_.size() - offset < size) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t at = offset + (big_endian_ ? i : size - 1 - i);
      value = value << 8 | std::to_integer<std::uint32_t>(bytes_[at]);
    }
    return value;
  }

 private:
  Bytes bytes_;
  bool big_endian_;
};

bool starts_with(Bytes bytes, const char* head, std::size_t size) {
  return bytes.size() >= size && std::memcmp(bytes.data(), head, size) == 0;
}

// Where output pixel (x, y) stands in the source: start + x * along_x + y * along_y, in pixels.
struct Walk {
  std::ptrdiff_t start, along_x, along_y;
};

Walk walk_of(int orientation, std::ptrdiff_t width, std::ptrdiff_t height) {
  const std::ptrdiff_t right = width - 1, bottom = (height - 1) * width;
  switch (orientation) {
    case 2:
      return {right, -1, width};  // mirrored
    case 3:
      return {bottom + right, -1, -width};  // upside down
    case 4:
      return {bottom, 1, -width};  // upside down and mirrored
    case 5:
      return {0, width, 1};  // transposed
    case 6:
      return {bottom, -width, 1};  // to be turned right
    case 7:
      return {bottom + right, -width, -1};  // transposed over the other diagonal
    case 8:
      return {right, width, -1};  // to be turned left
    default:
      return {0, 1, width};
  }
}

}  // namespace

int exif_orientation(Bytes exif) {
  if (starts_with(exif, "Exif\0\0", 6)) exif = exif.subspan(6);
  const bool big_endian = starts_with(exif, "MM\0*", 4);
  if (!big_endian && !starts_with(exif, "II*\0", 4)) return 1;
  const TiffReader tiff(exif, big_endian);

  const std::size_t directory = tiff.number(4, 4).value_or(0);
  const std::uint32_t entries = tiff.number(directory, 2).value_or(0);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + std::size_t{12} * i;
    const auto tag = tiff.number(entry, 2);
    if (!tag) return 1;
    if (*tag != 0x0112) continue;
    const std::uint32_t type = tiff.number(entry + 2, 2).value_or(0);
    const bool is_short = type == 3, is_long = type == 4;
    if ((!is_short && !is_long) || tiff.number(entry + 4, 4) != 1u) return 1;
    const std::uint32_t value = tiff.number(entry + 8, is_short ? 2 : 4).value_or(1);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image turned_upright(Image image, int orientation) {
  if (orientation == 1) return image;
  const Walk walk = walk_of(orientation, image.width, image.height);
  Image upright;
  upright.width = orientation >= 5 ? image.height : image.width;
  upright.height = orientation >= 5 ? image.width : image.height;
  upright.rgb.resize(image.rgb.size());
  // In stripes, so that the source rows a turn runs across stay in the cache.
  constexpr int stripe = 64;
  for (int left = 0; left < upright.width; left += stripe) {
    const int right = std::min(left + stripe, upright.width);
    for (int y = 0; y < upright.height; ++y) {
      const std::uint8_t* source = image.rgb.data() + 3 * (walk.start + left * walk.along_x + y * walk.along_y);
      std::uint8_t* target = upright.rgb.data() + 3 * (std::ptrdiff_t{y} * upright.width + left);
      for (int x = left; x < right; ++x, target += 3, source += 3 * walk.along_x) std::memcpy(target, source, 3);
    }
  }
  return upright;
}

}  // namespace residua::tool
