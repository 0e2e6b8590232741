// WebP through libwebp, which decodes single frames. The container around them (RIFF chunks) is walked here for EXIF
// and for an animation's first frame.
#include <webp/decode.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "tools/image/decoders.h"
#include "tools/image/orientation.h"

namespace residua::tool {

namespace {

const std::uint8_t* data_of(Bytes bytes) {
  return static_cast<const std::uint8_t*>(static_cast<const void*>(bytes.data()));
}

std::uint32_t little_endian(Bytes bytes, std::size_t offset, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = size; i > 0; --i) value = value << 8 | std::to_integer<std::uint32_t>(bytes[offset + i - 1]);
  return value;
}

// The content of the first chunk of that name; nothing where it is missing or reaches beyond the end.
std::optional<Bytes> find_chunk(Bytes file, std::string_view name) {
  Bytes rest = file.subspan(12);  // "RIFF", size, "WEBP"
  while (rest.size() >= 8) {
    const std::size_t size = little_endian(rest, 4, 4);
    if (size > rest.size() - 8) return std::nullopt;
    if (std::memcmp(rest.data(), name.data(), 4) == 0) return rest.subspan(8, size);
    rest = rest.subspan(std::min(rest.size(), 8 + size + size % 2));
  }
  return std::nullopt;
}

[[noreturn]] void fail(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
      throw ImageError("WebP: premature end of the file");
    case VP8_STATUS_OUT_OF_MEMORY:
      throw ImageError("WebP: not enough memory");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      throw ImageError("WebP: uses a feature that libwebp does not support");
    default:
      throw ImageError("WebP: corrupt image data");
  }
}

WebPBitstreamFeatures features_of(Bytes bytes) {
  WebPBitstreamFeatures features;
  if (const VP8StatusCode status = WebPGetFeatures(data_of(bytes), bytes.size(), &features); status != VP8_STATUS_OK) {
    fail(status);
  }
  return features;
}

// Decodes one frame into the place of `canvas` that starts at `offset`, a byte of its rows.
void decode_frame(Bytes frame, const WebPBitstreamFeatures& features, Image& canvas, std::size_t offset) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) throw ImageError("WebP: the installed libwebp does not fit this program");
  const std::size_t stride = static_cast<std::size_t>(canvas.width) * 3;
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = canvas.rgb.data() + offset;
  config.output.u.RGBA.stride = static_cast<int>(stride);
  config.output.u.RGBA.size =
      stride * static_cast<std::size_t>(features.height - 1) + static_cast<std::size_t>(features.width) * 3;
  const VP8StatusCode status = WebPDecode(data_of(frame), frame.size(), &config);
  WebPFreeDecBuffer(&config.output);
  if (status != VP8_STATUS_OK) fail(status);
}

// The first frame stands on black where it does not fill the canvas.
void decode_first_frame(Bytes file, Image& canvas) {
  const auto chunk = find_chunk(file, "ANMF");
  constexpr std::size_t head = 16;  // x/2, y/2, width - 1, height - 1, duration: 24 bits each; flags
  if (!chunk || chunk->size() < head) throw ImageError("WebP: an animation without a whole frame");
  const Bytes frame = chunk->subspan(head);
  const WebPBitstreamFeatures features = features_of(frame);
  const std::uint32_t left = 2 * little_endian(*chunk, 0, 3), top = 2 * little_endian(*chunk, 3, 3);
  const auto width = static_cast<std::uint32_t>(features.width), height = static_cast<std::uint32_t>(features.height);
  if (left + width > static_cast<std::uint32_t>(canvas.width) ||
      top + height > static_cast<std::uint32_t>(canvas.height)) {
    throw ImageError("WebP: the first frame, " + std::to_string(width) + " x " + std::to_string(height) + " at " +
                     std::to_string(left) + ", " + std::to_string(top) + ", does not fit the canvas of " +
                     std::to_string(canvas.width) + " x " + std::to_string(canvas.height));
  }
  decode_frame(frame, features, canvas, (std::size_t{top} * static_cast<std::size_t>(canvas.width) + left) * 3);
}

}  // namespace

DecodedImage decode_webp(Bytes file) {
  if (const std::uint64_t promised = std::uint64_t{little_endian(file, 4, 4)} + 8; promised > file.size()) {
    throw ImageError("WebP: premature end of the file: " + std::to_string(file.size()) + " of " +
                     std::to_string(promised) + " bytes");
  }
  const WebPBitstreamFeatures features = features_of(file);
  DecodedImage decoded{
      empty_image(static_cast<std::uint32_t>(features.width), static_cast<std::uint32_t>(features.height))};
  Image& image = decoded.image;
  image.rgb.resize(static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3);
  if (features.has_animation) {
    decode_first_frame(file, image);
  } else {
    decode_frame(file, features, image, 0);
  }
  if (const auto exif = find_chunk(file, "EXIF")) decoded.orientation = exif_orientation(*exif);
  return decoded;
}

}  // namespace residua::tool
