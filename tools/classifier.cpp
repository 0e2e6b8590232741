#include "tools/classifier.h"

#include <algorithm>
#include <bit>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include "tools/command.h"
#include "tools/heat_map.h"
#include "tools/image/image.h"

namespace residua::tool {

Classifier::Classifier(const Model& model, const ClassifierOptions& options)
    : model_(model),
      options_(options),
      info_(model.info()),
      image_bytes_(static_cast<std::size_t>(info_.input_height) * static_cast<std::size_t>(info_.input_width) * 3),
      context_(model, {.threads = options.threads, .tune = options.tune, .direct = options.direct}) {
  if (options.heat_maps) class_map_ = model.tensor("class_map");
}

void Classifier::prepare(const ImageInput& image, std::span<std::uint8_t> pixels) const {
  if (!image.error.empty()) throw ImageError(image.error);
  const Image decoded = read_image(image.path);
  model_.preprocess(decoded.rgb, decoded.width, decoded.height, pixels);
}

void Classifier::run(std::size_t first, std::size_t count, std::span<Outcome* const> outcomes) {
  const auto classes = static_cast<std::size_t>(info_.classes),
             map_values = static_cast<std::size_t>(class_map_.values);
  values_.resize(std::max(values_.size(), count * classes));
  class_maps_.resize(std::max(class_maps_.size(), count * map_values));
  const auto values = std::span(values_).first(count * classes);
  const auto class_maps = std::span(class_maps_).first(count * map_values);
  const Input input{.data = pixels_.data() + first * image_bytes_, .batch = static_cast<std::int32_t>(count)};
  const Output outputs[] = {{.name = "probabilities", .values = values}, {.name = "class_map", .values = class_maps}};
  try {
    // The images have the model's own size, so a failure here is the model's.
    context_.run(input, std::span(outputs).first(options_.heat_maps ? 2 : 1));
  } catch (const Error& error) {
    throw ModelError(std::string("the model cannot be run: ") + error.what());
  }
  for (std::size_t i = 0; i < count; ++i) {
    Outcome& outcome = *outcomes[first + i];
    const auto row = values.subspan(i * classes, classes);
    for (const std::int32_t index : top_k(row, options_.top))
      outcome.guesses.push_back({index, row[static_cast<std::size_t>(index)]});
    if (options_.heat_maps) write_heat_map(class_maps.subspan(i * map_values, map_values), outcome);
  }
}

void Classifier::write_heat_map(std::span<const float> class_maps, Outcome& outcome) const {
  const auto height = static_cast<int>(class_map_.shape[2]), width = static_cast<int>(class_map_.shape[3]);
  const auto places = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  const auto of_class = static_cast<std::size_t>(options_.heat_map_class.value_or(outcome.guesses[0].index));
  const ClassMap map{class_maps.subspan(of_class * places, places), height, width};
  try {
    const NetworkView view{info_.resize, info_.input_width, info_.input_height};
    const std::string path = options_.heat_maps->path_for(outcome.path);
    HeatMapFiles::write(path, encode_png(draw_heat_map(read_image(outcome.path), view, map)));
    outcome.heat_map = path;
  } catch (const std::bad_alloc&) {
    outcome.error = "heat map: out of memory";
  } catch (const std::exception& failure) {
    outcome.error = std::string("heat map: ") + failure.what();
  }
}

std::vector<Outcome> Classifier::classify(std::vector<ImageInput> images) {
  std::vector<Outcome> outcomes(images.size());
  std::vector<Outcome*> good;
  pixels_.resize(std::max(pixels_.size(), images.size() * image_bytes_));
  for (std::size_t i = 0; i < images.size(); ++i) {
    Outcome& outcome = outcomes[i];
    try {
      prepare(images[i], std::span(pixels_).subspan(good.size() * image_bytes_, image_bytes_));
      good.push_back(&outcome);
    } catch (const std::bad_alloc&) {
      outcome.error = "out of memory";
    } catch (const std::exception& failure) {
      outcome.error = failure.what();
    }
    outcome.path = std::move(images[i].path);
  }
  // In few different sizes, each of which the network is planned for, and no single image at the end.
  for (std::size_t first = 0; first < good.size();) {
    const std::size_t left = good.size() - first;
    const std::size_t even = std::bit_floor(left);
    const std::size_t count = left == options_.batch || left == even + 1 ? left : even;
    run(first, count, good);
    first += count;
  }
  return outcomes;
}

}  // namespace residua::tool
