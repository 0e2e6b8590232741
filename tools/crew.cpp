#include "tools/crew.h"

#include <algorithm>
#include <utility>

namespace residua::tool {

Crew::Crew(std::size_t workers, Take take, Work work, std::size_t most_ahead)
    : take_(std::move(take)), work_(std::move(work)), slots_(std::max<std::size_t>(most_ahead, 1)) {
  for (std::size_t i = 0; i < std::max<std::size_t>(workers, 1); ++i) {
    workers_.emplace_back([this, i](const std::stop_token& stop) { run(i, stop); });
  }
}

Crew::~Crew() {
  for (std::jthread& worker : workers_) worker.request_stop();
}

bool Crew::take_group(const std::stop_token& stop, std::vector<ImageInput>& group, std::size_t& number) {
  const std::lock_guard taking(take_mutex_);
  {
    std::unique_lock lock(mutex_);
    const bool may_take =
        room_.wait(lock, stop, [this] { return list_ended_ || taken_ < handed_out_ + slots_.size(); });
    if (!may_take || list_ended_ || stop.stop_requested()) return false;
  }
  std::exception_ptr failure;
  try {
    group = take_(stop);
  } catch (...) {
    failure = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  if (!group.empty()) {
    number = taken_++;
    return true;
  }
  list_ended_ = true;
  if (failure) slots_[taken_++ % slots_.size()] = Finished{{}, std::move(failure)};
  ready_.notify_one();
  return false;
}

void Crew::hand_in(std::size_t number, Finished finished) {
  const std::lock_guard lock(mutex_);
  slots_[number % slots_.size()] = std::move(finished);
  if (number == handed_out_) ready_.notify_one();
}

void Crew::run(std::size_t worker, const std::stop_token& stop) {
  std::vector<ImageInput> group;
  std::size_t number = 0;
  while (take_group(stop, group, number)) {
    Finished finished;
    try {
      finished.outcomes = work_(worker, std::exchange(group, {}));
    } catch (...) {
      finished.failure = std::current_exception();
    }
    hand_in(number, std::move(finished));
  }
}

std::optional<std::vector<Outcome>> Crew::next() {
  Finished finished;
  {
    std::unique_lock lock(mutex_);
    std::optional<Finished>& slot = slots_[handed_out_ % slots_.size()];
    ready_.wait(lock, [&] { return slot.has_value() || (list_ended_ && handed_out_ == taken_); });
    if (!slot) return std::nullopt;
    finished = *std::exchange(slot, std::nullopt);
    ++handed_out_;
    room_.notify_one();  // only the worker that takes waits for room
  }
  if (finished.failure) std::rethrow_exception(finished.failure);
  return std::move(finished.outcomes);
}

}  // namespace residua::tool
