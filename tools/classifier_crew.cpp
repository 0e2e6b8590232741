#include "tools/classifier_crew.h"

#include <utility>

namespace residua::tool {
namespace {

constexpr std::size_t groups_a_worker = 16;  // so far may the others be ahead of one that is at a huge image

// Images as large as they are may need gigabytes each: all threads work on one together.
ImageGroups groups_of(ImageGroups::Source source, const MemberOptions& member, std::size_t threads) {
  const bool one_by_one = member.views.at_full_size();
  return {std::move(source), one_by_one ? 1 : threads, one_by_one ? 1 : member.batch};
}

}  // namespace

ClassifierCrew::ClassifierCrew(ImageGroups::Source source, std::span<const Model> models,
                               const ClassifierOptions& options, std::size_t threads)
    : groups_(groups_of(std::move(source), options.member, threads)) {
  const std::size_t workers = groups_.workers();
  for (std::size_t i = 0; i < workers; ++i) {
    // Where there are fewer images than threads, each image has several.
    ClassifierOptions of_worker = options;
    of_worker.member.threads = static_cast<int>(threads / workers + (i < threads % workers ? 1 : 0));
    classifiers_.push_back(std::make_unique<Classifier>(models, of_worker));
  }
  crew_ = std::make_unique<Crew>(
      workers, [this](const std::stop_token& stop) { return groups_.take(stop); },
      [this](std::size_t worker, std::vector<ImageInput> group) {
        return classifiers_[worker]->classify(std::move(group));
      },
      groups_a_worker * workers);
}

}  // namespace residua::tool
