// Against digests of Pillow's pixels (make_image_cases.py), and with files cut short and damaged.
#include <doctest/doctest.h>

#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "tests/data.h"
#include "tests/kernels/image/fnv.h"
#include "tools/image/image.h"
#include "tools/image/orientation.h"

namespace residua::tests {

namespace {

using namespace residua::tool;

struct Case {
  std::string file;
  int width = 0, height = 0;
  std::string digest;
};

std::filesystem::path golden() { return source_root() / "tests" / "golden" / "image"; }

std::vector<Case> cases() {
  std::ifstream lines(golden() / "files.txt");
  REQUIRE(lines.is_open());
  std::vector<Case> all;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream fields(line);
    Case one;
    REQUIRE(static_cast<bool>(fields >> one.file >> one.width >> one.height >> one.digest));
    all.push_back(one);
  }
  REQUIRE(all.size() >= 50);
  return all;
}

std::vector<std::byte> bytes_of(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  REQUIRE(stream.is_open());
  const std::vector<char> characters{std::istreambuf_iterator<char>(stream), {}};
  const auto bytes = std::as_bytes(std::span(characters));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> bytes_of_text(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string refusal(std::span<const std::byte> file) {
  try {
    decode_image(file);
  } catch (const ImageError& error) {
    return error.what();
  }
  return "";
}

std::string hexadecimal(std::uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("every kind of file gives Pillow's pixels") {
  for (const Case& one : cases()) {
    CAPTURE(one.file);
    if (one.digest == "refused") {
      CHECK(!refusal(bytes_of(golden() / "files" / one.file)).empty());
      continue;
    }
    const Image image = read_image(golden() / "files" / one.file);
    CHECK(image.width == one.width);
    CHECK(image.height == one.height);
    CHECK(hexadecimal(fnv1a(image.rgb)) == one.digest);
  }
}

TEST_CASE("a file cut short anywhere is refused, and says so where pixels are missing") {
  for (const Case& one : cases()) {
    const std::vector<std::byte> whole = bytes_of(golden() / "files" / one.file);
    if (one.digest == "refused" || one.file == "no_end_marker.jpg") continue;
    const bool jpeg = one.file.ends_with(".jpg");
    // Without its last two bytes, or a part of them, a JPEG file lacks its end marker only.
    const std::size_t end = whole.size() - (jpeg ? 2 : 0);
    for (std::size_t size = 0; size < end; size += size < 64 || whole.size() < 700 ? 1 : 7) {
      CAPTURE(one.file);
      CAPTURE(size);
      const std::string message = refusal(std::span(whole).first(size));
      // The last bytes of a JPEG scan may be padding only.
      if (!(jpeg && size + 10 > end)) CHECK(!message.empty());
      if (size == whole.size() / 2) CHECK_MESSAGE(contains(message, "premature end"), message);
    }
    const std::string message = refusal(std::span(whole).first(whole.size() * 9 / 10));
    CAPTURE(one.file);
    if (whole.size() > 200) CHECK_MESSAGE(contains(message, "premature end"), message);
  }
}

TEST_CASE("damaged files decode or are refused, and nothing else happens") {
  std::mt19937 random(11);
  const auto draw = [&](std::size_t end) { return std::uniform_int_distribution<std::size_t>(0, end - 1)(random); };
  for (const Case& one : cases()) {
    const std::vector<std::byte> whole = bytes_of(golden() / "files" / one.file);
    for (int round = 0; round < 60; ++round) {
      std::vector<std::byte> damaged = whole;
      for (std::size_t i = 0; i <= draw(4); ++i) damaged[draw(damaged.size())] = static_cast<std::byte>(draw(256));
      refusal(damaged);
    }
  }
}

TEST_CASE("other formats are refused by name") {
  using namespace std::string_view_literals;
  const auto message = [](std::string_view text) { return refusal(bytes_of_text(text)); };
  CHECK(message("") == "the file is empty");
  CHECK(contains(message("BM and so on"), "BMP"));
  CHECK(contains(message("GIF89a"), "GIF"));
  CHECK(contains(message("P6\n1 1\n255\nabc"), "PNM"));
  CHECK(contains(message("II*\0abcd"sv), "TIFF"));
  CHECK(contains(message("\0\0\0\x20"
                         "ftypavif"sv),
                 "AVIF"));
  CHECK(contains(message("\0\0\0\x20"
                         "ftypheic"sv),
                 "HEIF"));
  const std::string unknown = message("hello");
  CHECK(contains(unknown, "68 65 6c 6c 6f"));
  CHECK(contains(unknown, "JPEG, PNG and WebP"));
}

TEST_CASE("files that can't be read are refused with the reason") {
  CHECK_THROWS_WITH_AS(read_image(golden() / "missing.png"), "no such file", ImageError);
  CHECK_THROWS_WITH_AS(read_image(golden()), "this is a folder; expected an image file", ImageError);
}

TEST_CASE("sizes beyond the limit are refused before any memory is taken") {
  CHECK(contains(refusal(bytes_of(golden() / "files" / "bad_size.png")), "more than the limit image_pixels=178956970"));
  CHECK(contains(refusal(bytes_of(golden() / "files" / "bad_few_bytes.png")), "premature end"));
  std::vector<std::byte> large = bytes_of(golden() / "files" / "baseline444.jpg");
  for (std::size_t i = 0; i + 8 < large.size(); ++i) {
    if (large[i] == std::byte{0xFF} && large[i + 1] == std::byte{0xC0}) {
      for (std::size_t j = 5; j < 9; ++j) large[i + j] = std::byte{0xF0};
      break;
    }
  }
  CHECK(contains(refusal(large), "more than the limit image_pixels=178956970"));
}

TEST_CASE("EXIF blocks that are damaged leave the image as it is") {
  using namespace std::string_view_literals;
  const auto orientation = [](std::string_view text) { return exif_orientation(std::as_bytes(std::span(text))); };
  CHECK(orientation("Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"sv) == 6);
  CHECK(orientation("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0"sv) == 3);
  CHECK(orientation("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0"sv) == 1);    // no such orientation
  CHECK(orientation("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x02\0\0\0\x03\0\0\0"sv) == 1);    // two values
  CHECK(orientation("II*\0\x08\0\0\0\xff\xff\x12\x02\x03\0\x01\0\0\0\x03\0\0\0"sv) == 1);  // more entries than bytes
  CHECK(orientation("II*\0\xff\xff\xff\xff\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0"sv) == 1);  // directory outside
  CHECK(orientation("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0"sv) == 1);                    // cut short
  CHECK(orientation("Exif\0\0"sv) == 1);
  CHECK(orientation(""sv) == 1);
}

TEST_CASE("images larger than one stripe turn upright") {
  Image image;
  image.width = 150;
  image.height = 70;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      for (const int value : {x, y, 7}) image.rgb.push_back(static_cast<std::uint8_t>(value));
    }
  }
  const Image turned = turned_upright(image, 6);  // to the right: the first row becomes the last column
  REQUIRE(turned.width == 70);
  REQUIRE(turned.height == 150);
  bool equal = true;
  for (int y = 0; y < turned.height; ++y) {
    for (int x = 0; x < turned.width; ++x) {
      const std::uint8_t* pixel = turned.rgb.data() + 3 * (y * turned.width + x);
      equal = equal && pixel[0] == y && pixel[1] == 69 - x && pixel[2] == 7;
    }
  }
  CHECK(equal);
}

}  // namespace residua::tests
