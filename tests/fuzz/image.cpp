// Images of one format, RESIDUA_FUZZ_DECODER, and their resizing. The last two bytes say to what, and the last one's
// second bit which way the image goes: as a file whose content tells its format, or straight to the decoder, from which
// a wrong start would else keep it.
#include <algorithm>
#include <vector>

#include "kernels/image/resize.h"
#include "residua/residua.hpp"
#include "tests/fuzz/fuzz.h"
#include "tools/image/decoders.h"
#include "tools/image/image.h"
#include "tools/image/orientation.h"
#include "tools/image/resize.h"

namespace {

using namespace residua;

// PNG's checksums are made to fit: no fuzzer guesses them.
std::vector<std::uint8_t> with_checksums(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> file(data, data + size);
  constexpr std::size_t signature = 8, around = 12;
  for (std::size_t at = signature; at + around <= size;) {
    const std::size_t length = std::size_t{file[at]} << 24 | std::size_t{file[at + 1]} << 16 |
                               std::size_t{file[at + 2]} << 8 | std::size_t{file[at + 3]};
    if (length > size - at - around) break;
    std::uint32_t sum = 0xFFFFFFFF;
    for (std::size_t i = at + 4; i < at + 8 + length; ++i) {
      sum ^= file[i];
      for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ (0xEDB88320 & (0 - (sum & 1)));
    }
    sum = ~sum;
    for (std::size_t i = 0; i < 4; ++i) file[at + 8 + length + i] = static_cast<std::uint8_t>(sum >> (24 - 8 * i));
    at += length + around;
  }
  return file;
}

void prepare(const tool::Image& image, std::uint8_t side, std::uint8_t kind) {
  const kernels::ImageSize source{.width = image.width, .height = image.height};
  const kernels::ImageSize output{.width = 1 + side / 2, .height = 1 + kind / 2};
  const kernels::PreprocessPlan plan = kernels::make_preprocess_plan(
      source, 1 + side, kind % 2 == 0 ? kernels::Interpolation::bilinear : kernels::Interpolation::bicubic, output);
  if (plan.scratch_bytes > std::size_t{64} << 20) return;
  const std::unique_ptr<std::uint8_t[]> scratch(new std::uint8_t[plan.scratch_bytes]);
  const std::unique_ptr<std::uint8_t[]> pixels(
      new std::uint8_t[static_cast<std::size_t>(output.height * output.width) * 3]);
  kernels::preprocess_rgb8(plan, image.rgb.data(), static_cast<std::size_t>(image.width) * 3, scratch.get(),
                           pixels.get());
  static_cast<void>(tool::fitted(image, 1 + side));  // as on a contact sheet
}

tool::Image decoded(std::span<const std::uint8_t> file) {
  tool::DecodedImage decoded = tool::RESIDUA_FUZZ_DECODER(std::as_bytes(file));
  return turned_upright(std::move(decoded.image), decoded.orientation);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  set_limit("image_pixels", 1 << 20);
  set_limit("image_scans", 40);
  const bool is_png = size > 4 && std::memcmp(data, "\x89PNG", 4) == 0;
  const std::vector<std::uint8_t> file =
      is_png ? with_checksums(data, size - 2) : std::vector<std::uint8_t>(data, data + size - 2);
  static_cast<void>(tool::exif_orientation(std::as_bytes(std::span(file))));
  if (file.size() < 16) return 0;
  const std::uint8_t side = data[size - 2], kind = data[size - 1];
  try {
    const tool::Image image = (kind & 2) != 0 ? tool::read_image(fuzz::held_in_file(file)) : decoded(file);
    const auto pixels = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
    fuzz::require(image.rgb.size() == pixels * 3, "sides and pixels differ");
    prepare(image, side, kind);
  } catch (const tool::ImageError&) {
  }
  return 0;
}
