#include "tools/font.h"

#include <ft2build.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include FT_FREETYPE_H

// The font file, between two labels of the program's read-only data.
asm(".section .rodata\n"
    ".balign 16\n"
    "residua_font_begin:\n"
    ".incbin \"" RESIDUA_FONT
    "\"\n"
    "residua_font_end:\n"
    ".previous\n");
extern "C" {
extern const unsigned char residua_font_begin[];
extern const unsigned char residua_font_end[];
}

namespace residua::tool {
namespace {

// As a number: to the compiler, begin and end are two arrays, whose pointers have no difference.
std::uintptr_t address_of(const unsigned char* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

constexpr char32_t unknown = 0xFFFD;

// How many bytes a code point has that starts with this one; 0: none does.
std::size_t length_by(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return 2;
  if (first >= 0xE0 && first < 0xF0) return 3;
  return first >= 0xF0 && first < 0xF5 ? 4 : 0;
}

}  // namespace

std::vector<char32_t> code_points(std::string_view text) {
  std::vector<char32_t> points;
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text[0]);
    const std::size_t length = length_by(first);
    char32_t point = length == 0 ? unknown : length == 1 ? first : first & (0x7Fu >> length);
    std::size_t used = 1;
    for (; used < length && used < text.size(); ++used) {
      const auto next = static_cast<unsigned char>(text[used]);
      if ((next & 0xC0) != 0x80) break;
      point = point << 6 | (next & 0x3Fu);
    }
    points.push_back(used < length ? unknown : point);
    text.remove_prefix(used);
  }
  return points;
}

struct Font::Face {
  FT_Library library = nullptr;
  FT_Face face = nullptr;

  Face() = default;
  Face(const Face&) = delete;
  Face& operator=(const Face&) = delete;
  ~Face() {
    if (face != nullptr) FT_Done_Face(face);
    if (library != nullptr) FT_Done_FreeType(library);
  }

  // The glyph of a code point, drawn in gray; its advance in 1/64 pixels.
  FT_GlyphSlot glyph(char32_t point, FT_Int32 flags) const {
    if (FT_Load_Char(face, point, static_cast<FT_Int32>(flags | FT_LOAD_NO_HINTING)) != 0) return nullptr;
    return face->glyph;
  }
};

Font::Font(int pixels) : face_(std::make_unique<Face>()) {
  const auto size = static_cast<FT_Long>(address_of(residua_font_end) - address_of(residua_font_begin));
  if (FT_Init_FreeType(&face_->library) != 0 ||
      FT_New_Memory_Face(face_->library, residua_font_begin, size, 0, &face_->face) != 0 ||
      FT_Set_Pixel_Sizes(face_->face, 0, static_cast<FT_UInt>(pixels)) != 0)
    throw std::runtime_error("FreeType cannot use the tool's font");
}

Font::~Font() = default;

int Font::width_of(std::string_view text) const {
  FT_Pos width = 0;
  for (const char32_t point : code_points(text))
    if (const FT_GlyphSlot glyph = face_->glyph(point, FT_LOAD_DEFAULT)) width += glyph->linearHoriAdvance >> 10;
  return static_cast<int>((width + 63) / 64);
}

std::string Font::fitted(std::string_view text, int width) const {
  if (width_of(text) <= width) return std::string(text);
  constexpr std::string_view dots = "…";
  while (!text.empty()) {
    // Back to the beginning of a code point.
    do {
      text.remove_suffix(1);
    } while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0x80) != 0 &&
             code_points(text).back() == unknown);
    while (text.ends_with(' ') || text.ends_with(',')) text.remove_suffix(1);
    std::string shorter = std::string(text) + std::string(dots);
    if (width_of(shorter) <= width) return shorter;
  }
  return std::string(dots);
}

void Font::draw(Image& image, int x, int y, std::string_view text, Color color) const {
  FT_Pos pen = FT_Pos{x} * 64;
  for (const char32_t point : code_points(text)) {
    const FT_GlyphSlot glyph = face_->glyph(point, FT_LOAD_RENDER);
    if (glyph == nullptr) continue;
    const FT_Bitmap& bitmap = glyph->bitmap;
    const int left = static_cast<int>((pen + 32) / 64) + glyph->bitmap_left, top = y - glyph->bitmap_top;
    for (int row = 0; row < static_cast<int>(bitmap.rows); ++row)
      for (int column = 0; column < static_cast<int>(bitmap.width); ++column) {
        const int to_x = left + column, to_y = top + row;
        if (to_x < 0 || to_y < 0 || to_x >= image.width || to_y >= image.height) continue;
        const int cover = bitmap.buffer[std::ptrdiff_t{row} * bitmap.pitch + column];
        std::uint8_t* pixel = image.rgb.data() + (std::ptrdiff_t{to_y} * image.width + to_x) * 3;
        const std::uint8_t ink[3] = {color.red, color.green, color.blue};
        for (int c = 0; c < 3; ++c)
          pixel[c] = static_cast<std::uint8_t>((ink[c] * cover + pixel[c] * (255 - cover) + 127) / 255);
      }
    pen += glyph->linearHoriAdvance >> 10;
  }
}

}  // namespace residua::tool
