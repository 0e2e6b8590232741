#include "tools/classifier.h"

#include <algorithm>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include "tools/heat_map.h"
#include "tools/image/image.h"
#include "tools/image/resize.h"
#include "tools/output_file.h"

namespace residua::tool {

struct Classifier::Seen {
  std::size_t place;         // among the group's images
  Image photo;               // as long as a view is of its own pixels
  Image small;               // for a thumbnail
  std::vector<Views> views;  // one for each model
};

Classifier::Classifier(std::span<const Model> models, const ClassifierOptions& options)
    : options_(options), classes_(static_cast<std::size_t>(models[0].info().classes)) {
  members_.reserve(models.size());
  for (const Model& model : models) members_.emplace_back(model, options.member);
}

void Classifier::draw(const ClassMaps& maps, Seen& seen, Outcome& outcome) const {
  try {
    const View& view = seen.views[0].list[0];
    const NetworkView network_view{view.shorter_side, view.image.width, view.image.height};
    const auto evidence_on = [&](const Image& photo) {
      const std::int32_t of_class = options_.heat_map_class.value_or(outcome.guesses[0].index);
      return draw_heat_map(photo, network_view, map_of_class(maps.scores, maps.height, maps.width, of_class));
    };
    if (options_.thumbnail_side > 0) {
      Image evidence = options_.member.class_maps ? evidence_on(seen.small) : Image();
      outcome.thumbnail = Thumbnail{std::move(seen.small), std::move(evidence)};
    }
    if (!options_.heat_maps) return;
    const std::string path = options_.heat_maps->path_for(outcome.path);
    // Read once more: it may be large, and others are before it.
    const std::string drawn = encode_png(evidence_on(read_image(outcome.path)));
    OutputFile file = OutputFile::with_folders(path);
    file.write(drawn);
    file.finish();
    outcome.heat_map = path;
  } catch (const std::bad_alloc&) {
    outcome.error = "heat map: out of memory";
  } catch (const std::exception& failure) {
    outcome.error = std::string("heat map: ") + failure.what();
  }
}

std::vector<Outcome> Classifier::classify(std::vector<ImageInput> images) {
  std::vector<Outcome> outcomes(images.size());
  std::vector<Seen> good;
  for (std::size_t i = 0; i < images.size(); ++i) {
    outcomes[i].path = std::move(images[i].path);
    try {
      if (!images[i].error.empty()) throw ImageError(images[i].error);
      Seen seen{i, read_image(outcomes[i].path), {}, {}};
      if (options_.thumbnail_side > 0) seen.small = fitted(seen.photo, options_.thumbnail_side);
      for (const EnsembleMember& member : members_) seen.views.push_back(member.views_of(seen.photo));
      if (!options_.member.views.at_full_size()) seen.photo = {};
      good.push_back(std::move(seen));
    } catch (const std::bad_alloc&) {
      outcomes[i].error = "out of memory";
    } catch (const std::exception& failure) {
      outcomes[i].error = failure.what();
    }
  }

  std::vector<std::vector<double>> sums(good.size(), std::vector<double>(classes_));
  std::vector<Answer> answers;
  for (std::size_t m = 0; m < members_.size(); ++m) {
    std::vector<const Views*> views;
    views.reserve(good.size());
    for (const Seen& seen : good) views.push_back(&seen.views[m]);
    answers = members_[m].answer(views);
    for (std::size_t i = 0; i < good.size(); ++i) {
      if (!answers[i].error.empty()) {
        outcomes[good[i].place].error = answers[i].error;
        continue;
      }
      for (std::size_t k = 0; k < classes_; ++k) sums[i][k] += answers[i].probabilities[k];
    }
  }
  for (std::size_t i = 0; i < good.size(); ++i) {
    Outcome& outcome = outcomes[good[i].place];
    if (!outcome.error.empty()) continue;
    std::vector<float> means;
    means.reserve(sums[i].size());
    for (const double sum : sums[i]) means.push_back(static_cast<float>(sum / static_cast<double>(members_.size())));
    for (const std::int32_t index : top_k(means, options_.top))
      outcome.guesses.push_back({index, means[static_cast<std::size_t>(index)]});
    if (options_.heat_maps || options_.thumbnail_side > 0) draw(answers[i].class_maps, good[i], outcome);
  }
  return outcomes;
}

}  // namespace residua::tool
