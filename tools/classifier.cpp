#include "tools/classifier.h"

#include <algorithm>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include "tools/image/image.h"
#include "tools/image/resize.h"

namespace residua::tool {

struct Classifier::Seen {
  std::size_t place;         // among the group's images
  Image photo;               // as long as a view is of its own pixels
  Image small;               // for a thumbnail
  std::vector<Views> views;  // one for each model
};

namespace {

NetworkView network_view(const View& view) { return {view.shorter_side, view.image.width, view.image.height}; }

}  // namespace

Classifier::Classifier(std::span<const Model> models, const ClassifierOptions& options)
    : options_(options), classes_(static_cast<std::size_t>(models[0].info().classes)) {
  members_.reserve(models.size());
  for (const Model& model : models) members_.emplace_back(model, options.member);
}

ClassMap Classifier::map_of(const ClassMaps& maps, const Outcome& outcome) const {
  return map_of_class(maps.scores, maps.height, maps.width, options_.heat_map_class.value_or(outcome.guesses[0].index));
}

void Classifier::draw_thumbnail(const ClassMaps& maps, Seen& seen, Outcome& outcome) const {
  Image evidence;
  if (options_.member.class_maps)
    evidence = draw_heat_map(seen.small, network_view(seen.views[0].list[0]), map_of(maps, outcome));
  outcome.thumbnail = Thumbnail{std::move(seen.small), std::move(evidence)};
}

void Classifier::write_heat_map(const ClassMaps& maps, const View& view, Outcome& outcome) const {
  try {
    const std::string path = options_.heat_maps->path_for(outcome.path);
    const Image drawn = draw_heat_map(read_image(outcome.path), network_view(view), map_of(maps, outcome));
    HeatMapFiles::write(path, encode_png(drawn));
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
    if (options_.thumbnail_side > 0) draw_thumbnail(answers[i].class_maps, good[i], outcome);
    if (options_.heat_maps) write_heat_map(answers[i].class_maps, good[i].views[0].list[0], outcome);
  }
  return outcomes;
}

}  // namespace residua::tool
