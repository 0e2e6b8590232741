#include "tools/image_queue.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <new>
#include <stdexcept>

namespace residua::tool {
namespace {

std::vector<std::uint8_t> bytes_of(std::size_t index) {
  return {static_cast<std::uint8_t>(index & 0xFF), static_cast<std::uint8_t>(index >> 8)};
}

TEST_CASE("images come in order whatever each takes, failures in their places") {
  constexpr std::size_t count = 300;
  struct Settings {
    std::size_t workers;
    std::size_t capacity;
  };
  for (const Settings& settings : {Settings{1, 1}, Settings{4, 1}, Settings{3, 5}, Settings{8, 1000}}) {
    CAPTURE(settings.workers);
    CAPTURE(settings.capacity);
    ImageQueue queue(
        count,
        [](std::size_t index) {
          if (index % 7 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
          if (index % 10 == 3) throw std::runtime_error("image " + std::to_string(index));
          if (index % 100 == 50) throw std::bad_alloc();
          return bytes_of(index);
        },
        settings.workers, settings.capacity);
    for (std::size_t i = 0; i < count; ++i) {
      const auto image = queue.next();
      REQUIRE(image.has_value());
      if (i % 10 == 3) {
        CHECK(image->error == "image " + std::to_string(i));
        CHECK(image->pixels.empty());
      } else if (i % 100 == 50) {
        CHECK(image->error == "out of memory");
      } else {
        CHECK(image->error.empty());
        CHECK(image->pixels == bytes_of(i));
      }
    }
    CHECK_FALSE(queue.next().has_value());
    CHECK_FALSE(queue.next().has_value());
  }
}

TEST_CASE("no more than the capacity is made ahead") {
  constexpr std::size_t capacity = 4;
  std::atomic<std::size_t> started{0};
  std::atomic<std::size_t> taken{0};
  std::atomic<bool> bounded{true};
  ImageQueue queue(
      100,
      [&](std::size_t index) {
        // `taken` is counted after next() returns, so a worker may be one image ahead of it.
        if (++started > taken + capacity + 1) bounded = false;
        return bytes_of(index);
      },
      8, capacity);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(started <= capacity);
  while (queue.next()) ++taken;
  CHECK(taken == 100);
  CHECK(bounded);
}

TEST_CASE("an empty list, and a queue that is left early") {
  ImageQueue empty(
      0, [](std::size_t index) { return bytes_of(index); }, 4, 4);
  CHECK_FALSE(empty.next().has_value());
  for (int i = 0; i < 50; ++i) {
    ImageQueue left(
        1000, [](std::size_t index) { return bytes_of(index); }, 3, 6);
    CHECK(left.next().has_value());
  }
}

}  // namespace
}  // namespace residua::tool
