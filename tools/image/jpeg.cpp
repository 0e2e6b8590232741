// JPEG through libjpeg, which reports errors by longjmp: the functions that call setjmp hold plain data only, and
// everything with a destructor lives in their callers.
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it before itself
#include <string>

#include <jpeglib.h>
// after jpeglib.h
#include <jerror.h>

#include <algorithm>

#include "residua/residua.hpp"
#include "tools/image/decoders.h"
#include "tools/image/orientation.h"

namespace residua::tool {

namespace {

struct Reader {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf stop{};
  char message[JMSG_LENGTH_MAX]{};
  std::uint64_t most_scans = limit("image_scans");
  bool too_many_scans = false;
  bool file_ended = false;  // the library wanted bytes beyond the end and was given an end-of-image marker

  Reader() = default;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { jpeg_destroy_decompress(&info); }
};

Reader& reader_of(j_common_ptr info) { return *static_cast<Reader*>(info->client_data); }

[[noreturn]] void stop_reading(j_common_ptr info) {
  Reader& reader = reader_of(info);
  info->err->format_message(info, reader.message);
  std::longjmp(reader.stop, 1);
}

// Warnings, which libjpeg would let pass. Those that leave all pixels as the encoder meant them are harmless; after any
// other (bad Huffman codes, lost restart markers, data that ends before the image) libjpeg makes pixels up.
void judge_warning(j_common_ptr info, int level) {
  if (level >= 0) return;  // a trace message
  switch (info->err->msg_code) {
    case JWRN_ADOBE_XFORM:      // unknown colour transform code: the usual one is taken
    case JWRN_BOGUS_ICC:        // the colour profile is not used
    case JWRN_EXTRANEOUS_DATA:  // bytes between two markers: cameras pad so
    case JWRN_JFIF_MAJOR:       // unknown JFIF version: only density and thumbnail depend on it
    case JWRN_NOT_SEQUENTIAL:   // spectral selection in a sequential file: old encoders left zeros there
      return;
    case JWRN_JPEG_EOF:  // harmless where only the end-of-image marker is missing
      reader_of(info).file_ended = true;
      return;
    default:
      stop_reading(info);
  }
}

void limit_scans(j_common_ptr info) {
  Reader& reader = reader_of(info);
  if (static_cast<std::uint64_t>(reader.info.input_scan_number) <= reader.most_scans) return;
  reader.too_many_scans = true;
  std::longjmp(reader.stop, 1);
}

bool read_header(Reader& reader, Bytes file) {
  reader.info.err = jpeg_std_error(&reader.errors);
  reader.info.client_data = &reader;
  reader.errors.error_exit = stop_reading;
  reader.errors.emit_message = judge_warning;
  reader.progress.progress_monitor = limit_scans;
  if (setjmp(reader.stop) != 0) return false;
  jpeg_create_decompress(&reader.info);
  reader.info.progress = &reader.progress;
  jpeg_mem_src(&reader.info, static_cast<const unsigned char*>(static_cast<const void*>(file.data())),
               static_cast<unsigned long>(file.size()));
  jpeg_save_markers(&reader.info, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(&reader.info, TRUE);
  return true;
}

bool start(Reader& reader, J_COLOR_SPACE colors) {
  if (setjmp(reader.stop) != 0) return false;
  reader.info.out_color_space = colors;
  jpeg_start_decompress(&reader.info);
  return true;
}

bool read_rows(Reader& reader, std::uint8_t* rows, std::size_t stride, JDIMENSION end) {
  const JDIMENSION begin = reader.info.output_scanline;
  if (setjmp(reader.stop) != 0) return false;
  while (reader.info.output_scanline < end) {
    JSAMPROW row = rows + (reader.info.output_scanline - begin) * stride;
    jpeg_read_scanlines(&reader.info, &row, 1);
  }
  return true;
}

[[noreturn]] void fail(const Reader& reader) {
  if (reader.too_many_scans)
    require_within("image_scans", static_cast<std::uint64_t>(reader.info.input_scan_number), "JPEG: scans");
  const std::string what = reader.message;
  if (reader.file_ended) throw ImageError("JPEG: premature end of the file (" + what + ")");
  throw ImageError("JPEG: " + what);
}

// Whether a file that lacks its end still held every bit of every coefficient. Only a progressive decoder keeps
// account.
bool all_scans_came(const jpeg_decompress_struct& info) {
  if (!jpeg_has_multiple_scans(const_cast<jpeg_decompress_struct*>(&info))) return true;
  if (!info.progressive_mode || !info.coef_bits) return false;
  const auto exact = [](int missing_bits) { return missing_bits == 0; };
  for (int component = 0; component < info.num_components; ++component) {
    const int* coefficients = info.coef_bits[component];
    if (!std::all_of(coefficients, coefficients + DCTSIZE2, exact)) return false;
  }
  return true;
}

int orientation_of(const jpeg_decompress_struct& info) {
  for (const jpeg_marker_struct* marker = info.marker_list; marker; marker = marker->next) {
    const auto data = std::as_bytes(std::span(marker->data, marker->data_length));
    constexpr char head[] = "Exif\0";  // and the literal's own 0
    if (data.size() >= sizeof head &&
        std::equal(data.begin(), data.begin() + sizeof head, std::as_bytes(std::span(head)).begin())) {
      return exif_orientation(data);
    }
  }
  return 1;
}

// a * b / 255, rounded, for 0 .. 255.
unsigned multiply_fractions(unsigned a, unsigned b) {
  const unsigned product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

// CMYK in JPEG is Adobe's: 255 is no ink. With ink amounts c and k, a channel is (255 - k) - c * (255 - k) / 255.
void cmyk_to_rgb(const std::uint8_t* cmyk, std::size_t pixels, std::uint8_t* rgb) {
  for (std::size_t i = 0; i < pixels; ++i, cmyk += 4, rgb += 3) {
    const unsigned light = cmyk[3];
    for (std::size_t channel = 0; channel < 3; ++channel) {
      rgb[channel] = static_cast<std::uint8_t>(light - multiply_fractions(255u - cmyk[channel], light));
    }
  }
}

}  // namespace

DecodedImage decode_jpeg(Bytes file) {
  Reader reader;
  if (!read_header(reader, file)) fail(reader);
  const jpeg_decompress_struct& info = reader.info;
  DecodedImage decoded{empty_image(info.image_width, info.image_height), orientation_of(info)};
  if (info.data_precision != 8) {
    throw ImageError("JPEG: " + std::to_string(info.data_precision) + " bits a sample; expected 8");
  }
  const int components = info.num_components;
  if (components != 1 && components != 3 && components != 4) {
    throw ImageError("JPEG: " + std::to_string(components) + " components; expected 1, 3 or 4");
  }
  if (!start(reader, components == 4 ? JCS_CMYK : JCS_RGB)) fail(reader);
  if (reader.file_ended && !all_scans_came(info)) {
    throw ImageError("JPEG: premature end of the file (the last scans are missing)");
  }

  // Grown as rows come, so that a small file that claims to be large costs no memory.
  Image& image = decoded.image;
  const std::size_t stride = static_cast<std::size_t>(image.width) * 3;
  image.rgb.reserve(stride * info.output_height);
  constexpr JDIMENSION rows_at_once = 64;
  std::vector<std::uint8_t> cmyk(components == 4 ? static_cast<std::size_t>(image.width) * 4 * rows_at_once : 0);
  for (JDIMENSION row = 0; row < info.output_height;) {
    const JDIMENSION end = std::min(row + rows_at_once, info.output_height);
    image.rgb.resize(stride * end);
    std::uint8_t* rows = image.rgb.data() + stride * row;
    if (components == 4) {
      if (!read_rows(reader, cmyk.data(), static_cast<std::size_t>(image.width) * 4, end)) fail(reader);
      cmyk_to_rgb(cmyk.data(), static_cast<std::size_t>(image.width) * (end - row), rows);
    } else if (!read_rows(reader, rows, stride, end)) {
      fail(reader);
    }
    row = end;
  }
  return decoded;
}

}  // namespace residua::tool
