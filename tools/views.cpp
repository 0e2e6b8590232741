#include "tools/views.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <utility>

#include "tools/command.h"

namespace residua::tool {
namespace {

constexpr int largest_scale = 16384;
constexpr std::size_t center = 4;  // of the ten crops

std::string size_text(std::int32_t width, std::int32_t height) {
  return std::to_string(width) + " x " + std::to_string(height);
}

residua::Image mirrored(const residua::Image& image) { return ten_crops(image, image.height, image.width)[center + 5]; }

std::vector<residua::Image> crops_of(const residua::Image& image, const ModelInfo& info, Crops crops) {
  if (crops == Crops::whole) return {image};
  residua::Image of = image;
  if (crops == Crops::ten_square) {
    const std::int32_t side = std::min(image.width, image.height);
    of = ten_crops(image, side, side)[center];
  }
  if (of.width < info.input_width || of.height < info.input_height)
    throw ImageError("resized to " + size_text(of.width, of.height) + " pixels, it is too small for crops of " +
                     size_text(info.input_width, info.input_height));
  const auto ten = ten_crops(of, info.input_height, info.input_width);
  if (crops == Crops::center) return {ten[center]};
  return {ten.begin(), ten.end()};
}

int parse_scale(std::string_view word) {
  if (word == "full") return ViewOptions::full;
  int scale = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), scale);
  if (error == std::errc() && end == word.data() + word.size() && scale >= 1 && scale <= largest_scale) return scale;
  throw std::invalid_argument("'" + std::string(word) + "' is no size of a shorter side: 1 to " +
                              std::to_string(largest_scale) + ", or full, expected");
}

Pixels preprocessed(const Image& photo, const Model& model, const ModelInfo& info) {
  return {model.preprocess(photo.rgb, photo.width, photo.height), info.input_height, info.input_width};
}

// All of the photo, in `pixels` where its size changes.
residua::Image resized(const Image& photo, const Model& model, int scale, std::vector<Pixels>& pixels) {
  residua::ImageSize size{.height = photo.height, .width = photo.width};
  if (scale != ViewOptions::full) size = model.resized_size(photo.width, photo.height, scale);
  check_limit("resized_pixels", static_cast<std::uint64_t>(size.width) * static_cast<std::uint64_t>(size.height),
              "resized to " + size_text(size.width, size.height) + " pixels, in all");
  if (scale == ViewOptions::full) return {.data = photo.rgb.data(), .height = photo.height, .width = photo.width};
  return pixels.emplace_back(model.resize(photo.rgb, photo.width, photo.height, scale)).image();
}

}  // namespace

std::size_t ViewOptions::views_an_image() const {
  const std::size_t crops_of_each = crops == Crops::ten || crops == Crops::ten_square ? RESIDUA_TEN_CROPS : 1;
  return scales.size() * crops_of_each * (flip ? 2 : 1);
}

bool ViewOptions::at_full_size() const { return std::find(scales.begin(), scales.end(), full) != scales.end(); }

std::vector<int> parse_scales(const std::string& text) {
  std::vector<int> scales;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view word = std::string_view(text).substr(begin, end - begin);
    const int scale = parse_scale(word);
    if (std::find(scales.begin(), scales.end(), scale) != scales.end())
      throw std::invalid_argument("'" + std::string(word) + "' stands twice");
    scales.push_back(scale);
    begin = end + 1;
  }
  return scales;
}

void check_views(const ViewOptions& options, const Model& model, const std::string& name) {
  const ModelInfo info = model.info();
  if (!options.in_any_size()) {
    for (const int scale : options.scales)
      if (scale > 0 && scale < std::min(info.input_width, info.input_height))
        throw UsageError("--scales: a shorter side of " + std::to_string(scale) + " is too small for the crops of " +
                         size_text(info.input_width, info.input_height) + " that " + name + " takes");
    return;
  }
  // Another size with other proportions, of whole multiples of what networks divide images by.
  const auto tensor = model.try_tensor("", info.input_height + 64, info.input_width + 128);
  if (tensor && tensor->values == info.classes) return;
  throw ModelError(name + ": whole images of any size cannot be classified: " +
                   (tensor ? "for a larger image the network gives " + std::to_string(tensor->values) +
                                 " values in place of " + std::to_string(info.classes)
                           : std::string(tensor.error().what())));
}

Views views_of(const Image& photo, const Model& model, const ModelInfo& info, const ViewOptions& options) {
  Views views;
  views.pixels.reserve(options.scales.size());
  for (const int scale : options.scales) {
    std::vector<residua::Image> crops;
    int shorter_side = info.resize;
    if (scale == 0 && options.crops == Crops::center) {
      // As the model does it: what is cut off is never computed, and what is missing is black.
      crops = {views.pixels.emplace_back(preprocessed(photo, model, info)).image()};
    } else {
      const residua::Image image = resized(photo, model, scale, views.pixels);
      crops = crops_of(image, info, options.crops);
      shorter_side = std::min(image.width, image.height);
    }
    for (const residua::Image& crop : crops) {
      views.list.push_back({crop, shorter_side});
      if (options.flip) views.list.push_back({mirrored(crop), shorter_side});
    }
  }
  return views;
}

}  // namespace residua::tool
