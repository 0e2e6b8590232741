// Workers that classify a list of images in groups, and outcomes in the list's order.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "tools/image_paths.h"
#include "tools/outcome.h"

namespace residua::tool {

// Each worker takes a group of images, does with it all there is to do, and takes the next: none waits for another as
// long as no more than `most_ahead` groups are under way or finished and not yet asked for, which bounds memory however
// long the list. next() is for one thread; ending the crew early stops each worker after the group it is at.
class Crew {
 public:
  // The next images of the list; none at its end, or when a stop is requested. Called by one worker at a time.
  using Take = std::function<std::vector<ImageInput>(const std::stop_token& stop)>;
  // The outcomes of a group. Called by all workers at once, each with its number.
  using Work = std::function<std::vector<Outcome>(std::size_t worker, std::vector<ImageInput> group)>;

  // `workers` and `most_ahead`: at least 1.
  Crew(std::size_t workers, Take take, Work work, std::size_t most_ahead);
  ~Crew();

  // Waits for the outcomes of the next group; nothing after the last one. Throws what taking or working on it threw.
  std::optional<std::vector<Outcome>> next();

 private:
  struct Finished {
    std::vector<Outcome> outcomes;
    std::exception_ptr failure;
  };

  void run(std::size_t worker, const std::stop_token& stop);
  // Takes a group and its number; false where there is nothing more to do.
  bool take_group(const std::stop_token& stop, std::vector<ImageInput>& group, std::size_t& number);
  void hand_in(std::size_t number, Finished finished);

  const Take take_;
  const Work work_;
  std::mutex take_mutex_;  // held while a worker takes, so that numbers follow the list; before mutex_
  std::mutex mutex_;
  std::condition_variable_any room_;
  std::condition_variable ready_;
  std::vector<std::optional<Finished>> slots_;  // group i waits in slot i % most_ahead
  std::size_t taken_ = 0;                       // groups below have been taken by a worker
  std::size_t handed_out_ = 0;                  // groups below have been given away
  bool list_ended_ = false;
  std::vector<std::jthread> workers_;  // last: ends before what it uses
};

}  // namespace residua::tool
