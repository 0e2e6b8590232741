#include "engine/model_bytes.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/arena.h"

namespace residua::engine {

graph::FileBytes CallersBytes::take() && {
  const bool aligned = reinterpret_cast<std::uintptr_t>(data_) % cache_line == 0;
  if (release_ && aligned) {
    // Not before the pointer has its own memory: making it may fail, and then it calls the deleter itself.
    const auto release = std::exchange(release_, nullptr);
    return {std::shared_ptr<const std::byte>(data_, [release, user = user_](const std::byte*) { release(user); }),
            size_};
  }
  const std::shared_ptr<std::byte> copy = allocate_aligned(size_);
  std::memcpy(copy.get(), data_, size_);
  if (release_) std::exchange(release_, nullptr)(user_);
  return {copy, size_};
}

graph::Result<graph::FileBytes> read_all(const std::function<std::int64_t(void*, std::size_t)>& read,
                                         std::size_t size_hint, const Progress& progress) {
  constexpr std::size_t at_once = std::size_t{1} << 20;  // often enough for a progress bar
  // One byte more than expected, so that the end is seen without growing.
  std::size_t capacity = size_hint > 0 ? size_hint + 1 : 4 * at_once, size = 0;
  std::shared_ptr<std::byte> memory = allocate_aligned(capacity);
  const auto tell = [&](double done) {
    if (progress && size_hint > 0) progress("read", std::min(done, 1.0));
  };
  tell(0);
  for (;;) {
    if (size == capacity) {
      const std::shared_ptr<std::byte> larger = allocate_aligned(2 * capacity);
      std::memcpy(larger.get(), memory.get(), size);
      memory = larger;
      capacity *= 2;
    }
    const std::size_t room = std::min(capacity - size, at_once);
    const std::int64_t got = read(memory.get() + size, room);
    if (got < 0 || static_cast<std::uint64_t>(got) > room)
      return graph::Error{graph::ErrorCode::io, "the read callback returned " + std::to_string(got) + " after " +
                                                    std::to_string(size) + " bytes, expected 0 to " +
                                                    std::to_string(room)};
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
    tell(static_cast<double>(size) / static_cast<double>(std::max<std::size_t>(size_hint, 1)));
  }
  if (size == 0) return graph::Error{graph::ErrorCode::malformed, "the read callback gave no bytes"};
  tell(1);
  return graph::FileBytes{memory, size};
}

}  // namespace residua::engine
