// PNG through libpng, which reports errors by longjmp: the functions that call setjmp hold plain data only, and
// everything with a destructor lives in their callers.
//
// libpng's warnings pass: they concern chunks that don't reach the pixels. What damages pixels is an error to it, but
// for palette indices beyond the palette, which are judged here.
#include <png.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "tools/image/decoders.h"
#include "tools/image/orientation.h"

namespace residua::tool {

namespace {

struct Reader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  Bytes rest;  // not read yet
  char message[256]{};

  Reader() = default;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

void read_bytes(png_structp png, png_bytep target, std::size_t size) {
  Reader& reader = *static_cast<Reader*>(png_get_io_ptr(png));
  if (size > reader.rest.size()) png_error(png, "premature end of the file");
  std::memcpy(target, reader.rest.data(), size);
  reader.rest = reader.rest.subspan(size);
}

[[noreturn]] void stop_reading(png_structp png, png_const_charp message) {
  Reader& reader = *static_cast<Reader*>(png_get_error_ptr(png));
  std::snprintf(reader.message, sizeof reader.message, "%s", message);
  png_longjmp(png, 1);
}

void pass_warning(png_structp, png_const_charp) {}

// Whether every chunk up to the end mark lies within the file: libpng takes memory for some (eXIf) before it looks.
bool all_chunks_fit(Bytes file) {
  constexpr std::size_t signature = 8, around = 12;  // length and name before, checksum behind
  Bytes rest = file.subspan(signature);
  while (rest.size() >= around) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = length << 8 | std::to_integer<std::size_t>(rest[i]);
    if (length > rest.size() - around) return false;
    if (std::memcmp(rest.data() + 4, "IEND", 4) == 0) break;
    rest = rest.subspan(around + length);
  }
  return true;
}

bool read_header(Reader& reader) {
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, stop_reading, pass_warning);
  if (!reader.png) return false;
  reader.info = png_create_info_struct(reader.png);
  if (!reader.info) return false;
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  // Only EXIF of all the chunks that are not pixels: profiles and compressed texts are not even unpacked.
  static const png_byte exif[] = "eXIf";
  png_set_keep_unknown_chunks(reader.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_set_keep_unknown_chunks(reader.png, PNG_HANDLE_CHUNK_AS_DEFAULT, exif, 1);
  png_set_read_fn(reader.png, &reader, read_bytes);
  png_read_info(reader.png, reader.info);
  return true;
}

// Whatever is stored, to 8-bit RGB without alpha, or to one palette index a byte; 16-bit samples lose their low byte.
bool choose_output(Reader& reader) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  if (png_get_color_type(reader.png, reader.info) == PNG_COLOR_TYPE_PALETTE) {
    png_set_packing(reader.png);
  } else {
    png_set_expand(reader.png);
    png_set_strip_16(reader.png);
    png_set_strip_alpha(reader.png);
    png_set_gray_to_rgb(reader.png);
  }
  png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  return true;
}

bool read_pixels(Reader& reader, png_bytepp rows) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  png_read_image(reader.png, rows);
  png_read_end(reader.png, reader.info);
  return true;
}

[[noreturn]] void fail(const Reader& reader) {
  throw ImageError(std::string("PNG: ") + (reader.message[0] == 0 ? "not enough memory" : reader.message));
}

int orientation_of(const Reader& reader) {
  png_bytep exif = nullptr;
  png_uint_32 size = 0;
  if (png_get_eXIf_1(reader.png, reader.info, &size, &exif) == 0) return 1;
  return exif_orientation(std::as_bytes(std::span(exif, size)));
}

// Deflate packs at most 1032 bytes into one: a file that is shorter can't hold the pixels it claims.
void check_plausible(const Reader& reader, const Image& image) {
  constexpr std::uint64_t best_ratio = 1032;
  const std::uint64_t unpacked =
      std::uint64_t{png_get_rowbytes(reader.png, reader.info)} * static_cast<unsigned>(image.height);
  if (unpacked / best_ratio > reader.rest.size()) {
    throw ImageError("PNG: premature end of the file (" + std::to_string(reader.rest.size()) +
                     " bytes of pixel data are too few for " + std::to_string(image.width) + " x " +
                     std::to_string(image.height) + " pixels)");
  }
}

// Rows that begin with a palette index a pixel become RGB in place, from the last pixel to the first.
void apply_palette(Reader& reader, Image& image) {
  png_colorp palette = nullptr;
  int colors = 0;
  png_get_PLTE(reader.png, reader.info, &palette, &colors);
  const auto width = static_cast<std::size_t>(image.width), height = static_cast<std::size_t>(image.height);
  for (std::size_t y = 0; y < height; ++y) {
    std::uint8_t* row = image.rgb.data() + y * width * 3;
    for (std::size_t x = width; x-- > 0;) {
      const int index = row[x];
      if (index >= colors) {
        throw ImageError("PNG: corrupt data: pixel " + std::to_string(x) + ", " + std::to_string(y) + " has colour " +
                         std::to_string(index) + " of a palette of " + std::to_string(colors));
      }
      row[3 * x] = palette[index].red;
      row[3 * x + 1] = palette[index].green;
      row[3 * x + 2] = palette[index].blue;
    }
  }
}

}  // namespace

DecodedImage decode_png(Bytes file) {
  if (!all_chunks_fit(file)) throw ImageError("PNG: premature end of the file (a chunk reaches beyond it)");
  Reader reader;
  reader.rest = file;
  if (!read_header(reader)) fail(reader);
  DecodedImage decoded{
      empty_image(png_get_image_width(reader.png, reader.info), png_get_image_height(reader.png, reader.info))};
  Image& image = decoded.image;
  check_plausible(reader, image);
  if (!choose_output(reader)) fail(reader);
  const bool has_palette = png_get_color_type(reader.png, reader.info) == PNG_COLOR_TYPE_PALETTE;
  const auto width = static_cast<std::size_t>(image.width), height = static_cast<std::size_t>(image.height);
  if (png_get_rowbytes(reader.png, reader.info) != (has_palette ? width : width * 3)) {
    throw ImageError("PNG: this pixel format is not supported");
  }
  image.rgb.resize(width * height * 3);
  std::vector<png_bytep> rows(height);
  for (std::size_t row = 0; row < height; ++row) rows[row] = image.rgb.data() + row * width * 3;
  if (!read_pixels(reader, rows.data())) fail(reader);
  if (has_palette) apply_palette(reader, image);
  decoded.orientation = orientation_of(reader);
  return decoded;
}

}  // namespace residua::tool
