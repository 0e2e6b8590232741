// From image files to guesses, by one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "residua/residua.hpp"
#include "tools/ensemble_member.h"
#include "tools/heat_map_files.h"
#include "tools/image_paths.h"
#include "tools/outcome.h"
#include "tools/views.h"

namespace residua::tool {

struct ClassifierOptions {
  MemberOptions member = {};
  std::size_t top = 5;  // guesses an image
  // Heat maps, for one model and one view an image: where they go (member.class_maps must be asked for), how many
  // pixels the longer side of thumbnails has (0: none), and whose evidence they show; none: the likeliest class's.
  const HeatMapFiles* heat_maps = nullptr;
  int thumbnail_side = 0;
  std::optional<std::int32_t> heat_map_class = std::nullopt;
};

// Decodes, resizes and classifies: by one model, or by several that see the same images and whose probabilities are
// averaged. Several share the models, each in a thread of its own.
class Classifier {
 public:
  // The models have the same classes and outlive the classifier.
  Classifier(std::span<const Model> models, const ClassifierOptions& options);

  // The outcome of each image, in order. An image that cannot be read is one; throws ModelError where a model cannot
  // be run.
  std::vector<Outcome> classify(std::vector<ImageInput> images);

 private:
  struct Seen;  // an image that could be read

  // The thumbnail and the heat map, as far as they are asked for, of an image that has guesses.
  void draw(const ClassMaps& maps, Seen& seen, Outcome& outcome) const;

  const ClassifierOptions options_;
  std::vector<EnsembleMember> members_;
  const std::size_t classes_;
};

}  // namespace residua::tool
