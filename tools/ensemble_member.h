// One model, and the views of images that it is shown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "residua/residua.hpp"
#include "tools/views.h"

namespace residua::tool {

struct MemberOptions {
  int threads = 1;        // for the network; 0: the CPU budget
  std::size_t batch = 8;  // views that the network takes at once, where there are as many
  ViewOptions views = {};
  bool tune = false;  // see ContextOptions, as direct
  bool direct = false;
  bool class_maps = false;  // scores at each place of a view are wanted
};

// Scores of each class at the places of a network's last features.
struct ClassMaps {
  std::vector<float> scores;  // [classes, height, width]
  int height = 0;
  int width = 0;
};

// What a model makes of one image.
struct Answer {
  std::vector<double> probabilities;  // of each class, the mean over the image's views
  ClassMaps class_maps;               // of the last view, where they are wanted
  std::string error;                  // of an image too large for the network; empty: there are probabilities
};

// For one thread.
class EnsembleMember {
 public:
  EnsembleMember(const Model& model, const MemberOptions& options);

  const ModelInfo& info() const { return info_; }
  // Throws ImageError and Error.
  Views views_of(const Image& photo) const { return tool::views_of(photo, model_, info_, options_.views); }
  // One answer for the views of each image. Throws ModelError where the model cannot be run.
  std::vector<Answer> answer(std::span<const Views* const> images);

 private:
  struct Placed {
    const View* view;
    std::size_t image;
  };

  // Views of one size.
  void run(std::span<const Placed> views, std::span<Answer> answers);

  const Model& model_;
  const MemberOptions options_;
  const ModelInfo info_;
  Context context_;
  std::vector<float> probabilities_, class_maps_;
};

}  // namespace residua::tool
