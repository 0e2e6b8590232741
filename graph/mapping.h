// Files mapped read-only into memory.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <filesystem>

#include "graph/result.h"
#include "graph/tensor.h"

namespace residua::graph {

// Unmaps the pages when it goes.
class FileMapping {
 public:
  // `state`: what the system said of the file when it was mapped.
  FileMapping(const std::byte* begin, std::filesystem::path path, const struct stat& state);
  ~FileMapping();
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;

  const std::byte* begin() const { return begin_; }
  std::size_t size() const { return size_; }
  // An error where somebody has written to the file since: the bytes are others, or gone. A file that is no longer to
  // be found, or another one of its name, harms nobody: the mapping keeps the old one.
  Status check_unchanged() const;

 private:
  const std::byte* begin_;
  std::size_t size_;
  std::filesystem::path path_;  // absolute
  dev_t device_;
  ino_t number_;
  timespec written_;
};

// The pages of a mapped file that `data` lies in need not stay in this process's memory: whoever reads them again gets
// them from the file again. For memory of any other kind nothing happens. Safe while others read.
void give_back_pages(const ConstantData& data);

}  // namespace residua::graph
