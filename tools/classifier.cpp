#include "tools/classifier.h"

#include <algorithm>
#include <bit>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include "tools/command.h"
#include "tools/image/image.h"

namespace residua::tool {

Classifier::Classifier(const Model& model, const ClassifierOptions& options)
    : model_(model),
      options_(options),
      info_(model.info()),
      image_bytes_(static_cast<std::size_t>(info_.input_height) * static_cast<std::size_t>(info_.input_width) * 3),
      context_(model, {.threads = options.threads, .tune = options.tune}) {}

void Classifier::prepare(const ImageInput& image, std::span<std::uint8_t> pixels) const {
  if (!image.error.empty()) throw ImageError(image.error);
  const Image decoded = read_image(image.path);
  model_.preprocess(decoded.rgb, decoded.width, decoded.height, pixels);
}

void Classifier::run(std::size_t first, std::size_t count, std::span<Outcome* const> outcomes) {
  const auto classes = static_cast<std::size_t>(info_.classes);
  values_.resize(std::max(values_.size(), count * classes));
  const auto values = std::span(values_).first(count * classes);
  const auto pixels = std::span<const std::uint8_t>(pixels_).subspan(first * image_bytes_, count * image_bytes_);
  try {
    // The images have the model's own size, so a failure here is the model's.
    context_.run(pixels, {.batch = static_cast<std::int32_t>(count)}, values);
  } catch (const Error& error) {
    throw ModelError(std::string("the model cannot be run: ") + error.what());
  }
  if (info_.outputs_are_probabilities == 0) softmax(values, classes);
  for (std::size_t i = 0; i < count; ++i) {
    const auto row = values.subspan(i * classes, classes);
    for (const std::int32_t index : top_k(row, options_.top)) {
      outcomes[first + i]->guesses.push_back({index, row[static_cast<std::size_t>(index)]});
    }
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
