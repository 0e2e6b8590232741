// From image files to guesses, by one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "residua/residua.hpp"
#include "tools/heat_map_files.h"
#include "tools/image_paths.h"
#include "tools/outcome.h"

namespace residua::tool {

struct ClassifierOptions {
  int threads = 1;        // for the network; 0: the CPU budget
  std::size_t batch = 8;  // images that the network takes at once, where there are as many
  std::size_t top = 5;    // guesses an image
  bool tune = false;      // see ContextOptions, as direct
  bool direct = false;
  // Heat maps: where they go, and of which class; none: of the likeliest.
  const HeatMapFiles* heat_maps = nullptr;
  std::optional<std::int32_t> heat_map_class = std::nullopt;
};

// Decodes, resizes and classifies. Several share a model, each in a thread of its own.
class Classifier {
 public:
  Classifier(const Model& model, const ClassifierOptions& options);

  // The outcome of each image, in order. An image that cannot be read is one; throws ModelError where the model cannot
  // be run.
  std::vector<Outcome> classify(std::vector<ImageInput> images);

 private:
  // Reads and resizes into `pixels`; throws ImageError.
  void prepare(const ImageInput& image, std::span<std::uint8_t> pixels) const;
  // The guesses for `count` prepared images, from image `first` of pixels_ on.
  void run(std::size_t first, std::size_t count, std::span<Outcome* const> outcomes);
  // Of an image that has guesses; reads the photo once more, since it may be large and others are before it.
  void write_heat_map(std::span<const float> class_maps, Outcome& outcome) const;

  const Model& model_;
  const ClassifierOptions options_;
  const ModelInfo info_;
  const std::size_t image_bytes_;
  Context context_;
  std::vector<std::uint8_t> pixels_;  // of the images of a group that could be read
  std::vector<float> values_;
  TensorInfo class_map_{};  // of one image; only with heat maps
  std::vector<float> class_maps_;
};

}  // namespace residua::tool
