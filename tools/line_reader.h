// The lines of a stream, as they come.
#pragma once

#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>

namespace residua::tool {

// Reads a descriptor, which stays its owner's. For one thread at a time.
class LineReader {
 public:
  explicit LineReader(int descriptor);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // The next line without its end, if it is there already; nothing where more would have to come first, or never will.
  std::optional<std::string> next();
  // Waits for the next line; nothing at the end, or when a stop is requested.
  std::optional<std::string> wait_for_next(const std::stop_token& stop);
  // Whether every line has been given.
  bool ended() const { return at_end_ && begin_ == bytes_.size(); }

 private:
  std::optional<std::string> take_line();
  // Reads what there is. False where nothing can be read without waiting longer than `milliseconds` (-1: for ever).
  bool fill(int milliseconds);

  const int descriptor_;
  int wake_ = -1;  // an eventfd: readable once a stop has been requested
  bool at_end_ = false;
  std::string bytes_;
  std::size_t begin_ = 0;    // bytes before have been given
  std::size_t scanned_ = 0;  // no line ends between begin_ and here
};

}  // namespace residua::tool
