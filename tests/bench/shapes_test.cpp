#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <string>

#include "bench/kernel_bench_shapes.h"

namespace {

std::string complaint(const std::string& text) {
  std::istringstream stream(text);
  try {
    parse_shapes(stream, "list");
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("shapes are read past comments and empty lines") {
  std::istringstream text("# a comment\n\n  stem 3 64 224 200 7 2 3 1  # and one behind\r\nb 32 64 7 7 3 1 1 32");
  const auto shapes = parse_shapes(text, "list");
  REQUIRE(shapes.size() == 2);
  CHECK(shapes[0].name == "stem");
  CHECK(shapes[0].channels == 3);
  CHECK(shapes[0].output_channels == 64);
  CHECK(shapes[0].output_height() == 112);
  CHECK(shapes[0].output_width() == 100);
  CHECK(shapes[0].operations() == 2.0 * 112 * 100 * 64 * 3 * 49);
  CHECK(shapes[1].groups == 32);
  CHECK(shapes[1].operations() == 2.0 * 7 * 7 * 64 * 9);
}

TEST_CASE("a wrong line is named with what is wrong") {
  CHECK(contains(complaint("a 1 1 1 1 1 1 0\n"), "list:1: 8 fields"));
  CHECK(contains(complaint("\na 1 1 1 1 1 1 0 1 1\n"), "list:2: 10 fields"));
  CHECK(contains(complaint("a x 1 1 1 1 1 0 1\n"), "channels is 'x'"));
  CHECK(contains(complaint("a 1 1 1 7.5 1 1 0 1\n"), "width is '7.5'"));
  CHECK(contains(complaint("a 1 1 1 1 1 0 0 1\n"), "stride is '0'"));
  CHECK(contains(complaint("a 1 1 1 1 1 1 -1 1\n"), "padding is '-1'"));
  CHECK(contains(complaint("a 99999999999999999999 1 1 1 1 1 0 1\n"), "from 1 to 65536"));
  CHECK(contains(complaint("a 1 1 4 4 3 1 3 1\n"), "padding is not smaller"));
  CHECK(contains(complaint("a 1 1 4 2 3 1 0 1\n"), "larger than the padded image"));
  CHECK(contains(complaint("a 6 4 1 1 1 1 0 4\n"), "groups do not divide"));
  CHECK(contains(complaint("a 1 1 1 1 1 1 0 1\na 2 1 1 1 1 1 0 1\n"), "list:2: a second shape"));
  CHECK(contains(complaint("# nothing\n"), "no shapes"));
  CHECK_THROWS_AS(read_shapes("/nonexistent"), std::runtime_error);
}

TEST_CASE("the lists of this tree are right") {
  const char* root = std::getenv("RESIDUA_SOURCE_ROOT");
  REQUIRE(root != nullptr);
  const auto networks = read_shapes(std::filesystem::path(root) / "bench" / "shapes");
  CHECK(networks.size() >= 5);
  // What comes out of a convolution of a square image is square, and a ResNet's last stage is 7 x 7.
  for (const NamedShapes& network : networks) {
    CAPTURE(network.name);
    if (network.name == "first_layers") {
      for (const ConvolutionShape& shape : network.shapes) CHECK(shape.channels == 3);
      continue;
    }
    CHECK(network.shapes.front().kernel == 7);
    CHECK(network.shapes.back().output_height() == 7);
  }
}
