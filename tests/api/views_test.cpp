// Resizing, crops and the feature pyramid through the public interface.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <residua/residua.hpp>
#include <string>
#include <vector>

#include "check_refused.h"
#include "golden.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

const residua::Model& model() {
  static const auto loaded = residua::Model::load(golden_path("models/resnet20-cifar10.safetensors"));
  return loaded;
}

// Every pixel another one: red counts columns, green rows.
Bytes coordinates(int height, int width) {
  Bytes pixels;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (const int value : {x, y, 7}) pixels.push_back(static_cast<std::uint8_t>(value));
  return pixels;
}

struct Place {
  int x, y;
};

Place pixel_at(const residua::Image& view, int y, int x) {
  const auto* const pixel = static_cast<const std::uint8_t*>(view.data) + y * view.row_stride + x * view.pixel_stride;
  CHECK(pixel[2 * view.channel_stride] == 7);
  return {pixel[0], pixel[view.channel_stride]};
}

TEST_CASE("ten crops: the corners and the centre, of the image and of its mirror image") {
  const Bytes pixels = coordinates(43, 51);
  const residua::Image image{.data = pixels.data(), .height = 43, .width = 51};
  const auto crops = residua::ten_crops(image, 32, 30);
  // The centre begins at half of what is left over: 21 / 2 = 10.5 and 11 / 2 = 5.5, rounded to even numbers.
  const Place begins[] = {{0, 0}, {21, 0}, {0, 11}, {21, 11}, {10, 6}};
  for (std::size_t i = 0; i < crops.size(); ++i) {
    CAPTURE(i);
    const residua::Image& crop = crops[i];
    CHECK(crop.height == 32);
    CHECK(crop.width == 30);
    const Place begin = begins[i % 5];
    const Place first = pixel_at(crop, 0, 0), last = pixel_at(crop, 31, 29);
    CHECK(first.y == begin.y);
    CHECK(last.y == begin.y + 31);
    CHECK(first.x == (i < 5 ? begin.x : 50 - begin.x));
    CHECK(last.x == (i < 5 ? begin.x + 29 : 50 - begin.x - 29));
  }
  // A crop as large as the image is the image.
  CHECK(residua::ten_crops(image, 43, 51)[3].data == pixels.data());
  check_refused(residua::try_ten_crops(image, 44, 30), "height", RESIDUA_INVALID_ARGUMENT);
  check_refused(residua::try_ten_crops(image, 32, 0), "width", RESIDUA_INVALID_ARGUMENT);
  check_refused(residua::try_ten_crops({.data = nullptr, .height = 43, .width = 51}, 3, 3), "NULL",
                RESIDUA_INVALID_ARGUMENT);
  check_refused(residua::try_ten_crops(image, 3, 3, static_cast<residua::InputFormat>(9)), "format",
                RESIDUA_INVALID_ARGUMENT);
}

TEST_CASE("a run of ten crops is a run of their copies") {
  const Bytes pixels = coordinates(40, 50);
  const auto crops = residua::ten_crops({.data = pixels.data(), .height = 40, .width = 50}, 32, 32);
  Bytes copies;
  for (const residua::Image& crop : crops)
    for (int y = 0; y < 32; ++y)
      for (int x = 0; x < 32; ++x) {
        const Place place = pixel_at(crop, y, x);
        copies.insert(copies.end(), {static_cast<std::uint8_t>(place.x), static_cast<std::uint8_t>(place.y), 7});
      }
  residua::Input views;
  views.images.assign(crops.begin(), crops.end());
  CHECK(model().run(views) == model().run({.data = copies.data(), .batch = 10}));
  // Of planes, too: the same values one channel after the other.
  std::vector<float> planes;
  for (const std::size_t channel : {0U, 1U, 2U})
    for (std::size_t i = channel; i < pixels.size(); i += 3) planes.push_back(static_cast<float>(pixels[i]));
  const auto of_planes =
      residua::ten_crops({.data = planes.data(), .height = 40, .width = 50}, 32, 32, RESIDUA_FLOAT32_NCHW);
  for (std::size_t i = 0; i < crops.size(); ++i) {
    const auto* const corner = static_cast<const float*>(of_planes[i].data);
    CHECK(static_cast<int>(*corner) == pixel_at(crops[i], 0, 0).x);
    CHECK(of_planes[i].channel_stride == 40 * 50 * 4);
  }
}

TEST_CASE("resizing without cropping") {
  const Bytes pixels = coordinates(64, 97);
  const residua::Pixels resized = model().resize(pixels, 97, 64);
  CHECK(resized.height == 32);
  CHECK(resized.width == 48);  // 48.5, rounded down
  CHECK(resized.rgb.size() == 32 * 48 * 3);
  // What preprocessing leaves is its centre.
  const residua::Image center = residua::ten_crops(resized.image(), 32, 32)[4];
  const Bytes expected = model().preprocess(pixels, 97, 64);
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 32; ++x)
      CHECK(pixel_at(center, y, x).x == static_cast<int>(expected[static_cast<std::size_t>(y * 32 + x) * 3]));
  CHECK(model().resize(pixels, 97, 64, 64).rgb == pixels);
  CHECK(model().resized_size(97, 64, 10).width == 15);
  check_refused(model().try_resize(pixels, 98, 64), "98", RESIDUA_INVALID_ARGUMENT);
  check_refused(model().try_resize(pixels, 97, 64, -1), "shorter_side", RESIDUA_INVALID_ARGUMENT);
  check_refused(model().try_resized_size(1, 100'000, 32), "32768", RESIDUA_LIMIT);
}

TEST_CASE("the pyramid: the last map of each size that all paths lead through") {
  const residua::Input input{.format = RESIDUA_FLOAT32_NCHW, .height = 64, .width = 96};
  for (const std::string name : {"resnet18", "resnet50"}) {
    CAPTURE(name);
    const auto network = residua::Model::random(name, 1);
    const int blocks[] = {name == "resnet18" ? 2 : 3, name == "resnet18" ? 2 : 4, name == "resnet18" ? 2 : 6,
                          name == "resnet18" ? 2 : 3};
    const std::vector<float> image(3 * 64 * 96, 0.5F);
    residua::Input images = input;
    images.data = image.data();
    for (int level = 2; level <= 5; ++level) {
      const residua::TensorInfo map = network.tensor("C" + std::to_string(level), 64, 96);
      REQUIRE(map.rank == 4);
      CHECK(map.shape[1] == (name == "resnet18" ? 16 : 64) << level);
      CHECK(map.shape[2] == 64 >> level);
      CHECK(map.shape[3] == 96 >> level);
      const std::string stage =
          "layer" + std::to_string(level - 1) + "." + std::to_string(blocks[level - 2] - 1) + ".relu";
      CHECK(network.run(images, "C" + std::to_string(level)) == network.run(images, stage));
    }
    check_refused(network.try_tensor("C6"), "C6", RESIDUA_MISMATCH);
  }
  // A CIFAR network ends at a quarter of the image's sides.
  CHECK(model().tensor("C2").shape[2] == 8);
  CHECK_FALSE(model().try_tensor("C3"));
  const Bytes pixels = coordinates(32, 32);
  const auto map = model().run({.data = pixels.data()}, "C2"), pooled = model().run({.data = pixels.data()}, "pooled");
  for (std::size_t channel = 0; channel < pooled.size(); ++channel) {
    double sum = 0;
    for (std::size_t place = 0; place < 64; ++place) sum += static_cast<double>(map[channel * 64 + place]);
    CHECK(std::abs(sum / 64 - static_cast<double>(pooled[channel])) < 1e-4);
  }
}

}  // namespace
