// The photos and odd files of the evaluation data, where it is there.
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/image/resize.h"
#include "tests/data.h"
#include "tests/kernels/image/fnv.h"
#include "tools/image/image.h"

namespace residua::tests {

namespace {

using namespace residua::tool;

std::vector<std::string> golden_lines(const char* name) {
  std::ifstream file(source_root() / "tests" / "golden" / "image" / name);
  REQUIRE(file.is_open());
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with('#')) lines.push_back(line);
  }
  return lines;
}

}  // namespace

TEST_CASE("preprocessed photos have the bytes of torchvision's Resize(256) and CenterCrop(224)") {
  const auto data = evaluation_data();
  if (data.empty()) {
    MESSAGE("no evaluation data: skipped");
    return;
  }
  const auto lines = golden_lines("photos.txt");
  CHECK(lines.size() == 50);
  for (const std::string& line : lines) {
    CAPTURE(line);
    std::istringstream fields(line);
    std::string file;
    std::uint64_t digest = 0;
    REQUIRE(static_cast<bool>(fields >> file >> std::hex >> digest));
    const Image image = read_image(data / file);
    const auto plan =
        kernels::make_preprocess_plan({image.width, image.height}, 256, kernels::Interpolation::bilinear, {224, 224});
    std::vector<std::uint8_t> scratch(plan.scratch_bytes), output(224 * 224 * 3);
    kernels::preprocess_rgb8(plan, image.rgb.data(), static_cast<std::size_t>(image.width) * 3, scratch.data(),
                             output.data());
    CHECK(fnv1a(output) == digest);
  }
}

TEST_CASE("sound photos and odd files give Pillow's pixels") {
  const auto data = evaluation_data();
  if (data.empty()) {
    MESSAGE("no evaluation data: skipped");
    return;
  }
  const auto lines = golden_lines("odd.txt");
  CHECK(lines.size() >= 150);
  for (const std::string& line : lines) {
    CAPTURE(line);
    std::istringstream fields(line);
    std::string file;
    int width = 0, height = 0;
    std::uint64_t digest = 0;
    REQUIRE(static_cast<bool>(fields >> file >> width >> height >> std::hex >> digest));
    try {
      const Image image = read_image(data / file);
      CHECK(image.width == width);
      CHECK(image.height == height);
      CHECK(fnv1a(image.rgb) == digest);
    } catch (const ImageError& error) {
      FAIL_CHECK(std::string(error.what()));
    }
  }
}

TEST_CASE("every odd file decodes or is refused with a reason") {
  const auto data = evaluation_data();
  if (data.empty()) {
    MESSAGE("no evaluation data: skipped");
    return;
  }
  int decoded = 0, refused = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data / "odd")) {
    if (!entry.is_regular_file()) continue;
    CAPTURE(entry.path().string());
    try {
      const Image image = read_image(entry.path());
      CHECK(image.rgb.size() == static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3);
      ++decoded;
    } catch (const ImageError& error) {
      CHECK(std::string(error.what()).size() > 10);
      ++refused;
    }
  }
  CHECK(decoded >= 170);
  CHECK(refused >= 60);
}

}  // namespace residua::tests
