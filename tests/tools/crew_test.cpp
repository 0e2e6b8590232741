#include "tools/crew.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

namespace residua::tool {
namespace {

// The names "0", "1", ... below `count`, in groups of 1 to 5.
Crew::Take numbers(std::size_t count) {
  return [next = std::make_shared<std::size_t>(0), count](const std::stop_token&) {
    std::vector<ImageInput> group;
    for (std::size_t size = *next % 5 + 1; size > 0 && *next < count; --size) {
      group.push_back({std::to_string((*next)++), ""});
    }
    return group;
  };
}

std::vector<Outcome> echo(const std::vector<ImageInput>& group) {
  std::vector<Outcome> outcomes;
  for (const ImageInput& image : group) outcomes.push_back({image.path, "", {}, ""});
  return outcomes;
}

std::size_t number_of(const std::vector<ImageInput>& group) { return std::stoul(group.at(0).path); }

TEST_CASE("outcomes come in the list's order whatever each group takes") {
  struct Settings {
    std::size_t workers, most_ahead;
  };
  for (const Settings& settings : {Settings{1, 1}, Settings{4, 1}, Settings{3, 5}, Settings{8, 1000}}) {
    CAPTURE(settings.workers);
    CAPTURE(settings.most_ahead);
    std::vector<std::atomic<int>> at_work(settings.workers);
    std::atomic<bool> alone{true};
    Crew crew(
        settings.workers, numbers(500),
        [&](std::size_t worker, const std::vector<ImageInput>& group) {
          if (at_work.at(worker)++ != 0) alone = false;
          if (number_of(group) % 7 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
          --at_work[worker];
          return echo(group);
        },
        settings.most_ahead);
    std::size_t expected = 0;
    while (const auto outcomes = crew.next()) {
      for (const Outcome& outcome : *outcomes) CHECK(outcome.path == std::to_string(expected++));
    }
    CHECK(expected == 500);
    CHECK(alone);
    CHECK_FALSE(crew.next().has_value());
  }
}

TEST_CASE("no more than so many groups are ahead of the one that is asked for") {
  constexpr std::size_t most_ahead = 4;
  std::atomic<std::size_t> taken{0}, given{0};
  std::atomic<bool> bounded{true};
  const Crew::Take take = numbers(300);
  Crew crew(
      8,
      [&](const std::stop_token& stop) {
        // `given` is counted after next() returns, so there may be one more than it says.
        if (++taken > given + most_ahead + 1) bounded = false;
        return take(stop);
      },
      [](std::size_t, const std::vector<ImageInput>& group) { return echo(group); }, most_ahead);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(taken <= most_ahead);
  while (crew.next()) ++given;
  CHECK(given == 120);  // of 300 images, sizes 1, 2, 4 and 3 in turns
  CHECK(bounded);
}

TEST_CASE("a slow group does not keep the others from going on") {
  std::atomic<std::size_t> done{0};
  std::atomic<bool> others_went_on{false};
  Crew crew(
      2, numbers(60),
      [&](std::size_t, const std::vector<ImageInput>& group) {
        if (number_of(group) == 0) {
          for (int i = 0; i < 2000 && done < 10; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
          others_went_on = done >= 10;
        }
        ++done;
        return echo(group);
      },
      100);
  CHECK(crew.next().has_value());
  CHECK(others_went_on);
}

TEST_CASE("what a group throws comes in its place") {
  for (const std::size_t workers : {1U, 3U}) {
    Crew crew(
        workers, numbers(40),
        [](std::size_t, const std::vector<ImageInput>& group) {
          if (number_of(group) >= 20) throw std::runtime_error("from " + group.at(0).path);
          return echo(group);
        },
        4);
    std::size_t images = 0;
    std::string message;
    try {
      while (const auto outcomes = crew.next()) images += outcomes->size();
    } catch (const std::runtime_error& error) {
      message = error.what();
    }
    CHECK(message == "from " + std::to_string(images));
    CHECK(images >= 20);
  }
}

TEST_CASE("what taking a group throws comes after the groups before") {
  const Crew::Take take = numbers(100);
  int groups = 0;
  Crew crew(
      3,
      [&](const std::stop_token& stop) {
        if (++groups > 5) throw std::runtime_error("no list");
        return take(stop);
      },
      [](std::size_t, const std::vector<ImageInput>& group) { return echo(group); }, 4);
  for (int i = 0; i < 5; ++i) CHECK(crew.next().has_value());
  CHECK_THROWS_WITH(crew.next(), "no list");
  CHECK_FALSE(crew.next().has_value());
}

TEST_CASE("an empty list, and a crew that is left early") {
  const Crew::Work work = [](std::size_t, const std::vector<ImageInput>& group) { return echo(group); };
  Crew empty(4, numbers(0), work, 4);
  CHECK_FALSE(empty.next().has_value());
  for (int i = 0; i < 50; ++i) {
    Crew left(3, numbers(1000), work, 6);
    CHECK(left.next().has_value());
  }
  // One worker waits for the list, the others for their turn to take.
  const Crew waiting(
      3,
      [](const std::stop_token& stop) {
        while (!stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return std::vector<ImageInput>();
      },
      work, 6);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

}  // namespace
}  // namespace residua::tool
