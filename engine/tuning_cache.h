// What has been measured on this machine, kept in a file between runs.
//
// One file for a CPU and a version of the engine and of oneDNN. Nothing that happens to it fails a run: a file that
// cannot be read or written is a log message, a damaged one is replaced by the next save.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace residua::engine {

// Milliseconds by name of implementation.
using Timings = std::map<std::string, double>;

// The CPU's name, family, model, stepping and caches, and the versions of the engine and oneDNN: times that were
// measured under another of these say nothing here.
const std::string& tuning_host();

// Not thread-safe; several of them, in any number of processes, may share a folder.
class TuningCache {
 public:
  // Reads what `folder` holds for `host`. An empty folder: nothing is read or written.
  explicit TuningCache(const std::filesystem::path& folder, std::string host = tuning_host());

  // nullptr where the layer has not been measured. Valid until the next add() or save().
  const Timings* find(const std::string& signature) const;
  void add(const std::string& signature, Timings timings);
  // Writes what was added, together with what others have put there meanwhile. Where both measured a layer, ours stays.
  void save();

  const std::filesystem::path& file() const { return file_; }

 private:
  using Layers = std::map<std::string, Timings>;
  enum class State { absent, good, damaged, unusable };  // unusable: not ours to read or to replace
  State read(Layers& layers) const;

  std::string host_;
  std::filesystem::path file_;  // empty: none
  Layers layers_, added_;
};

}  // namespace residua::engine
