// A network, loaded: immutable, shared by any number of threads and contexts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/cache.h"
#include "engine/counters.h"
#include "engine/model_card.h"
#include "engine/outputs.h"
#include "engine/packed_weights.h"
#include "engine/program.h"
#include "engine/tuner.h"
#include "engine/weight_allotment.h"

namespace residua::engine {

// Told how far something has come: a stage, and 0 to 1 within it. What it throws ends the call. May be empty.
using Progress = std::function<void(const char* stage, double done)>;

struct LoadOptions {
  std::string architecture = {};
  std::filesystem::path labels = {};
  bool verify = false;                      // compare the checksums of a packed model file
  bool cache = false;                       // keep the packed form of the file, and use what is kept
  std::filesystem::path cache_folder = {};  // empty: the user's
  std::size_t memory_limit = 0;  // bytes that transformed weights may add (engine/weight_allotment.h); 0: no limit
  std::optional<std::string> sidecar = std::nullopt;  // in place of the file beside the model
  Progress progress = {};
};

// In bytes: what runs of one program need.
struct MemoryEstimate {
  std::size_t weights = 0;  // as they are
  bool weights_are_mapped = false;
  std::size_t packed_weights = 0;
  std::size_t context = 0;
};

class Model {
 public:
  static graph::Result<std::shared_ptr<const Model>> load(const std::filesystem::path& path,
                                                          const LoadOptions& options);
  // The bytes of a model file of any format. There is no sidecar, no folder for other files, and nothing is kept.
  static graph::Result<std::shared_ptr<const Model>> load(const graph::FileBytes& bytes, const LoadOptions& options);
  static graph::Result<std::shared_ptr<const Model>> random(const std::string& architecture, std::uint64_t seed,
                                                            const LoadOptions& options = {});

  const ModelCard& card() const { return card_; }
  const std::string& format() const { return format_; }
  const graph::Graph& imported() const { return imported_; }
  const graph::Graph& optimized() const { return optimized_; }
  // The same with what only a caller's wish makes part of a run (engine/outputs.h).
  const graph::Graph& offered() const { return offered_.graph; }
  std::int64_t channels() const { return optimized_.tensor(optimized_.inputs[0]).shape[1]; }
  // Values of one image in the first output, at the card's image size.
  std::int64_t classes() const { return classes_; }
  bool ends_in_softmax() const { return ends_in_softmax_; }
  std::int64_t parameters() const;
  std::size_t packed_weight_bytes() const { return packed_.bytes(); }

  // The program for `key`, made at its first use. Thread-safe. A few of the last used programs are kept, however many
  // shapes come by. `made`, where given, tells whether it was made now.
  // `step_made` is called on the way, after each step; what it throws ends the call.
  graph::Result<std::shared_ptr<const Program>> program(const ProgramKey& key, bool* made = nullptr,
                                                        const std::function<void()>& step_made = {}) const;

  // Makes these programs, if they are not there yet. `progress` counts their steps.
  graph::Status prepare(std::span<const ProgramKey> programs, const Progress& progress) const;

  // What runs of `key`, not a tuned one, will need. Nothing is packed.
  graph::Result<MemoryEstimate> estimate_memory(const ProgramKey& key) const;

  // What a run can hand out.
  const std::vector<NamedTensor>& named_outputs() const { return named_outputs_; }
  // The tensor that a run hands out under that name (engine/outputs.h), "" for the first output.
  graph::Result<OutputSource> find_output(std::string_view name) const {
    return engine::find_output(named_outputs_, optimized_, imported_, name);
  }

  // An error where a file of the model's was written to since it was mapped: before its bytes are used, so that it need
  // not be a signal, and after, so that it is no wrong answer. A run asks where the weights of runs are mapped.
  graph::Status check_files_unchanged() const;
  bool runs_from_files() const { return runs_from_files_; }

  // Of all runs of this model. Thread-safe, and the one thing here that changes.
  Counters& counters() const { return counters_; }

  // Writes a packed model file: the network, its card, and the weights packed for `programs`.
  graph::Status pack(const std::filesystem::path& path, std::span<const ProgramKey> programs) const;

 private:
  Model() = default;
  static graph::Result<std::shared_ptr<const Model>> load_file(const std::filesystem::path& path,
                                                               const LoadOptions& options);
  static graph::Result<std::shared_ptr<Model>> finish(graph::ImportedModel imported, const CardSources& sources,
                                                      const LoadOptions& options);
  // As much of a packed model file as does not depend on its use.
  graph::ImportedModel contents() const;
  // Never fails a run: what went wrong is logged.
  void write_cache() const;

  std::string format_;
  std::map<std::string, std::string> metadata_;  // the file's
  bool runs_from_files_ = false;                 // packed weights are read where they are mapped
  std::vector<graph::ConstantData> in_files_;    // a piece of each mapped file
  std::optional<CacheEntry> cache_;
  mutable std::mutex cache_mutex_;
  ModelCard card_;
  graph::Graph imported_, optimized_;
  OfferedGraph offered_;
  std::vector<NamedTensor> named_outputs_;
  std::int64_t classes_ = 0;
  bool ends_in_softmax_ = false;
  std::unique_ptr<const WeightAllotment> allotment_;  // nullptr: no limit on memory
  mutable PackedWeights packed_;
  mutable Counters counters_;
  mutable std::mutex programs_mutex_;
  mutable std::unique_ptr<Tuner> tuner_;                          // made when the first tuned program is
  mutable std::vector<std::shared_ptr<const Program>> programs_;  // last used last
};

}  // namespace residua::engine
