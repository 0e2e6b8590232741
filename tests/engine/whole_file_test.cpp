// Files that appear whole or not at all.
#include "engine/whole_file.h"

#include <doctest/doctest.h>

#include "tests/temporary_folder.h"

namespace residua::tests {
namespace {

using engine::WholeFile;

graph::Status write(WholeFile& file, const std::string& text) { return file.write(std::as_bytes(std::span(text))); }

TEST_CASE("a file is there once it is finished, and leaves nothing when it is not") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  {
    auto file = WholeFile::create(path);
    REQUIRE(file.ok());
    CHECK(write(*file, "half").ok());
    CHECK_FALSE(std::filesystem::exists(path));
  }
  CHECK(entries_in(folder.path()) == 0);
  write_content(path, "older");
  auto one = WholeFile::create(path), other = WholeFile::create(path);
  REQUIRE((one.ok() && other.ok()));
  CHECK(write(*one, "first").ok());
  CHECK(write(*other, "second").ok());
  CHECK(content_of(path) == "older");
  CHECK(other->finish().ok());
  CHECK(content_of(path) == "second");
  CHECK(one->finish().ok());
  CHECK(content_of(path) == "first");
  CHECK(entries_in(folder.path()) == 1);
}

TEST_CASE("a folder that is not there is named") {
  const auto file = WholeFile::create("/no/such/folder/file");
  REQUIRE_FALSE(file.ok());
  CHECK(file.error().code == graph::ErrorCode::io);
  CHECK(file.error().message.find("/no/such/folder/file: cannot be written: ") == 0);
}

}  // namespace
}  // namespace residua::tests
