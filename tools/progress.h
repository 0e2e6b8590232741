// How far a long run is, for someone who watches.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace residua::tool {

// A line on standard error that is redrawn in place and erased at the end. Draws nothing unless standard error is a
// terminal and there is more than a little to do. For one thread.
class Progress {
 public:
  // What is counted, and how many of them were done before it began.
  explicit Progress(std::string unit = "images", std::size_t already = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` are done, of `total` where that is known. Redraws a few times a second at most.
  void update(std::size_t done, std::optional<std::size_t> total);

  // Takes the line away, so that something else can be written; the next update brings it back.
  void erase();

 private:
  using Clock = std::chrono::steady_clock;

  const bool enabled_;
  const std::string unit_;
  const std::size_t already_;
  const Clock::time_point start_;
  Clock::time_point drawn_{};
  bool visible_ = false;
};

// "[########--------]  120/240  34.2 images/s  3 s left", or "  120  34.2 images/s" without a total; at most `columns`
// wide. The first `already` took none of the seconds.
std::string progress_line(std::size_t done, std::optional<std::size_t> total, double seconds, std::size_t columns,
                          const std::string& unit = "images", std::size_t already = 0);

}  // namespace residua::tool
