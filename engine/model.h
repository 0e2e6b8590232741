// A network, loaded: immutable, shared by any number of threads and contexts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/cache.h"
#include "engine/model_card.h"
#include "engine/packed_weights.h"
#include "engine/program.h"
#include "engine/tuner.h"
#include "engine/weight_allotment.h"

namespace residua::engine {

struct LoadOptions {
  std::string architecture = {};
  std::filesystem::path labels = {};
  bool verify = false;                      // compare the checksums of a packed model file
  bool cache = false;                       // keep the packed form of the file, and use what is kept
  std::filesystem::path cache_folder = {};  // empty: the user's
  std::size_t memory_limit = 0;  // bytes that transformed weights may add (engine/weight_allotment.h); 0: no limit
};

class Model {
 public:
  static graph::Result<std::shared_ptr<const Model>> load(const std::filesystem::path& path,
                                                          const LoadOptions& options);
  static graph::Result<std::shared_ptr<const Model>> random(const std::string& architecture, std::uint64_t seed,
                                                            const LoadOptions& options = {});

  const ModelCard& card() const { return card_; }
  const std::string& format() const { return format_; }
  const graph::Graph& imported() const { return imported_; }
  const graph::Graph& optimized() const { return optimized_; }
  std::int64_t channels() const { return optimized_.tensor(optimized_.inputs[0]).shape[1]; }
  // Values of one image in the first output, at the card's image size.
  std::int64_t classes() const { return classes_; }
  bool ends_in_softmax() const { return ends_in_softmax_; }
  std::int64_t parameters() const;
  std::size_t packed_weight_bytes() const { return packed_.bytes(); }

  // The program for `key`, made at its first use. Thread-safe. A few of the last used programs are kept, however many
  // shapes come by.
  graph::Result<std::shared_ptr<const Program>> program(const ProgramKey& key) const;

  // Writes a packed model file: the network, its card, and the weights packed for `programs`.
  graph::Status pack(const std::filesystem::path& path, std::span<const ProgramKey> programs) const;

 private:
  Model() = default;
  static graph::Result<std::shared_ptr<const Model>> load_file(const std::filesystem::path& path,
                                                               const LoadOptions& options);
  static graph::Result<std::shared_ptr<Model>> finish(graph::ImportedModel imported, const CardSources& sources,
                                                      std::size_t memory_limit);
  // As much of a packed model file as does not depend on its use.
  graph::ImportedModel contents() const;
  // Never fails a run: what went wrong is logged.
  void write_cache() const;

  std::string format_;
  std::map<std::string, std::string> metadata_;  // the file's
  std::optional<CacheEntry> cache_;
  mutable std::mutex cache_mutex_;
  ModelCard card_;
  graph::Graph imported_, optimized_;
  std::int64_t classes_ = 0;
  bool ends_in_softmax_ = false;
  std::unique_ptr<const WeightAllotment> allotment_;  // nullptr: no limit on memory
  mutable PackedWeights packed_;
  mutable std::mutex programs_mutex_;
  mutable std::unique_ptr<Tuner> tuner_;                          // made when the first tuned program is
  mutable std::vector<std::shared_ptr<const Program>> programs_;  // last used last
};

}  // namespace residua::engine
