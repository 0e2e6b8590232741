// Files mapped read-only into memory.
#pragma once

#include <cstddef>

#include "graph/tensor.h"

namespace residua::graph {

// Unmaps the pages when it goes.
class FileMapping {
 public:
  FileMapping(const std::byte* begin, std::size_t size) : begin_(begin), size_(size) {}
  ~FileMapping();
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;

  const std::byte* begin() const { return begin_; }
  std::size_t size() const { return size_; }

 private:
  const std::byte* begin_;
  std::size_t size_;
};

// The pages of a mapped file that `data` lies in need not stay in this process's memory: whoever reads them again gets
// them from the file again. For memory of any other kind nothing happens. Safe while others read.
void give_back_pages(const ConstantData& data);

}  // namespace residua::graph
