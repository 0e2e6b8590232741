// Memory for one buffer of a kernel between two pages that can't be touched: reading or writing across the near end
// crashes where it happens. The buffer leans on one of the two; what is left of its pages on the other side holds a
// pattern (a NaN, so that reading it spoils the result) that writing changes.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <random>
#include <span>

class GuardedBuffer {
 public:
  static constexpr std::uint32_t pattern = 0x7fc5a5a5;

  // Leans on the page before or the page behind, at random.
  GuardedBuffer(std::int64_t count, std::mt19937& random) : count_(static_cast<std::size_t>(count)) {
    page_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    bytes_ = std::max<std::size_t>(1, (count_ * sizeof(float) + page_ - 1) / page_) * page_;
    void* memory = mmap(nullptr, bytes_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    all_ = static_cast<std::byte*>(memory);
    protect(PROT_READ | PROT_WRITE);
    const std::size_t slack = bytes_ / sizeof(float) - count_;
    data_ = pages().data() + ((random() & 1) != 0 ? slack : 0);
    std::fill(pages().begin(), pages().end(), std::bit_cast<float>(pattern));
  }
  ~GuardedBuffer() { munmap(all_, bytes_ + 2 * page_); }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  float* data() { return data_; }
  std::span<float> values() { return {data_, count_}; }

  // From here on writing crashes, too.
  void freeze() { protect(PROT_READ); }

  static bool untouched(float value) { return std::bit_cast<std::uint32_t>(value) == pattern; }
  bool margins_untouched() {
    const auto all = pages();
    const auto start = static_cast<std::size_t>(data_ - all.data());
    return std::all_of(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(start), untouched) &&
           std::all_of(all.begin() + static_cast<std::ptrdiff_t>(start + count_), all.end(), untouched);
  }

 private:
  std::span<float> pages() {
    // The page's start is aligned for anything.
    return {static_cast<float*>(static_cast<void*>(all_ + page_)), bytes_ / sizeof(float)};
  }
  void protect(int access) {
    if (mprotect(all_ + page_, bytes_, access) != 0) throw std::bad_alloc();
  }

  std::size_t count_, page_, bytes_;
  std::byte* all_;
  float* data_;
};
