// Where the packed form of a model file is kept between runs.
#pragma once

#include <filesystem>
#include <string>

#include "graph/result.h"

namespace residua::engine {

struct CacheEntry {
  std::filesystem::path file;
  // What the entry stands for: the model file, its state, the options that make another network of it, and the engine.
  // The file holds this text too, so that no other file passes for it.
  std::string made_from;
};

// The entry of `model` in `folder`; empty: residua in $XDG_CACHE_HOME or ~/.cache. Errors where the model file cannot
// be examined or no folder is known.
graph::Result<CacheEntry> cache_entry(const std::filesystem::path& model, const std::string& architecture,
                                      const std::filesystem::path& folder);

// Makes the folder of an entry that is about to be written, for this user only.
graph::Status make_cache_folder(const CacheEntry& entry);

// Removes what is kept of earlier states of the same model file.
void remove_earlier_entries(const CacheEntry& entry);

}  // namespace residua::engine
