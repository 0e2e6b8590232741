// Weights that can be fetched by name, and where they are kept.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace residua::tool {

// One set of weights.
struct WeightSet {
  std::string name;           // "resnet50.imagenet1k_v2"
  std::string alias;          // "resnet50": another name, which the publisher's default set has; empty: none
  std::string source;         // an http(s) address, or the path of a file
  std::string file;           // what it is called there: "resnet50-11ad3fa6.pth"
  std::string sha256;         // the digest, or its first digits: 8 at least
  std::string preset;         // a sidecar: how images are prepared, and the labels
  double megabytes = 0;       // 0: not known
  double published_top1 = 0;  // percent; 0: not known

  // What it is called here: as there where that name holds the digest's first digits, else with them, so that two
  // publishers' "model.safetensors" are two files.
  std::string kept_name() const;
  bool is_called(const std::string& wanted) const { return wanted == name || (!alias.empty() && wanted == alias); }
};

// The sets of a catalogue file: {"weights": [{"name", "url", "sha256", "preset", "alias", "megabytes", "top1"}, ...]}.
// A url without "://" is a path from the catalogue's folder on, and so is a preset's "labels". Throws ModelError with
// the file, the entry and what was expected.
std::vector<WeightSet> read_catalogue(const std::filesystem::path& file);

// All that are known: those of `catalogue` (empty: of the file that RESIDUA_CATALOGUE names, if any), then those that
// come with Residua. Throws ModelError.
std::vector<WeightSet> known_weights(const std::string& catalogue = {});

// The first set of that name.
std::optional<WeightSet> find_weights(const std::vector<WeightSet>& sets, const std::string& name);

// Where pulled files are: residua/weights in $XDG_CACHE_HOME, else in ~/.cache. Throws ModelError where neither that
// nor HOME is an absolute path.
std::filesystem::path weights_folder();

}  // namespace residua::tool
