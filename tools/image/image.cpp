#include "tools/image/image.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "residua/residua.hpp"
#include "tools/image/decoders.h"
#include "tools/image/orientation.h"

namespace residua::tool {

namespace {

struct Signature {
  std::string_view bytes;
  std::size_t offset;
  std::string_view format;
};

using namespace std::string_view_literals;

constexpr Signature unsupported_formats[] = {
    {"GIF87a"sv, 0, "GIF"},
    {"GIF89a"sv, 0, "GIF"},
    {"BM"sv, 0, "BMP"},
    {"II*\0"sv, 0, "TIFF"},
    {"MM\0*"sv, 0, "TIFF"},
    {"ftypavif"sv, 4, "AVIF"},
    {"ftyphei"sv, 4, "HEIF"},
    {"ftyphev"sv, 4, "HEIF"},
    {"ftypmif1"sv, 4, "HEIF"},
    {"\0\0\0\x0CJXL "sv, 0, "JPEG XL"},
    {"\xFF\x0A"sv, 0, "JPEG XL"},
    {"\0\0\0\x0CjP  "sv, 0, "JPEG 2000"},
    {"\xFF\x4F\xFF\x51"sv, 0, "JPEG 2000"},
    {"\0\0\1\0"sv, 0, "ICO"},
    {"8BPS"sv, 0, "Photoshop"},
    {"qoif"sv, 0, "QOI"},
    {"%PDF"sv, 0, "PDF"},
    {"<svg"sv, 0, "SVG"},
};

constexpr std::string_view readable_formats = "; JPEG, PNG and WebP can be read";

bool has_at(Bytes file, std::size_t offset, std::string_view bytes) {
  return file.size() >= offset + bytes.size() && std::memcmp(file.data() + offset, bytes.data(), bytes.size()) == 0;
}

// P1 .. P7, then white space or a comment.
bool is_netpbm(Bytes file) {
  if (file.size() < 3 || file[0] != std::byte{'P'}) return false;
  const auto kind = std::to_integer<char>(file[1]), next = std::to_integer<char>(file[2]);
  return kind >= '1' && kind <= '7' && std::string_view(" \t\r\n#").find(next) != std::string_view::npos;
}

std::string hexadecimal(Bytes bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    if (!text.empty()) text += ' ';
    text += digits[std::to_integer<unsigned>(byte) >> 4];
    text += digits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

[[noreturn]] void refuse(Bytes file) {
  if (file.empty()) throw ImageError("the file is empty");
  for (const Signature& signature : unsupported_formats) {
    if (has_at(file, signature.offset, signature.bytes)) {
      throw ImageError("this is a " + std::string(signature.format) + " file" + std::string(readable_formats));
    }
  }
  if (is_netpbm(file)) throw ImageError("this is a PNM file" + std::string(readable_formats));
  throw ImageError("not an image of a known format: it starts with the bytes " +
                   hexadecimal(file.first(std::min<std::size_t>(file.size(), 8))) + std::string(readable_formats));
}

DecodedImage decode_by_content(Bytes file) {
  if (has_at(file, 0, "\xFF\xD8")) return decode_jpeg(file);
  if (has_at(file, 0, "\x89PNG\r\n\x1A\n")) return decode_png(file);
  if (has_at(file, 0, "RIFF") && has_at(file, 8, "WEBP")) return decode_webp(file);
  refuse(file);
}

}  // namespace

void require_within(const char* limit, std::uint64_t found, const std::string& where) try {
  check_limit(limit, found, where);
} catch (const Error& error) {
  throw ImageError(error.what());
}

Image empty_image(std::uint32_t width, std::uint32_t height) {
  const std::string size = std::to_string(width) + " x " + std::to_string(height) + " pixels";
  if (width == 0 || height == 0) throw ImageError("the image has " + size);
  require_within("image_pixels", std::uint64_t{width} * height, "the image has " + size + ", in all");
  Image image;
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  return image;
}

Image decode_image(std::span<const std::byte> file) try {
  DecodedImage decoded = decode_by_content(file);
  return turned_upright(std::move(decoded.image), decoded.orientation);
} catch (const std::bad_alloc&) {
  throw ImageError("not enough memory to decode the image");
}

Image read_image(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) throw ImageError("no such file");
  if (error) throw ImageError("can't be opened: " + error.message());
  if (std::filesystem::is_directory(status)) throw ImageError("this is a folder; expected an image file");
  if (!std::filesystem::is_regular_file(status)) throw ImageError("not a regular file");
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) throw ImageError("can't be read: " + error.message());
  require_within("image_bytes", size, "bytes of the file");
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw ImageError("can't be opened: " + std::string(std::strerror(errno)));
  std::vector<char> bytes(static_cast<std::size_t>(size));
  stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (stream.gcount() != static_cast<std::streamsize>(bytes.size())) {
    throw ImageError("can't be read: " + std::to_string(stream.gcount()) + " of " + std::to_string(size) +
                     " bytes came");
  }
  return decode_image(std::as_bytes(std::span(bytes)));
}

}  // namespace residua::tool
