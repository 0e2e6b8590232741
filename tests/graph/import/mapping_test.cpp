// Mapped files: their pages leave memory when asked, and come back.
#include "graph/mapping.h"

#include <doctest/doctest.h>

#include <numeric>

#include "graph/import/import.h"
#include "tests/resident_memory.h"
#include "tests/temporary_folder.h"

namespace residua::tests {
namespace {

using namespace graph;

constexpr std::size_t file_size = (1 << 20) + 12345;

char byte_at(std::size_t i) { return static_cast<char>(i * 7 + i / 251); }

std::filesystem::path write_file(const TemporaryFolder& folder) {
  std::string content(file_size, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = byte_at(i);
  write_content(folder.path() / "file", content);
  return folder.path() / "file";
}

bool is_intact(const FileBytes& bytes) {
  for (std::size_t i = 0; i < bytes.size; ++i)
    if (bytes.span()[i] != static_cast<std::byte>(byte_at(i))) return false;
  return true;
}

TEST_CASE("the pages of a mapped file are given back and read again") {
  const TemporaryFolder folder;
  const auto path = write_file(folder);
  const auto bytes = map_file(path);
  REQUIRE(bytes.ok());
  REQUIRE(bytes->file != nullptr);
  CHECK(is_intact(*bytes));
  CHECK(resident_bytes(path) >= file_size);
  give_back_pages(bytes->piece(0, bytes->size));
  CHECK(resident_bytes(path) == 0);
  CHECK(is_intact(*bytes));
  // Pieces at the ends reach no further than the file does.
  for (const auto& [offset, length] : {std::pair<std::size_t, std::size_t>{1, 1}, {file_size - 1, 1}, {70000, 0}}) {
    const std::size_t before = resident_bytes(path);
    give_back_pages(bytes->piece(offset, length));
    CHECK((resident_bytes(path) < before) == (length > 0));
    CHECK(is_intact(*bytes));
  }
}

TEST_CASE("memory that is no file's stays as it is") {
  std::vector<float> values(100000);
  std::iota(values.begin(), values.end(), 1.0F);
  const Tensor tensor = make_float_constant("t", {100000}, values);
  give_back_pages(tensor.constant);
  CHECK(read_floats(tensor) == values);
  give_back_pages({});
}

}  // namespace
}  // namespace residua::tests
