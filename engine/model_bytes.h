// Model files that are no files: a caller's bytes, or what a callback reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "engine/model.h"

namespace residua::engine {

// Bytes that stay a caller's until `release(user)` is called, which happens exactly once: when the bytes taken from
// here are gone, or here where they never were taken. Without `release`, bytes that must be copied.
class CallersBytes {
 public:
  CallersBytes(const void* data, std::size_t size, void (*release)(void* user), void* user)
      : data_(static_cast<const std::byte*>(data)), size_(size), release_(release), user_(user) {}
  ~CallersBytes() {
    if (release_) release_(user_);
  }
  CallersBytes(const CallersBytes&) = delete;
  CallersBytes& operator=(const CallersBytes&) = delete;

  // The bytes where they are, or a copy of them where that is wanted, or where they do not start at a multiple of 64 as
  // a file's would. Once.
  graph::FileBytes take() &&;

 private:
  const std::byte* data_;
  std::size_t size_;
  void (*release_)(void* user);
  void* user_;
};

// All that `read` gives: it puts up to so many bytes in a buffer and returns how many; 0: the end; negative: an error.
graph::Result<graph::FileBytes> read_all(const std::function<std::int64_t(void* buffer, std::size_t bytes)>& read,
                                         std::size_t size_hint, const Progress& progress);

}  // namespace residua::engine
