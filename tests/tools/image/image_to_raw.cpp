// Decodes or preprocesses one image and writes its pixels to stdout, for tests/oracle/images.py:
//   image_to_raw FILE
//   image_to_raw FILE SHORTER_SIDE OUTPUT_SIDE bilinear|bicubic
// Output: "WIDTH HEIGHT\n", then the RGB bytes. A refused image: the reason on stderr, exit code 1.
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "kernels/image/resize.h"
#include "tools/image/image.h"

namespace {

using namespace residua;

int print(std::int64_t width, std::int64_t height, const std::vector<std::uint8_t>& rgb) {
  std::printf("%lld %lld\n", static_cast<long long>(width), static_cast<long long>(height));
  const bool written = std::fwrite(rgb.data(), 1, rgb.size(), stdout) == rgb.size() && std::fflush(stdout) == 0;
  return written ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2 && count != 5) {
    std::fputs("usage: image_to_raw FILE [SHORTER_SIDE OUTPUT_SIDE bilinear|bicubic]\n", stderr);
    return 2;
  }
  try {
    const tool::Image image = tool::read_image(arguments[1]);
    if (count == 2) return print(image.width, image.height, image.rgb);
    const std::int64_t side = std::atoll(arguments[3]);
    const bool bicubic = std::string_view(arguments[4]) == "bicubic";
    const kernels::PreprocessPlan plan = kernels::make_preprocess_plan(
        {image.width, image.height}, std::atoll(arguments[2]),
        bicubic ? kernels::Interpolation::bicubic : kernels::Interpolation::bilinear, {side, side});
    std::vector<std::uint8_t> scratch(plan.scratch_bytes), output(static_cast<std::size_t>(side * side * 3));
    kernels::preprocess_rgb8(plan, image.rgb.data(), static_cast<std::size_t>(image.width) * 3, scratch.data(),
                             output.data());
    return print(side, side, output);
  } catch (const tool::ImageError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
