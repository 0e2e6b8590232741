// The file of measured times: what comes back, and what may happen to it.
#include "engine/tuning_cache.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "engine/log.h"
#include "tests/temporary_folder.h"

using namespace residua::engine;
namespace fs = std::filesystem;

namespace {

const std::string host = "a CPU, residua 1";

// A folder of its own, and the log.
struct Folder {
  Folder() {
    set_log_callback([](void* user, const char* message) { *static_cast<std::string*>(user) += message; }, &messages);
  }
  ~Folder() { set_log_callback(nullptr, nullptr); }
  std::size_t files() const { return residua::tests::entries_in(path); }

  residua::tests::TemporaryFolder temporary;
  const fs::path path = temporary.path();
  std::string messages;
};

void keep(const fs::path& folder, const std::string& layer, double milliseconds) {
  TuningCache cache(folder, host);
  cache.add(layer, {{"direct", milliseconds}, {"onednn", 2}});
  cache.save();
}

double kept(const fs::path& folder, const std::string& layer) {
  const TuningCache cache(folder, host);
  const Timings* timings = cache.find(layer);
  return timings ? timings->at("direct") : -1;
}

void write(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }

std::string read(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("what is saved comes back, in a folder that is made for it") {
  const Folder folder;
  const fs::path deep = folder.path / "cache" / "residua";
  keep(deep, "a layer", 0.125);
  CHECK(kept(deep, "a layer") == 0.125);
  CHECK(kept(deep, "another layer") == -1);
  CHECK(folder.messages.empty());
  const TuningCache other(deep, "another CPU, residua 1");
  CHECK(other.find("a layer") == nullptr);
  CHECK(other.file() != TuningCache(deep, host).file());
  CHECK(tuning_host().find("caches") != std::string::npos);
}

TEST_CASE("two writers: nothing is lost, the later measurement of a layer stays") {
  const Folder folder;
  TuningCache first(folder.path, host), second(folder.path, host);
  first.add("a", {{"direct", 1}});
  first.add("both", {{"direct", 2}});
  second.add("b", {{"direct", 3}});
  second.add("both", {{"direct", 4}});
  first.save();
  second.save();
  CHECK(kept(folder.path, "a") == 1);
  CHECK(kept(folder.path, "b") == 3);
  CHECK(kept(folder.path, "both") == 4);
  CHECK(second.find("a") != nullptr);  // learnt while saving
  CHECK(folder.files() == 1);          // no temporary file is left
}

TEST_CASE("a damaged file is reported, used for nothing, and replaced") {
  const std::string beginning = R"({"format": "residua tuning 1", "host": ")" + host + R"(", "layers": )";
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("\x00\xff", 2), std::string("{}"),
        beginning + "{", beginning + "{}}", beginning + "3}", beginning + R"({"a": 3}})",
        beginning + R"({"a": {"direct": "fast"}}})", beginning + R"({"a": {"direct": -1}}})",
        beginning + R"({"a": {"direct": 1e999}}})", beginning + R"({"a": {"direct": 1}}, "checksum": "1"})"}) {
    CAPTURE(text);
    Folder folder;
    const fs::path file = TuningCache(folder.path, host).file();
    write(file, text);
    CHECK(kept(folder.path, "a") == -1);
    CHECK(folder.messages.find("damaged") != std::string::npos);
    keep(folder.path, "b", 1);
    folder.messages.clear();
    CHECK(kept(folder.path, "b") == 1);
    CHECK(folder.messages.empty());
  }
}

TEST_CASE("one changed digit of a kept time is noticed") {
  Folder folder;
  keep(folder.path, "a", 1.5);
  const fs::path file = TuningCache(folder.path, host).file();
  std::string text = read(file);
  const std::size_t place = text.find("1.5");
  REQUIRE(place != std::string::npos);
  text[place] = '3';
  write(file, text);
  folder.messages.clear();
  CHECK(kept(folder.path, "a") == -1);
  CHECK(folder.messages.find("its checksum differs") != std::string::npos);
}

TEST_CASE("a file of another format or CPU, and what is no file, are left as they are") {
  for (const std::string& text :
       {R"({"format": "residua tuning 99", "host": ")" + host + R"(", "layers": {}})",
        std::string(R"({"format": "residua tuning 1", "host": "another", "layers": {"a": {"direct": 1}}})")}) {
    const Folder folder;
    const fs::path file = TuningCache(folder.path, host).file();
    write(file, text);
    CHECK(kept(folder.path, "a") == -1);
    CHECK(folder.messages.find("expected") != std::string::npos);
    keep(folder.path, "b", 1);
    CHECK(read(file) == text);
    CHECK(folder.files() == 1);
  }
  const Folder folder;
  const fs::path file = TuningCache(folder.path, host).file();
  fs::create_directory(file);
  keep(folder.path, "b", 1);
  CHECK(fs::is_directory(file));
  CHECK(folder.messages.find("no regular file") != std::string::npos);
}

TEST_CASE("a folder that nobody can write to is a message") {
  Folder folder;
  write(folder.path / "file", "");
  const fs::path closed = folder.path / "closed";
  fs::create_directory(closed);
  fs::permissions(closed, fs::perms::owner_read | fs::perms::owner_exec);
  // Permissions do not hold for root; nobody makes files under /proc, nor folders in a file.
  for (const fs::path& path : {closed, fs::path("/proc/self"), folder.path / "file" / "residua"}) {
    CAPTURE(path.string());
    if (path == closed && geteuid() == 0) continue;
    folder.messages.clear();
    TuningCache cache(path, host);
    cache.add("a", {{"direct", 1}});
    cache.save();
    CHECK(folder.messages.find("not kept") != std::string::npos);
    CHECK(cache.find("a") != nullptr);  // this process knows it
  }
  fs::permissions(closed, fs::perms::owner_all);
  TuningCache nowhere({}, host);
  nowhere.add("a", {{"direct", 1}});
  nowhere.save();
  CHECK(folder.messages.find("XDG_CACHE_HOME") != std::string::npos);
}

TEST_CASE("a disk without room is a message, and what was kept stays") {
  Folder folder;
  keep(folder.path, "a", 1);
  // A limit on the size of files fails writing as a full disk does.
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit none{0, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &none) == 0);
  keep(folder.path, "b", 1);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(folder.messages.find("not kept") != std::string::npos);
  CHECK(kept(folder.path, "a") == 1);
  CHECK(kept(folder.path, "b") == -1);
  CHECK(folder.files() == 1);
}
