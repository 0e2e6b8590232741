#include "tools/font.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

namespace residua::tool {
namespace {

Image white(int width, int height) {
  return {width, height,
          std::vector<std::uint8_t>(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3, 255)};
}

long ink_of(const Image& image) {
  long ink = 0;
  for (const std::uint8_t value : image.rgb) ink += 255 - value;
  return ink;
}

TEST_CASE("UTF-8 becomes code points, and what is none becomes U+FFFD") {
  CHECK(code_points("aé…😀") == std::vector<char32_t>{'a', 0xE9, 0x2026, 0x1F600});
  CHECK(code_points("\xC3") == std::vector<char32_t>{0xFFFD});
  CHECK(code_points("\xFFx\x80") == std::vector<char32_t>{0xFFFD, 'x', 0xFFFD});
  CHECK(code_points("\xE2\x80x") == std::vector<char32_t>{0xFFFD, 'x'});
  CHECK(code_points("").empty());
}

TEST_CASE("text is as wide as its letters, and cut where it does not fit") {
  const Font font(20);
  CHECK(font.width_of("") == 0);
  CHECK(font.width_of("iii") < font.width_of("WWW"));
  const int whole = font.width_of("tabby, tabby cat");
  CHECK(std::abs(Font(40).width_of("tabby, tabby cat") - 2 * whole) <= 2);
  CHECK(font.fitted("tabby, tabby cat", whole) == "tabby, tabby cat");
  const std::string cut = font.fitted("tabby, tabby cat", whole - 1);
  CHECK(cut.ends_with("…"));
  CHECK(cut.starts_with("tabby"));
  CHECK(font.width_of(cut) <= whole - 1);
  CHECK(font.fitted("tabby, tabby cat", font.width_of("tabby, …")) == "tabby…");
  for (int width = 0; width < 60; ++width) {
    const std::vector<char32_t> points = code_points(font.fitted("éééééé", width));
    CHECK(std::count(points.begin(), points.end(), char32_t{0xFFFD}) == 0);
  }
  CHECK(font.fitted("tabby", 0) == "…");
}

TEST_CASE("letters are drawn above their baseline, in their colour, and cut off at the edges") {
  const Font font(20);
  Image image = white(60, 40);
  font.draw(image, 10, 30, "H", {200, 100, 0});
  const std::uint8_t* middle = image.rgb.data();
  bool found = false;
  for (int y = 0; y < 40; ++y)
    for (int x = 0; x < 60; ++x, middle += 3) {
      if (middle[2] == 255) continue;
      CHECK(y >= 14);
      CHECK(y < 30);
      CHECK(x >= 10);
      CHECK(x < 10 + font.width_of("H"));
      found = found || (middle[0] == 200 && middle[1] == 100 && middle[2] == 0);
    }
  CHECK(found);
  for (const char* letters : {"é", "Ж", "Ω", "ß", "…", "\xFF"}) {
    Image other = white(60, 40);
    font.draw(other, 10, 30, letters, {0, 0, 0});
    CHECK(ink_of(other) > 1000);
  }
  Image edge = white(30, 10);
  font.draw(edge, -5, 14, "WWWWWWWW", {0, 0, 0});
  font.draw(edge, 25, 2, "WWWWWWWW", {0, 0, 0});
  font.draw(edge, 0, -50, "WWWWWWWW", {0, 0, 0});
  CHECK(ink_of(edge) > 1000);
}

}  // namespace
}  // namespace residua::tool
