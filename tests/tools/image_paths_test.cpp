#include "tools/image_paths.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/temporary_folder.h"

namespace residua::tool {
namespace {

using tests::TemporaryFolder;
using tests::write_content;

std::vector<ImageInput> collect(const std::vector<std::string>& arguments, const std::string& list = "") {
  const TemporaryFolder folder;
  write_content(folder.file("list"), list);
  const int descriptor = open(folder.file("list").c_str(), O_RDONLY | O_CLOEXEC);
  ImagePaths paths(arguments, descriptor);
  std::vector<ImageInput> images;
  while (auto image = paths.next({})) images.push_back(std::move(*image));
  close(descriptor);
  return images;
}

std::vector<std::string> paths_of(const std::vector<ImageInput>& images) {
  std::vector<std::string> paths;
  for (const ImageInput& image : images) {
    CAPTURE(image.path);
    CHECK(image.error == "");
    paths.push_back(image.path);
  }
  return paths;
}

TEST_CASE("known suffixes, in either case") {
  for (const char* name : {"a.jpg", "a.JPG", "a.b.jpeg", "a.png", "x/a.WebP", "a.jpe", "a.jfif"}) {
    CAPTURE(name);
    CHECK(has_image_suffix(name));
  }
  for (const char* name : {"a.txt", "jpg", ".jpg", "a.jpg.txt", "a.jpgx", "a.jpg/b", ""}) {
    CAPTURE(name);
    CHECK_FALSE(has_image_suffix(name));
  }
}

TEST_CASE("a folder gives its images at any depth, sorted") {
  const TemporaryFolder folder;
  for (const char* name : {"b.jpg", "a.png", "notes.txt", "deep/er/c.webp", "deep/a.jpg", "z/z.JPG"}) {
    write_content(folder.file(name), "");
  }
  CHECK(paths_of(collect({folder.path().string()})) ==
        std::vector<std::string>{folder.file("a.png"), folder.file("b.jpg"), folder.file("deep/a.jpg"),
                                 folder.file("deep/er/c.webp"), folder.file("z/z.JPG")});
}

TEST_CASE("arguments keep their order, and files their names whatever the suffix") {
  const TemporaryFolder folder;
  for (const char* name : {"b.jpg", "a", "f/c.png"}) write_content(folder.file(name), "");
  CHECK(paths_of(collect({folder.file("b.jpg"), folder.file("f"), folder.file("a"), folder.file("b.jpg")})) ==
        std::vector<std::string>{folder.file("b.jpg"), folder.file("f/c.png"), folder.file("a"), folder.file("b.jpg")});
}

TEST_CASE("links to files count, links to folders are not followed, so a loop ends") {
  const TemporaryFolder folder;
  write_content(folder.file("f/a.jpg"), "");
  std::filesystem::create_symlink("a.jpg", folder.file("f/b.jpg"));
  std::filesystem::create_directory_symlink("..", folder.file("f/up"));
  std::filesystem::create_directory_symlink(".", folder.file("f/self.jpg"));
  std::filesystem::create_symlink("itself.png", folder.file("f/itself.png"));
  const auto images = collect({folder.file("f")});
  REQUIRE(images.size() == 3);
  CHECK(images[0].path == folder.file("f/a.jpg"));
  CHECK(images[1].path == folder.file("f/b.jpg"));
  CHECK(images[2].path == folder.file("f/itself.png"));  // reading it will say what is wrong

  // Given by name, a link to a folder is that folder.
  std::filesystem::create_directory_symlink("f", folder.file("link"));
  CHECK(collect({folder.file("link")}).size() == 3);
}

TEST_CASE("what is not there, or holds nothing, is an entry with an error") {
  const TemporaryFolder folder;
  write_content(folder.file("f/notes.txt"), "");
  const auto images = collect({folder.file("none.jpg"), folder.file("f"), folder.file("f/notes.txt/x")});
  REQUIRE(images.size() == 3);
  CHECK(images[0].path == folder.file("none.jpg"));
  CHECK(images[0].error == "no such file or folder");
  CHECK(images[1].path == folder.file("f"));
  CHECK(images[1].error.find("no image in this folder") != std::string::npos);
  CHECK(images[2].error != "");
  CHECK(collect({std::string(5000, 'x')}).at(0).error.find("cannot be opened") == 0);
}

TEST_CASE("a dash stands for the paths in the list") {
  const TemporaryFolder folder;
  for (const char* name : {"b.jpg", "a b.png", "f/c.png"}) write_content(folder.file(name), "");
  const std::string list =
      folder.file("b.jpg") + "\r\n\n" + folder.file("f") + "\n" + folder.file("a b.png");  // no newline at the end
  CHECK(paths_of(collect({folder.file("a b.png"), "-"}, list)) ==
        std::vector<std::string>{folder.file("a b.png"), folder.file("b.jpg"), folder.file("f/c.png"),
                                 folder.file("a b.png")});
  CHECK(collect({"-"}, "").empty());
}

TEST_CASE("arguments are known ahead, a list only as far as asked for and as it has come") {
  const TemporaryFolder folder;
  for (const char* name : {"f/a.jpg", "f/b.jpg", "c.jpg"}) write_content(folder.file(name), "");
  ImagePaths plain({folder.file("f"), folder.file("c.jpg")}, -1);
  CHECK(plain.look_ahead(1) == 3);
  CHECK(plain.all_known());

  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const auto give = [&](const std::string& text) {
    REQUIRE(write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  };
  ImagePaths listed({"-", folder.file("c.jpg")}, ends[0]);
  CHECK(listed.look_ahead(10) == 0);
  give("x\ny\nz\nhal");
  CHECK(listed.look_ahead(2) == 2);
  CHECK(listed.look_ahead(10) == 3);
  CHECK_FALSE(listed.all_known());
  CHECK(listed.next({})->path == "x");
  give("f\n");
  CHECK(listed.look_ahead(10) == 3);
  close(ends[1]);
  CHECK(listed.look_ahead(10) == 4);
  CHECK(listed.all_known());
  for (const std::string& path : {std::string("y"), std::string("z"), std::string("half"), folder.file("c.jpg")}) {
    CHECK(listed.next({})->path == path);
  }
  CHECK_FALSE(listed.next({}).has_value());
  close(ends[0]);
}

}  // namespace
}  // namespace residua::tool
