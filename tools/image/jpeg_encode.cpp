// Pixels to a JPEG file's bytes through libjpeg, which reports errors by longjmp: the function that calls setjmp holds
// plain data only.
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it before itself
#include <string>

#include <jpeglib.h>

#include <cstdlib>

#include "tools/image/image.h"

namespace residua::tool {
namespace {

struct Writer {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  std::jmp_buf stop{};
  char message[JMSG_LENGTH_MAX]{};
  unsigned char* bytes = nullptr;  // of malloc
  unsigned long size = 0;

  Writer() = default;
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() {
    jpeg_destroy_compress(&info);
    std::free(bytes);
  }
};

[[noreturn]] void stop_writing(j_common_ptr info) {
  auto& writer = *static_cast<Writer*>(info->client_data);
  info->err->format_message(info, writer.message);
  std::longjmp(writer.stop, 1);
}

bool write(Writer& writer, const Image& image, int quality) {
  writer.info.err = jpeg_std_error(&writer.errors);
  writer.info.client_data = &writer;
  writer.errors.error_exit = stop_writing;
  if (setjmp(writer.stop) != 0) {
    writer.bytes = nullptr;  // libjpeg may have freed it to grow, and does not say
    return false;
  }
  jpeg_create_compress(&writer.info);
  jpeg_mem_dest(&writer.info, &writer.bytes, &writer.size);
  writer.info.image_width = static_cast<JDIMENSION>(image.width);
  writer.info.image_height = static_cast<JDIMENSION>(image.height);
  writer.info.input_components = 3;
  writer.info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&writer.info);
  jpeg_set_quality(&writer.info, quality, TRUE);
  jpeg_start_compress(&writer.info, TRUE);
  while (writer.info.next_scanline < writer.info.image_height) {
    // libjpeg only reads the row; its type predates const.
    auto* row = const_cast<std::uint8_t*>(image.rgb.data()) +
                static_cast<std::size_t>(writer.info.next_scanline) * static_cast<std::size_t>(image.width) * 3;
    jpeg_write_scanlines(&writer.info, &row, 1);
  }
  jpeg_finish_compress(&writer.info);
  return true;
}

}  // namespace

std::string encode_jpeg(const Image& image, int quality) {
  Writer writer;
  if (!write(writer, image, quality)) throw ImageError(std::string("JPEG: ") + writer.message);
  return {static_cast<const char*>(static_cast<const void*>(writer.bytes)), static_cast<std::size_t>(writer.size)};
}

}  // namespace residua::tool
