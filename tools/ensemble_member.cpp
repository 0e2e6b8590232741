#include "tools/ensemble_member.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "tools/command.h"

namespace residua::tool {
namespace {

// In few different sizes, each of which the network is planned for, and no single view at the end of a few.
std::size_t next_batch(std::size_t left, std::size_t batch) {
  if (left >= batch) return batch;
  const std::size_t even = std::bit_floor(left);
  return left == even + 1 ? left : even;
}

}  // namespace

EnsembleMember::EnsembleMember(const Model& model, const MemberOptions& options)
    : model_(model),
      options_(options),
      info_(model.info()),
      context_(model, {.threads = options.threads, .tune = options.tune, .direct = options.direct}) {}

void EnsembleMember::run(std::span<const Placed> views, std::span<Answer> answers) {
  const residua::Image& first = views[0].view->image;
  const auto classes = static_cast<std::size_t>(info_.classes);
  Input input;
  for (const Placed& placed : views) input.images.push_back(placed.view->image);
  try {
    TensorInfo map{};
    if (options_.class_maps) map = model_.tensor("class_map", first.height, first.width);
    const auto map_values = static_cast<std::size_t>(map.values);
    probabilities_.resize(std::max(probabilities_.size(), views.size() * classes));
    class_maps_.resize(std::max(class_maps_.size(), views.size() * map_values));
    const Output outputs[] = {{.name = "probabilities", .values = std::span(probabilities_)},
                              {.name = "class_map", .values = std::span(class_maps_)}};
    context_.run(input, std::span(outputs).first(options_.class_maps ? 2 : 1));
    for (std::size_t i = 0; i < views.size(); ++i) {
      Answer& answer = answers[views[i].image];
      answer.probabilities.resize(classes);
      for (std::size_t k = 0; k < classes; ++k)
        answer.probabilities[k] += static_cast<double>(probabilities_[i * classes + k]);
      if (!options_.class_maps) continue;
      const auto scores = std::span(class_maps_).subspan(i * map_values, map_values);
      answer.class_maps = {
          {scores.begin(), scores.end()}, static_cast<int>(map.shape[2]), static_cast<int>(map.shape[3])};
    }
  } catch (const Error& error) {
    // In the model's own size a failure is the model's.
    if (!options_.views.in_any_size()) throw ModelError(std::string("the model cannot be run: ") + error.what());
    for (const Placed& placed : views)
      answers[placed.image].error = "as a whole, " + std::to_string(first.width) + " x " +
                                    std::to_string(first.height) + " pixels, it cannot be run: " + error.what();
  }
}

std::vector<Answer> EnsembleMember::answer(std::span<const Views* const> images) {
  std::vector<Placed> views;
  for (std::size_t i = 0; i < images.size(); ++i)
    for (const View& view : images[i]->list) views.push_back({&view, i});
  const auto size_of = [](const Placed& placed) {
    return std::tuple(placed.view->image.height, placed.view->image.width);
  };
  // Those of one size are run together, and an image's own views are summed in an order that others do not change.
  std::stable_sort(views.begin(), views.end(),
                   [&](const Placed& a, const Placed& b) { return size_of(a) < size_of(b); });
  std::vector<Answer> answers(images.size());
  for (std::size_t first = 0; first < views.size();) {
    std::size_t end = first;
    while (end < views.size() && size_of(views[end]) == size_of(views[first])) ++end;
    const std::size_t count = next_batch(end - first, options_.batch);
    run(std::span(views).subspan(first, count), answers);
    first += count;
  }
  for (std::size_t i = 0; i < images.size(); ++i)
    for (double& probability : answers[i].probabilities) probability /= static_cast<double>(images[i]->list.size());
  return answers;
}

}  // namespace residua::tool
