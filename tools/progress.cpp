#include "tools/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "tools/report.h"

namespace residua::tool {
namespace {

constexpr std::size_t a_few = 8;  // images that are done before anyone wonders
constexpr auto redraw_interval = std::chrono::milliseconds(150);
constexpr std::size_t widest_bar = 30;

bool can_draw() {
  const char* terminal = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

std::size_t terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string duration_text(double seconds) {
  const long long whole = std::llround(seconds);
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
}

}  // namespace

std::string progress_line(std::size_t done, std::optional<std::size_t> total, double seconds, std::size_t columns,
                          const std::string& unit, std::size_t already) {
  std::string text = "  " + std::to_string(done);
  if (total) {
    const std::string total_text = std::to_string(*total);
    text.insert(2, total_text.size() + 2 - std::min(text.size(), total_text.size() + 2), ' ');
    text += "/" + total_text;
  }
  if (done > already && seconds > 0) {
    const double rate = static_cast<double>(done - already) / seconds;
    text += "  " + fixed(rate, rate < 100 ? 1 : 0) + " " + unit + "/s";
    if (total) text += "  " + duration_text(static_cast<double>(*total - done) / rate) + " left";
  }
  const std::size_t width = total && columns > text.size() + 2 ? std::min(widest_bar, columns - text.size() - 2) : 0;
  if (width >= 4) {
    const std::size_t filled = *total == 0 ? width : width * done / *total;
    text = "[" + std::string(filled, '#') + std::string(width - filled, '-') + "]" + text;
  }
  return text.substr(0, columns);
}

Progress::Progress(std::string unit, std::size_t already)
    : enabled_(can_draw()), unit_(std::move(unit)), already_(already), start_(Clock::now()) {}

Progress::~Progress() { erase(); }

void Progress::update(std::size_t done, std::optional<std::size_t> total) {
  if (!enabled_ || total.value_or(done) <= a_few) return;
  const Clock::time_point now = Clock::now();
  if (visible_ && now - drawn_ < redraw_interval) return;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  // One column is left free: writing the last one wraps the line on some terminals.
  const std::string line = progress_line(done, total, seconds, terminal_columns() - 1, unit_, already_);
  std::fprintf(stderr, "\r%s\033[K", line.c_str());
  std::fflush(stderr);
  drawn_ = now;
  visible_ = true;
}

void Progress::erase() {
  if (!visible_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  visible_ = false;
}

}  // namespace residua::tool
