#include "tools/heat_map.h"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "tools/command.h"
#include "tools/heat_map_files.h"

namespace residua::tool {
namespace {

Image gray_photo(int width, int height) {
  return {width, height,
          std::vector<std::uint8_t>(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3, 128)};
}

struct Pixel {
  int red, green, blue;
  int lightness() const { return 299 * red + 587 * green + 114 * blue; }
  bool is_gray() const { return red == green && green == blue; }
};

Pixel pixel_at(const Image& image, int x, int y) {
  const std::uint8_t* rgb =
      image.rgb.data() +
      (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(x)) * 3;
  return {rgb[0], rgb[1], rgb[2]};
}

// A photo of 400 x 200, made 256 high, of which the middle 224 x 224 is seen: columns 112.5 to 287.5, rows 12.5 to
// 187.5.
constexpr NetworkView view{256, 224, 224};

TEST_CASE("heat map: yellow and light where the evidence is, blue and dark where none is, gray where nobody looked") {
  std::vector<float> scores(7 * 7, -1.0f);
  scores[1 * 7 + 5] = 10;  // second row, sixth column: its middle is 5.5 / 7 across what was seen, 1.5 / 7 down
  const Image picture = draw_heat_map(gray_photo(400, 200), view, {scores, 7, 7});
  CHECK(picture.width == 400);
  CHECK(picture.height == 200);
  const Pixel hot = pixel_at(picture, 250, 50), cold = pixel_at(picture, 150, 150);
  CHECK(hot.red > hot.blue);
  CHECK(cold.blue > cold.red);
  CHECK(hot.lightness() > cold.lightness());
  for (const auto& [x, y] : {std::pair(50, 100), std::pair(350, 100), std::pair(200, 5), std::pair(200, 195)}) {
    CHECK(pixel_at(picture, x, y).is_gray());
    CHECK(pixel_at(picture, x, y).lightness() < cold.lightness());
  }
  // Nowhere lighter than at the place itself (its middle lies between pixels: a grade of lightness), but for the line
  // around it.
  for (int y = 13; y < 187; ++y)
    for (int x = 113; x < 287; ++x)
      if (const Pixel pixel = pixel_at(picture, x, y); !pixel.is_gray())
        CHECK(pixel.lightness() <= hot.lightness() + 1000);
}

TEST_CASE("heat map: no evidence, NaN and infinity are drawn as well") {
  for (const float value :
       {0.0f, -3.0f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const std::vector<float> scores(7 * 7, value);
    const Image picture = draw_heat_map(gray_photo(60, 90), view, {scores, 7, 7});
    CHECK(picture.rgb.size() == std::size_t{60 * 90 * 3});
  }
}

TEST_CASE("heat map: a photo of one pixel, a map of one place, a view larger than the photo") {
  const std::vector<float> score = {2};
  CHECK(draw_heat_map(gray_photo(1, 1), view, {score, 1, 1}).rgb.size() == 3);
  CHECK(draw_heat_map(gray_photo(1, 300), {224, 256, 256}, {score, 1, 1}).rgb.size() == std::size_t{300 * 3});
  // Black was put around: everything of the photo was seen.
  const Image picture = draw_heat_map(gray_photo(40, 40), {32, 64, 64}, {score, 1, 1});
  CHECK_FALSE(pixel_at(picture, 0, 0).is_gray());
}

TEST_CASE("heat maps go where their images stand, inside the folder") {
  const HeatMapFiles files("maps", {"photos", "x.jpg"});
  CHECK(files.path_for("photos/cat.jpg") == "maps/photos/cat.jpg.png");
  CHECK(files.path_for("./photos//cat.jpg") == "maps/photos/cat.jpg.png");
  CHECK(files.path_for("/data/dog.jpg") == "maps/data/dog.jpg.png");
  CHECK(files.path_for("../../dog.jpg") == "maps/__/__/dog.jpg.png");
  CHECK(HeatMapFiles("one.PNG", {"x.jpg"}).path_for("x.jpg") == "one.PNG");
  CHECK_THROWS_AS(HeatMapFiles("one.png", {"x.jpg", "y.jpg"}), UsageError);
  CHECK_THROWS_AS(HeatMapFiles("one.png", {"-"}), UsageError);
  CHECK_THROWS_AS(HeatMapFiles("one.png", {"/"}), UsageError);
}

}  // namespace
}  // namespace residua::tool
