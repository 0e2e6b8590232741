// A file that appears under its name whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "graph/result.h"

namespace residua::engine {

// Written under another name in the same folder, on disk before it is renamed: whoever opens the name sees the old file
// or the new one, also after a power cut. Several writers do not disturb each other; the last one to finish stays.
// Move-only.
class WholeFile {
 public:
  static graph::Result<WholeFile> create(const std::filesystem::path& path);
  WholeFile(WholeFile&& other) noexcept;
  WholeFile& operator=(WholeFile&&) = delete;
  ~WholeFile();  // leaves nothing behind where finish() was not reached

  graph::Status write(std::span<const std::byte> bytes);
  graph::Status finish();

 private:
  WholeFile(int descriptor, std::filesystem::path path, std::filesystem::path temporary);
  graph::Error failure(const char* what, int code) const;

  int descriptor_;
  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty: nothing to remove
};

}  // namespace residua::engine
