// Where test data lies.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

namespace residua::tests {

// The root of the source tree (meson sets RESIDUA_SOURCE_ROOT for every test).
inline std::filesystem::path source_root() {
  const char* root = std::getenv("RESIDUA_SOURCE_ROOT");
  REQUIRE_MESSAGE(root != nullptr, "RESIDUA_SOURCE_ROOT is not set: run through `meson test`");
  return root;
}

// The shared evaluation data (photos, real weights), which is no part of the project: RESIDUA_TEST_DATA, or
// ../shared/data beside the checkout. Empty where there is none; tests that need it then say so and pass.
inline std::filesystem::path evaluation_data() {
  const char* given = std::getenv("RESIDUA_TEST_DATA");
  const std::filesystem::path folder = given ? std::filesystem::path(given) : source_root() / ".." / "shared" / "data";
  return std::filesystem::exists(folder / "imagenet1k.tsv") ? folder : std::filesystem::path{};
}

}  // namespace residua::tests
