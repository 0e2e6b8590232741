#include "tools/image_groups.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>

namespace residua::tool {
namespace {

// Paths that are not there are images all the same.
ImageGroups groups_of(std::size_t count, std::size_t threads, std::size_t batch) {
  return {{std::vector<std::string>(count, "no/such/image"), -1}, threads, batch};
}

std::vector<std::size_t> sizes_of(ImageGroups& groups) {
  std::vector<std::size_t> sizes;
  while (true) {
    const std::size_t size = groups.take({}).size();
    if (size == 0) return sizes;
    sizes.push_back(size);
  }
}

TEST_CASE("whole batches first, then fewer and fewer") {
  ImageGroups groups = groups_of(51, 2, 8);
  CHECK(groups.workers() == 2);
  CHECK(groups.total() == 51);
  CHECK(sizes_of(groups) == std::vector<std::size_t>{8, 8, 8, 4, 4, 4, 2, 2, 2, 2, 2, 2, 3});
  CHECK(groups.total() == 51);
}

TEST_CASE("every image is in a group, none larger than a batch, and single ones only in short lists") {
  for (std::size_t count = 0; count < 70; ++count) {
    for (const std::size_t threads : {1U, 2U, 3U, 16U}) {
      for (const std::size_t batch : {1U, 2U, 3U, 8U, 100U}) {
        CAPTURE(count);
        CAPTURE(threads);
        CAPTURE(batch);
        ImageGroups groups = groups_of(count, threads, batch);
        CHECK(groups.workers() == std::clamp<std::size_t>(count, 1, threads));
        const std::vector<std::size_t> sizes = sizes_of(groups);
        CHECK(std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}) == count);
        for (const std::size_t size : sizes) CHECK(size <= batch);
        if (batch > 2 && count >= 4 * threads) CHECK(std::count(sizes.begin(), sizes.end(), 1) == 0);
        if (count <= threads) CHECK(sizes.size() == count);
      }
    }
  }
}

TEST_CASE("a list that is slow to come is taken as it comes") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  ImageGroups groups({{"-"}, ends[0]}, 2, 8);
  CHECK(groups.workers() == 2);
  CHECK_FALSE(groups.total().has_value());
  REQUIRE(write(ends[1], "a\n", 2) == 2);
  CHECK(groups.take({}).size() == 1);
  std::string many;
  for (int i = 0; i < 100; ++i) many += "b\n";
  REQUIRE(write(ends[1], many.data(), many.size()) == static_cast<ssize_t>(many.size()));
  CHECK(groups.take({}).size() == 8);
  CHECK_FALSE(groups.total().has_value());
  close(ends[1]);
  while (!groups.take({}).empty()) {
  }
  CHECK(groups.total() == 101);
  close(ends[0]);
}

}  // namespace
}  // namespace residua::tool
