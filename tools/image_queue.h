// Work done ahead by threads, taken in order.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace residua::tool {

struct PreparedImage {
  std::vector<std::uint8_t> pixels;  // empty where it failed
  std::string error;                 // empty where it did not
};

// Prepares images 0 .. count-1 in `workers` threads and hands them out in that order. At most `capacity` images are
// ready or in the making at any time, so memory is bounded by that however long the list. next() is for one thread;
// ending the queue early stops the workers after the image each is at.
class ImageQueue {
 public:
  // Makes the pixels of one image; called by several threads at once. What it throws becomes that image's error.
  using Prepare = std::function<std::vector<std::uint8_t>(std::size_t index)>;

  // `workers` and `capacity`: at least 1.
  ImageQueue(std::size_t count, Prepare prepare, std::size_t workers, std::size_t capacity);
  ~ImageQueue();

  // Waits for the next image; nothing after the last one.
  std::optional<PreparedImage> next();

 private:
  void work(const std::stop_token& stop);

  const std::size_t count_;
  const Prepare prepare_;
  std::mutex mutex_;
  std::condition_variable_any room_;
  std::condition_variable ready_;
  std::vector<std::optional<PreparedImage>> slots_;  // image i waits in slot i % capacity
  std::size_t started_ = 0;                          // images below have been taken up by a worker
  std::size_t handed_out_ = 0;                       // images below have been given away
  std::vector<std::jthread> workers_;                // last: ends before what it uses
};

}  // namespace residua::tool
