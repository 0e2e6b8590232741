#include "graph/mapping.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

namespace residua::graph {
namespace {

// The kernel maps a page that is read with its neighbours, 64 KiB by default; so the neighbours go, too.
constexpr std::uintptr_t window = 64 << 10;

}  // namespace

FileMapping::FileMapping(const std::byte* begin, std::filesystem::path path, const struct stat& state)
    : begin_(begin),
      size_(static_cast<std::size_t>(state.st_size)),
      path_(std::move(path)),
      device_(state.st_dev),
      number_(state.st_ino),
      written_(state.st_mtim) {}

FileMapping::~FileMapping() { ::munmap(const_cast<std::byte*>(begin_), size_); }

Status FileMapping::check_unchanged() const {
  struct stat now {};
  if (::stat(path_.c_str(), &now) != 0 || now.st_dev != device_ || now.st_ino != number_) return {};
  const auto size = static_cast<std::size_t>(now.st_size);
  if (size == size_ && now.st_mtim.tv_sec == written_.tv_sec && now.st_mtim.tv_nsec == written_.tv_nsec) return {};
  return Error{ErrorCode::io, path_.string() + ": was written to while it was in use (" + std::to_string(size_) +
                                  " bytes when it was loaded, " + std::to_string(size) +
                                  " now); load it again, and replace model files by renaming new ones"};
}

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
