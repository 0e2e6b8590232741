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
  // Offsets into the mapping, which starts at the start of a page.
  const auto address = reinterpret_cast<std::uintptr_t>(data.bytes.get());
  const auto first = static_cast<std::size_t>(data.bytes.get() - data.file->begin());
  const std::size_t before = std::min<std::size_t>(first, address % window);
  const std::size_t behind = (window - (address + data.size) % window) % window;
  const std::size_t end = std::min(first + data.size + behind, data.file->size());
  std::byte* const begin = const_cast<std::byte*>(data.file->begin()) + (first - before);
  // It is advice: where the system does not take it (locked memory), the pages stay.
  static_cast<void>(::madvise(begin, end - (first - before), MADV_DONTNEED));
}

}  // namespace residua::graph
