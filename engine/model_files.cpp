// Models from files, and packed model files from models.
#include <exception>

#include "engine/build_identity.h"
#include "engine/environment.h"
#include "engine/integrity.h"
#include "engine/log.h"
#include "engine/model.h"
#include "engine/whole_file.h"
#include "graph/import/packed_file.h"

namespace residua::engine {
namespace {

using graph::Error;
using graph::ImportedModel;
using graph::Result;
using graph::Status;
namespace fs = std::filesystem;

Status write_file(const fs::path& path, const ImportedModel& contents) {
  RESIDUA_ASSIGN(WholeFile file, WholeFile::create(path));
  RESIDUA_RETURN_IF_ERROR(
      graph::write_packed_file(contents, [&](std::span<const std::byte> bytes) { return file.write(bytes); }));
  return file.finish();
}

void log_cache(const std::string& what) { log("cache: " + what); }

// What is kept of the model; nullopt where there is nothing, or nothing that can be used.
std::optional<ImportedModel> read_entry(const CacheEntry& entry, bool verify) {
  std::error_code ignored;
  if (!fs::exists(entry.file, ignored)) return std::nullopt;
  auto imported = graph::import_file(entry.file, {.architecture = {}, .verify = verify});
  if (!imported) {
    log_cache(imported.error().message + "; it is made again");
    return std::nullopt;
  }
  if (!imported->is_packed || imported->made_from != entry.made_from || imported->packed_for != build_identity()) {
    log_cache(entry.file.string() + ": not of this model file; it is made again");
    return std::nullopt;
  }
  return std::move(imported).value();
}

}  // namespace

Result<std::shared_ptr<const Model>> Model::load(const fs::path& path, const LoadOptions& options) {
  static_cast<void>(environment());  // sets the limits
  auto model = load_file(path, options);
  if (model) return model;
  // Errors of the importer name the file already; the later ones speak of the network only.
  Error error = model.error();
  if (error.message.find(path.string()) == std::string::npos &&
      (options.labels.empty() || error.message.find(options.labels.string()) == std::string::npos))
    error.message = path.string() + ": " + error.message;
  return error;
}

Result<std::shared_ptr<const Model>> Model::load_file(const fs::path& path, const LoadOptions& options) {
  graph::ImportOptions import_options{.architecture = options.architecture, .verify = options.verify};
  const CardSources sources{.model = path, .labels = options.labels, .sidecar = options.sidecar};
  if (import_options.architecture.empty()) {
    RESIDUA_ASSIGN(import_options.architecture, sidecar_text(sources, "arch"));
  }
  if (options.progress) options.progress("read", 0);
  RESIDUA_ASSIGN(const FileDigests digests, file_digests(sources));
  RESIDUA_RETURN_IF_ERROR(check_files(digests, path));
  std::optional<CacheEntry> cache;
  if (options.cache) {
    auto entry = cache_entry(path, import_options.architecture, options.cache_folder);
    if (entry)
      cache = std::move(entry).value();
    else
      log_cache(entry.error().message);
  }
  if (cache) {
    if (auto kept = read_entry(*cache, options.verify)) {
      RESIDUA_ASSIGN(const std::shared_ptr<Model> model, finish(std::move(*kept), sources, options));
      model->cache_ = std::move(cache);
      return std::shared_ptr<const Model>(model);
    }
  }
  RESIDUA_ASSIGN(ImportedModel imported, graph::import_file(path, import_options));
  RESIDUA_RETURN_IF_ERROR(check_all_are_listed(digests, path, imported));
  if (options.progress) options.progress("read", 1);
  if (imported.is_packed) {
    imported.format = "packed";
    cache.reset();  // it is what would be kept
  }
  if (cache && !imported.other_files.empty()) {
    log_cache(path.string() + ": its weights lie in other files, too, whose state is not watched; it is not kept");
    cache.reset();
  }
  RESIDUA_ASSIGN(const std::shared_ptr<Model> model, finish(std::move(imported), sources, options));
  model->cache_ = std::move(cache);
  return std::shared_ptr<const Model>(model);
}

Result<std::shared_ptr<const Model>> Model::load(const graph::FileBytes& bytes, const LoadOptions& options) {
  static_cast<void>(environment());  // sets the limits
  const CardSources sources{.model = {}, .labels = options.labels, .sidecar = options.sidecar};
  graph::ImportOptions import_options{.architecture = options.architecture, .verify = options.verify};
  if (import_options.architecture.empty()) {
    RESIDUA_ASSIGN(import_options.architecture, sidecar_text(sources, "arch"));
  }
  RESIDUA_ASSIGN(const FileDigests digests, file_digests(sources));
  RESIDUA_RETURN_IF_ERROR(check_bytes(digests, bytes.span()));
  RESIDUA_ASSIGN(ImportedModel imported, graph::import_bytes(bytes, {}, import_options));
  if (imported.is_packed) imported.format = "packed";
  RESIDUA_ASSIGN(const std::shared_ptr<Model> model, finish(std::move(imported), sources, options));
  return std::shared_ptr<const Model>(model);
}

ImportedModel Model::contents() const {
  ImportedModel contents;
  contents.graph = optimized_;
  contents.format = format_;
  contents.architecture = card_.architecture;
  contents.packed_for = build_identity();
  contents.packed = packed_.all();
  return contents;
}

Status Model::pack(const fs::path& path, std::span<const ProgramKey> programs) const {
  std::vector<std::shared_ptr<const Program>> held;  // and with them what they packed
  for (const ProgramKey& key : programs) {
    RESIDUA_ASSIGN(std::shared_ptr<const Program> made, program(key));
    held.push_back(std::move(made));
  }
  ImportedModel packed = contents();
  packed.metadata = metadata_of(card_);
  return write_file(path, packed);
}

void Model::write_cache() const {
  const std::lock_guard lock(cache_mutex_);
  try {
    ImportedModel kept = contents();
    kept.metadata = metadata_;  // a sidecar and the caller's labels are read again
    kept.made_from = cache_->made_from;
    Status status = make_cache_folder(*cache_);
    if (status) status = write_file(cache_->file, kept);
    if (status)
      remove_earlier_entries(*cache_);
    else
      log_cache(status.error().message);
  } catch (const std::exception& failure) {
    log_cache(cache_->file.string() + ": " + failure.what());
  }
}

}  // namespace residua::engine
