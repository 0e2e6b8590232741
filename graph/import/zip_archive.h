// Zip archives, through libzip.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "graph/import/import.h"
#include "graph/input_limits.h"

namespace residua::graph {

class ZipArchive {
 public:
  static Result<ZipArchive> open(const FileBytes& bytes);
  ZipArchive(ZipArchive&&) noexcept;
  ~ZipArchive();

  std::uint64_t entries() const;
  // As the archive holds it; empty where there is none. Lives as long as the archive.
  std::string_view name(std::uint64_t index) const;
  bool holds(const std::string& name) const;

  // The whole entry, unpacked and its checksum compared; refused before any allocation where it is larger than `limit`,
  // or where all that was read unpacks to more than zip_ratio times the file. An entry that is stored as it is becomes
  // a piece of the file, any other a copy.
  Result<ConstantData> read(const std::string& name, Limit limit = Limit::file_bytes);

 private:
  struct Handle;
  explicit ZipArchive(std::unique_ptr<Handle> handle);

  std::unique_ptr<Handle> handle_;
};

}  // namespace residua::graph
