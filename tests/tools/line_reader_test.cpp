#include "tools/line_reader.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

namespace residua::tool {
namespace {

class Pipe {
 public:
  Pipe() { REQUIRE(pipe(ends_) == 0); }
  ~Pipe() {
    end();
    close(ends_[0]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int reading_end() const { return ends_[0]; }
  void give(const std::string& text) const {
    REQUIRE(write(ends_[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  void end() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  int ends_[2];
};

TEST_CASE("lines come as they are written, in whatever pieces") {
  Pipe pipe;
  LineReader reader(pipe.reading_end());
  CHECK_FALSE(reader.next().has_value());
  pipe.give("one\n\nthr");
  CHECK(reader.next() == "one");
  CHECK(reader.next() == "");
  CHECK_FALSE(reader.next().has_value());
  pipe.give("ee\n");
  CHECK(reader.wait_for_next({}) == "three");
  const std::string long_line(50'000, 'x');
  pipe.give(long_line);
  CHECK_FALSE(reader.next().has_value());
  pipe.give("y\nno end");
  CHECK(reader.next() == long_line + "y");
  CHECK_FALSE(reader.ended());
  pipe.end();
  CHECK(reader.wait_for_next({}) == "no end");
  CHECK(reader.ended());
  CHECK_FALSE(reader.wait_for_next({}).has_value());
}

TEST_CASE("an empty stream, and one that cannot be read, have no lines") {
  Pipe pipe;
  LineReader reader(pipe.reading_end());
  pipe.end();
  CHECK_FALSE(reader.next().has_value());
  CHECK(reader.ended());
  LineReader closed(1'000'000);
  CHECK_FALSE(closed.wait_for_next({}).has_value());
  CHECK(closed.ended());
}

TEST_CASE("a wait ends with a line, or with a request to stop") {
  const Pipe pipe;
  LineReader reader(pipe.reading_end());
  std::optional<std::string> first, second = "not yet";
  std::jthread waiting([&](const std::stop_token& stop) {
    first = reader.wait_for_next(stop);
    second = reader.wait_for_next(stop);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  pipe.give("a line\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  waiting.request_stop();
  waiting.join();
  if (first) CHECK(first == "a line");
  CHECK_FALSE(second.has_value());
  CHECK_FALSE(reader.ended());
}

}  // namespace
}  // namespace residua::tool
