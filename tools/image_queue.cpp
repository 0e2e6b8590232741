#include "tools/image_queue.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

namespace residua::tool {

ImageQueue::ImageQueue(std::size_t count, Prepare prepare, std::size_t workers, std::size_t capacity)
    : count_(count), prepare_(std::move(prepare)), slots_(std::max<std::size_t>(capacity, 1)) {
  const std::size_t useful = std::min(std::max<std::size_t>(workers, 1), count);
  for (std::size_t i = 0; i < useful; ++i) {
    workers_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

ImageQueue::~ImageQueue() {
  for (std::jthread& worker : workers_) worker.request_stop();
}

void ImageQueue::work(const std::stop_token& stop) {
  while (true) {
    std::size_t index = 0;
    {
      std::unique_lock lock(mutex_);
      const bool may_start =
          room_.wait(lock, stop, [this] { return started_ == count_ || started_ < handed_out_ + slots_.size(); });
      if (!may_start || stop.stop_requested() || started_ == count_) return;
      index = started_++;
    }
    PreparedImage image;
    try {
      image.pixels = prepare_(index);
    } catch (const std::bad_alloc&) {
      image.error = "out of memory";
    } catch (const std::exception& failure) {
      image.error = failure.what();
    }
    const std::lock_guard lock(mutex_);
    slots_[index % slots_.size()] = std::move(image);
    if (index == handed_out_) ready_.notify_one();
  }
}

std::optional<PreparedImage> ImageQueue::next() {
  std::unique_lock lock(mutex_);
  if (handed_out_ == count_) return std::nullopt;
  std::optional<PreparedImage>& slot = slots_[handed_out_ % slots_.size()];
  ready_.wait(lock, [&] { return slot.has_value(); });
  std::optional<PreparedImage> image = std::exchange(slot, std::nullopt);
  ++handed_out_;
  // All of them: the last image's start has to wake everyone who waits for more.
  room_.notify_all();
  return image;
}

}  // namespace residua::tool
