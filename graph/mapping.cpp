#include "graph/mapping.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>

namespace residua::graph {
namespace {

// The kernel maps a page that is read with its neighbours, 64 KiB by default; so the neighbours go, too.
constexpr std::uintptr_t window = 64 << 10;

}  // namespace

FileMapping::~FileMapping() { ::munmap(const_cast<std::byte*>(begin_), size_); }

void give_back_pages(const ConstantData& data) {
  if (data.file == nullptr || data.size == 0) return;
  const auto mapping = reinterpret_cast<std::uintptr_t>(data.file->begin());  // at the start of a page
  const auto first = reinterpret_cast<std::uintptr_t>(data.bytes.get());
  const std::uintptr_t begin = std::max(first / window * window, mapping);
  const std::uintptr_t end = std::min((first + data.size + window - 1) / window * window, mapping + data.file->size());
  // It is advice: where the system does not take it (locked memory), the pages stay.
  static_cast<void>(::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED));
}

}  // namespace residua::graph
