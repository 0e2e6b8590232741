#include "tools/output_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "tests/temporary_folder.h"
#include "tools/command.h"

namespace residua::tool {
namespace {

using tests::content_of;
using tests::entries_in;
using tests::TemporaryFolder;
using tests::write_content;

TEST_CASE("a finished file holds what was written, and nothing else is left") {
  const TemporaryFolder folder;
  const std::string path = folder.file("results.txt");
  std::string expected;
  {
    OutputFile file(path);
    for (int i = 0; i < 50000; ++i) {
      const std::string line = "line " + std::to_string(i) + "\n";
      expected += line;
      file.write(line);
    }
    CHECK_FALSE(std::filesystem::exists(path));  // not before it is whole
    file.finish();
  }
  CHECK(content_of(path) == expected);
  CHECK(entries_in(folder.path()) == 1);
}

TEST_CASE("an abandoned file leaves what was there before") {
  const TemporaryFolder folder;
  const std::string path = folder.file("results.txt");
  SUBCASE("nothing") {
    { OutputFile(path).write("half"); }
    CHECK(entries_in(folder.path()) == 0);
  }
  SUBCASE("an older file") {
    write_content(path, "older");
    {
      OutputFile file(path);
      file.write("half");
      file.flush();
    }
    CHECK(content_of(path) == "older");
    CHECK(entries_in(folder.path()) == 1);
  }
}

TEST_CASE("a replaced file keeps its permissions, and a link stays a link") {
  const TemporaryFolder folder;
  write_content(folder.file("real"), "older");
  REQUIRE(chmod(folder.file("real").c_str(), 0640) == 0);
  std::filesystem::create_symlink("real", folder.file("link"));
  OutputFile file(folder.file("link"));
  file.write("newer");
  file.finish();
  CHECK(std::filesystem::is_symlink(folder.file("link")));
  CHECK(content_of(folder.file("real")) == "newer");
  struct stat status {};
  REQUIRE(stat(folder.file("real").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0640);
}

TEST_CASE("what cannot be written is named when it is opened") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH_AS(OutputFile(folder.file("no/such/folder")),
                       doctest::Contains("no/such/folder: cannot be written"), OutputError);
  CHECK_THROWS_AS(OutputFile(folder.path().string()), OutputError);
  write_content(folder.file("file"), "x");
  CHECK_THROWS_AS(OutputFile(folder.file("file/below")), OutputError);
  CHECK(entries_in(folder.path()) == 1);
}

TEST_CASE("a device is written directly and stays a device") {
  OutputFile null("/dev/null");
  null.write("gone");
  null.finish();
  CHECK(std::filesystem::is_character_file("/dev/null"));
}

TEST_CASE("a full disk is an error") {
  if (!std::filesystem::exists("/dev/full")) {
    MESSAGE("no /dev/full here");
    return;
  }
  OutputFile full("/dev/full");
  full.write("some bytes");
  CHECK_THROWS_WITH_AS(full.finish(), doctest::Contains("/dev/full: cannot be written"), OutputError);
}

// Runs `body` in a child of its own and returns how that ended.
template <class Body>
int status_of_child(const Body& body) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    body();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

TEST_CASE("a file that grows beyond what is allowed leaves nothing behind") {
  const TemporaryFolder folder;
  const int status = status_of_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 1000, .rlim_max = 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    try {
      OutputFile file(folder.file("results"));
      file.write(std::string(5000, 'x'));
      file.finish();
    } catch (const OutputError&) {
      _exit(7);
    }
  });
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 7);
  CHECK(entries_in(folder.path()) == 0);
}

TEST_CASE("a model file that is cut short under the program's hands ends it as an unusable model does") {
  const TemporaryFolder folder;
  write_content(folder.file("model"), std::string(20000, 'x'));
  int words[2];
  REQUIRE(pipe(words) == 0);
  const int status = status_of_child([&] {
    dup2(words[1], STDERR_FILENO);
    guard_mapped_files();
    OutputFile file(folder.file("results"));
    file.write("half");
    file.flush();
    const int model = open(folder.file("model").c_str(), O_RDONLY);
    const void* mapped = mmap(nullptr, 20000, PROT_READ, MAP_PRIVATE, model, 0);
    if (mapped == MAP_FAILED || truncate(folder.file("model").c_str(), 100) != 0) _exit(9);
    _exit(static_cast<const volatile char*>(mapped)[16000] + 100);
  });
  close(words[1]);
  std::string said(200, '\0');
  said.resize(static_cast<std::size_t>(std::max(ssize_t{0}, read(words[0], said.data(), said.size()))));
  close(words[0]);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == model_unusable);
  CHECK(said == "residua: a model file was cut short while it was in use\n");
  CHECK(entries_in(folder.path()) == 1);
}

TEST_CASE("a signal ends the program and leaves nothing behind") {
  const TemporaryFolder folder;
  const int status = status_of_child([&] {
    // The test runner's own handlers are not what a program of ours has.
    std::signal(SIGTERM, SIG_DFL);
    OutputFile file(folder.file("results"));
    file.write("half");
    file.flush();
    std::raise(SIGTERM);
  });
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGTERM);
  CHECK(entries_in(folder.path()) == 0);
}

}  // namespace
}  // namespace residua::tool
