#include "tools/line_reader.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <system_error>

namespace residua::tool {

LineReader::LineReader(int descriptor) : descriptor_(descriptor), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (wake_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

LineReader::~LineReader() { close(wake_); }

std::optional<std::string> LineReader::take_line() {
  const std::size_t newline = bytes_.find('\n', scanned_);
  if (newline == std::string::npos) {
    scanned_ = bytes_.size();
    if (!at_end_ || begin_ == bytes_.size()) return std::nullopt;
    std::string line = bytes_.substr(begin_);  // the last one, without a newline
    begin_ = bytes_.size();
    return line;
  }
  std::string line = bytes_.substr(begin_, newline - begin_);
  begin_ = scanned_ = newline + 1;
  return line;
}

bool LineReader::fill(int milliseconds) {
  std::array<pollfd, 2> sources{{{descriptor_, POLLIN, 0}, {wake_, POLLIN, 0}}};
  if (poll(sources.data(), sources.size(), milliseconds) < 0) return errno == EINTR;
  if (sources[1].revents != 0 || sources[0].revents == 0) return false;
  bytes_.erase(0, begin_);
  scanned_ -= begin_;
  begin_ = 0;
  constexpr std::size_t at_once = 1 << 16;
  const std::size_t present = bytes_.size();
  bytes_.resize(present + at_once);
  const ssize_t came = read(descriptor_, bytes_.data() + present, at_once);
  const bool again = came < 0 && (errno == EINTR || errno == EAGAIN);
  bytes_.resize(present + static_cast<std::size_t>(came > 0 ? came : 0));
  if (came <= 0 && !again) at_end_ = true;  // also where it cannot be read: there is no list then
  return true;
}

std::optional<std::string> LineReader::next() {
  while (true) {
    if (auto line = take_line()) return line;
    if (at_end_ || !fill(0)) return std::nullopt;
  }
}

std::optional<std::string> LineReader::wait_for_next(const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] {
    const std::uint64_t one = 1;
    static_cast<void>(!write(wake_, &one, sizeof one));
  });
  while (!stop.stop_requested()) {
    if (auto line = take_line()) return line;
    if (at_end_) return std::nullopt;
    fill(-1);
  }
  return std::nullopt;
}

}  // namespace residua::tool
