// The convolutions of networks, read from bench/shapes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <istream>
#include <string>
#include <vector>

struct ConvolutionShape {
  std::string name;
  std::int64_t channels, output_channels, height, width, kernel, stride, padding, groups;

  std::int64_t output_height() const { return (height + 2 * padding - kernel) / stride + 1; }
  std::int64_t output_width() const { return (width + 2 * padding - kernel) / stride + 1; }
  // Floating-point operations of the direct convolution: a multiply-add is two.
  double operations() const;
};

struct NamedShapes {
  std::string name;  // of the file, without .txt
  std::vector<ConvolutionShape> shapes;
};

// A line a convolution: name channels output_channels height width kernel stride padding groups. A # begins a comment.
// Throws std::runtime_error with `source`, the line and what is wrong with it.
std::vector<ConvolutionShape> parse_shapes(std::istream& text, const std::string& source);

// All *.txt of a folder, by name. Throws std::runtime_error also where there is none.
std::vector<NamedShapes> read_shapes(const std::filesystem::path& folder);
