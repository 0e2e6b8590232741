// Text on pictures, in the font that the tool carries (tools/fonts).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/image/image.h"

namespace residua::tool {

struct Color {
  std::uint8_t red, green, blue;
};

// UTF-8 as code points; U+FFFD for bytes that are none.
std::vector<char32_t> code_points(std::string_view text);

// The font in one size. Letters run from left to right; those that the font lacks are boxes. For one thread.
class Font {
 public:
  // `pixels`: of the em. Throws std::runtime_error.
  explicit Font(int pixels);
  ~Font();
  Font(const Font&) = delete;
  Font& operator=(const Font&) = delete;

  int width_of(std::string_view text) const;
  // As much of its beginning as fits into `width`, with "…" where something is left out.
  std::string fitted(std::string_view text, int width) const;
  // From `x` on, with its baseline at `y`. What is outside the image is cut off.
  void draw(Image& image, int x, int y, std::string_view text, Color color) const;

 private:
  struct Face;
  std::unique_ptr<Face> face_;
};

}  // namespace residua::tool
