// A list of images through classifiers, one a thread, outcomes in the list's order.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "residua/residua.hpp"
#include "tools/classifier.h"
#include "tools/crew.h"
#include "tools/image_groups.h"

namespace residua::tool {

class ClassifierCrew {
 public:
  // `threads`: at least 1, shared out among the classifiers, whatever `options.member.threads` says. The models outlive
  // the crew.
  ClassifierCrew(ImageGroups::Source source, std::span<const Model> models, const ClassifierOptions& options,
                 std::size_t threads);

  // As Crew's.
  std::optional<std::vector<Outcome>> next() { return crew_->next(); }
  // How many images there are in all, once that is known.
  std::optional<std::size_t> total() const { return groups_.total(); }

 private:
  ImageGroups groups_;
  std::vector<std::unique_ptr<Classifier>> classifiers_;
  std::unique_ptr<Crew> crew_;  // last: ends before what it uses
};

}  // namespace residua::tool
