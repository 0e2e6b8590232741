#include "bench/kernel_bench_shapes.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace {

[[noreturn]] void fail(const std::string& where, const std::string& what) {
  throw std::runtime_error(where + ": " + what);
}

struct Field {
  const char* name;
  std::int64_t ConvolutionShape::*member;
  std::int64_t least, most;
};
// The most keeps every product of a convolution far from overflowing.
constexpr Field fields[] = {
    {"channels", &ConvolutionShape::channels, 1, 65536},
    {"output_channels", &ConvolutionShape::output_channels, 1, 65536},
    {"height", &ConvolutionShape::height, 1, 4096},
    {"width", &ConvolutionShape::width, 1, 4096},
    {"kernel", &ConvolutionShape::kernel, 1, 64},
    {"stride", &ConvolutionShape::stride, 1, 64},
    {"padding", &ConvolutionShape::padding, 0, 63},
    {"groups", &ConvolutionShape::groups, 1, 65536},
};

std::int64_t parse_number(const std::string& text, const Field& field, const std::string& where) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < field.least || value > field.most)
    fail(where, std::string(field.name) + " is '" + text + "', not a number from " + std::to_string(field.least) +
                    " to " + std::to_string(field.most));
  return value;
}

ConvolutionShape parse_shape(const std::vector<std::string>& words, const std::string& where) {
  if (words.size() != 1 + std::size(fields))
    fail(where, std::to_string(words.size()) +
                    " fields, not the 9 of 'name channels output_channels height width kernel stride padding groups'");
  ConvolutionShape shape{};
  shape.name = words[0];
  for (std::size_t i = 0; i < std::size(fields); ++i)
    shape.*fields[i].member = parse_number(words[i + 1], fields[i], where);
  if (shape.padding >= shape.kernel) fail(where, "the padding is not smaller than the kernel");
  if (shape.kernel > std::min(shape.height, shape.width) + 2 * shape.padding)
    fail(where, "the kernel is larger than the padded image");
  if (shape.channels % shape.groups != 0 || shape.output_channels % shape.groups != 0)
    fail(where, "the groups do not divide the channels");
  return shape;
}

}  // namespace

double ConvolutionShape::operations() const {
  const std::int64_t outputs = output_height() * output_width() * output_channels;
  return 2.0 * static_cast<double>(outputs) * static_cast<double>(channels / groups * kernel * kernel);
}

std::vector<ConvolutionShape> parse_shapes(std::istream& text, const std::string& source) {
  std::vector<ConvolutionShape> shapes;
  std::string line;
  for (int number = 1; std::getline(text, line); ++number) {
    std::istringstream stream(line.substr(0, line.find('#')));
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    if (words.empty()) continue;
    const std::string where = source + ":" + std::to_string(number);
    const ConvolutionShape shape = parse_shape(words, where);
    const auto same_name = [&](const ConvolutionShape& other) { return other.name == shape.name; };
    if (std::any_of(shapes.begin(), shapes.end(), same_name)) fail(where, "a second shape named '" + shape.name + "'");
    shapes.push_back(shape);
  }
  if (text.bad()) fail(source, "cannot be read");
  if (shapes.empty()) fail(source, "no shapes");
  return shapes;
}

std::vector<NamedShapes> read_shapes(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::directory_iterator entries(folder, error);
  if (error) fail(folder.string(), "cannot be read: " + error.message());
  std::vector<std::filesystem::path> files;
  for (const auto& entry : entries)
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  if (files.empty()) fail(folder.string(), "no *.txt with shapes");
  std::sort(files.begin(), files.end());
  std::vector<NamedShapes> all;
  for (const auto& file : files) {
    std::ifstream stream(file);
    if (!stream) fail(file.string(), "cannot be opened");
    all.push_back({file.stem().string(), parse_shapes(stream, file.string())});
  }
  return all;
}
