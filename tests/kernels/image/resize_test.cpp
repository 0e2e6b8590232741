// Against digests of what Pillow and torchvision made of the same noise (tests/tools/image/make_image_cases.py).
#include "kernels/image/resize.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "tests/data.h"
#include "tests/kernels/image/fnv.h"

namespace residua::tests {

namespace {

using namespace residua::kernels;
using Pixels = std::vector<std::uint8_t>;

Pixels noise(ImageSize size) {
  Pixels pixels(static_cast<std::size_t>(size.width * size.height * 3));
  std::uint32_t state = 1;
  for (std::uint8_t& byte : pixels) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  return pixels;
}

// Exactly as large as promised, so that a sanitizer sees every byte beyond.
Pixels resized(const Pixels& source, ImageSize size, ImageSize to, ImageBox kept, Interpolation interpolation) {
  const ResizePlan plan = make_resize_plan(size, to, kept, interpolation);
  Pixels scratch(plan.scratch_bytes), output(static_cast<std::size_t>(kept.width * kept.height * 3));
  resize_rgb8(plan, source.data(), static_cast<std::size_t>(size.width) * 3, scratch.data(), output.data(),
              static_cast<std::size_t>(kept.width) * 3);
  return output;
}

Pixels cropped(const Pixels& image, ImageSize size, ImageBox box) {
  Pixels output;
  for (std::int64_t y = box.top; y < box.top + box.height; ++y) {
    const auto row = image.begin() + (y * size.width + box.left) * 3;
    output.insert(output.end(), row, row + box.width * 3);
  }
  return output;
}

Interpolation interpolation_of(const std::string& name) {
  REQUIRE((name == "bilinear" || name == "bicubic"));
  return name == "bilinear" ? Interpolation::bilinear : Interpolation::bicubic;
}

std::vector<std::string> golden_lines(const char* name) {
  std::ifstream file(source_root() / "tests" / "golden" / "image" / name);
  REQUIRE(file.is_open());
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with('#')) lines.push_back(line);
  }
  REQUIRE(lines.size() >= 20);
  return lines;
}

}  // namespace

TEST_CASE("resizing gives Pillow's bytes") {
  for (const std::string& line : golden_lines("resize.txt")) {
    CAPTURE(line);
    std::istringstream fields(line);
    ImageSize from, to;
    std::string filter;
    std::uint64_t digest = 0;
    REQUIRE(static_cast<bool>(fields >> from.width >> from.height >> to.width >> to.height >> filter >> std::hex >>
                              digest));
    CHECK(fnv1a(resized(noise(from), from, to, {0, 0, to.width, to.height}, interpolation_of(filter))) == digest);
  }
}

TEST_CASE("preprocessing gives the bytes of torchvision's Resize and CenterCrop") {
  for (const std::string& line : golden_lines("preprocess.txt")) {
    CAPTURE(line);
    std::istringstream fields(line);
    ImageSize from, to;
    std::int64_t shorter = 0;
    std::string filter;
    std::uint64_t digest = 0;
    REQUIRE(static_cast<bool>(fields >> from.width >> from.height >> shorter >> to.width >> to.height >> filter >>
                              std::hex >> digest));
    const PreprocessPlan plan = make_preprocess_plan(from, shorter, interpolation_of(filter), to);
    Pixels scratch(plan.scratch_bytes), output(static_cast<std::size_t>(to.width * to.height * 3), 0xAA);
    preprocess_rgb8(plan, noise(from).data(), static_cast<std::size_t>(from.width) * 3, scratch.data(), output.data());
    CHECK(fnv1a(output) == digest);
  }
}

TEST_CASE("a kept box has the bytes of the whole resized image") {
  std::mt19937 random(7);
  const auto draw = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  for (int round = 0; round < 300; ++round) {
    const ImageSize from{draw(1, 60), draw(1, 60)};
    const ImageSize to{draw(0, 3) == 0 ? from.width : draw(1, 60), draw(0, 3) == 0 ? from.height : draw(1, 60)};
    ImageBox kept;
    kept.width = draw(1, to.width);
    kept.height = draw(1, to.height);
    kept.left = draw(0, to.width - kept.width);
    kept.top = draw(0, to.height - kept.height);
    const auto interpolation = draw(0, 1) == 0 ? Interpolation::bilinear : Interpolation::bicubic;
    CAPTURE(round);
    const Pixels source = noise(from);
    const Pixels whole = resized(source, from, to, {0, 0, to.width, to.height}, interpolation);
    CHECK(resized(source, from, to, kept, interpolation) == cropped(whole, to, kept));
  }
}

TEST_CASE("strides wider than the rows leave the bytes between untouched") {
  const ImageSize from{21, 17}, to{13, 11};
  const Pixels dense = noise(from);
  const std::size_t source_stride = 21 * 3 + 5, stride = 13 * 3 + 7;
  Pixels source(source_stride * 17, 0x55);
  for (std::size_t y = 0; y < 17; ++y) std::copy_n(dense.data() + y * 63, 63, source.data() + y * source_stride);
  const ResizePlan plan = make_resize_plan(from, to, {0, 0, 13, 11}, Interpolation::bicubic);
  Pixels scratch(plan.scratch_bytes), output(stride * 11, 0xEE);
  resize_rgb8(plan, source.data(), source_stride, scratch.data(), output.data(), stride);
  const Pixels expected = resized(dense, from, to, {0, 0, 13, 11}, Interpolation::bicubic);
  for (std::size_t y = 0; y < 11; ++y) {
    CHECK(std::equal(expected.begin() + static_cast<std::ptrdiff_t>(y) * 39,
                     expected.begin() + static_cast<std::ptrdiff_t>(y + 1) * 39,
                     output.begin() + static_cast<std::ptrdiff_t>(y * stride)));
    for (std::size_t x = 39; x < stride; ++x) CHECK(output[y * stride + x] == 0xEE);
  }
}

TEST_CASE("a flat image stays flat however far it shrinks") {
  const ImageSize from{9001, 3};
  const Pixels source(static_cast<std::size_t>(from.width * from.height * 3), 255);
  for (const auto interpolation : {Interpolation::bilinear, Interpolation::bicubic}) {
    const Pixels output = resized(source, from, {2, 1}, {0, 0, 2, 1}, interpolation);
    // 18000 coefficients, each rounded, need not add up to exactly one.
    for (const std::uint8_t byte : output) CHECK(byte >= 254);
  }
}

TEST_CASE("the longer side is rounded down in double precision, as Python does it") {
  CHECK(resized_to_shorter_side({500, 375}, 256) == ImageSize{341, 256});
  CHECK(resized_to_shorter_side({375, 500}, 256) == ImageSize{256, 341});
  CHECK(resized_to_shorter_side({256, 300}, 256) == ImageSize{256, 300});
  CHECK(resized_to_shorter_side({1, 1}, 7) == ImageSize{7, 7});
  CHECK(resized_to_shorter_side({1, 100'000'000}, 256) == ImageSize{256, 25'600'000'000});
}

TEST_CASE("only the rows that the crop needs are planned for extreme proportions") {
  const PreprocessPlan plan = make_preprocess_plan({1, 100'000'000}, 256, Interpolation::bilinear, {224, 224});
  CHECK(plan.scratch_bytes < 100'000);
  CHECK(plan.resize.rows.source_end - plan.resize.rows.source_begin < 8);
}

}  // namespace residua::tests
