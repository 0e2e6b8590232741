// Packed model files and the cache: the same network and bits, from whatever is there.
#include <doctest/doctest.h>

#include <chrono>
#include <random>
#include <thread>

#include "engine/context.h"
#include "engine/log.h"
#include "graph/text.h"
#include "tests/data.h"
#include "tests/resident_memory.h"
#include "tests/sanitized.h"
#include "tests/temporary_folder.h"

namespace residua::tests {
namespace {

using namespace engine;
namespace fs = std::filesystem;
using ModelPointer = std::shared_ptr<const Model>;

fs::path demonstration() { return source_root() / "models" / "resnet20-cifar10.safetensors"; }

ModelPointer load(const fs::path& path, const LoadOptions& options = {}) {
  auto model = Model::load(path, options);
  REQUIRE_MESSAGE(model.ok(), model.error().message);
  return *model;
}

graph::Status try_run(const ModelPointer& model, std::int64_t batch, std::vector<float>& output) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> images(static_cast<std::size_t>(batch * 3 * 32 * 32));
  output.resize(static_cast<std::size_t>(batch * 10));
  for (float& value : images) value = normal(random);
  Context context(model, {.threads = 1});
  return context.run(dense_planes(images.data(), 3, {batch, 32, 32}), output);
}

std::vector<float> run(const ModelPointer& model, std::int64_t batch = 1) {
  std::vector<float> output;
  const auto status = try_run(model, batch, output);
  REQUIRE_MESSAGE(status.ok(), status.error().message);
  return output;
}

ProgramKey key_of(std::int64_t batch) { return choose_program({batch, 32, 32}, {.threads = 1}); }

// The messages of the cache while it lives.
class Messages {
 public:
  Messages() {
    set_log_callback([](void* self, const char* message) { static_cast<Messages*>(self)->text += message; }, this);
  }
  ~Messages() { set_log_callback(nullptr, nullptr); }
  std::string text;
};

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) files.push_back(entry.path());
  return files;
}

TEST_CASE("a packed file: the same network, card and bits, and the weights in it are not read") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "model.bin";  // told by content
  const ModelPointer original = load(demonstration());
  const ProgramKey programs[] = {key_of(1), key_of(3)};
  REQUIRE(original->pack(path, programs).ok());
  CHECK(entries_in(folder.path()) == 1);
  for (const bool verify : {false, true}) {
    const ModelPointer packed = load(path, {.verify = verify});
    CHECK(packed->format() == "packed");
    CHECK(graph::to_text(packed->optimized()) == graph::to_text(original->optimized()));
    const ModelCard &found = packed->card(), &expected = original->card();
    CHECK(found.architecture == expected.architecture);
    CHECK(found.labels == expected.labels);
    CHECK(found.input_height == expected.input_height);
    CHECK(found.resize == expected.resize);
    CHECK(found.interpolation == expected.interpolation);
    CHECK(std::equal(found.mean, found.mean + 3, expected.mean));
    CHECK(std::equal(found.standard_deviation, found.standard_deviation + 3, expected.standard_deviation));
    CHECK(run(packed) == run(original));
    CHECK(run(packed, 3) == run(original, 3));
    CHECK(run(packed, 2) == run(original, 2));  // a shape it was not packed for
    CHECK(packed->packed_weight_bytes() > 0);
  }
}

TEST_CASE("a packed file of random weights, and of a packed file") {
  const TemporaryFolder folder;
  const auto random = Model::random("resnet20_cifar", 3);
  REQUIRE(random.ok());
  const ProgramKey program = key_of(1);
  REQUIRE((*random)->pack(folder.path() / "one", {&program, 1}).ok());
  const ModelPointer one = load(folder.path() / "one");
  REQUIRE(one->pack(folder.path() / "two", {}).ok());
  CHECK(run(load(folder.path() / "two")) == run(*random));
  CHECK(fs::file_size(folder.path() / "two") > 1 << 20);
  CHECK_FALSE(one->pack(folder.path() / "no" / "such", {}).ok());
}

TEST_CASE("a model file that is written to while in use is an error, one that vanishes or is replaced is none") {
  const TemporaryFolder folder;
  const auto packed_path = folder.path() / "m.residua", plain_path = folder.path() / "m.safetensors";
  const ProgramKey programs[] = {key_of(1)};
  REQUIRE(load(demonstration())->pack(packed_path, programs).ok());
  fs::copy_file(demonstration(), plain_path);
  const std::vector<float> expected = run(load(demonstration()));
  const auto written = fs::last_write_time(packed_path);

  const ModelPointer packed = load(packed_path), plain = load(plain_path);
  CHECK(run(packed) == expected);
  CHECK(run(plain) == expected);
  std::vector<float> output;
  const auto refused = [&](const ModelPointer& model, std::int64_t batch) {
    const graph::Status status = try_run(model, batch, output);
    return !status && status.error().message.find("was written to while it was in use") != std::string::npos;
  };
  fs::last_write_time(packed_path, written + std::chrono::seconds(1));  // as many bytes, others perhaps
  CHECK(refused(packed, 1));
  fs::last_write_time(packed_path, written);
  CHECK(run(packed) == expected);
  const auto size = fs::file_size(packed_path);
  fs::resize_file(packed_path, 4096);
  CHECK(refused(packed, 1));
  CHECK(refused(packed, 2));
  fs::resize_file(packed_path, size);
  CHECK(refused(packed, 1));
  // A network that is packed in memory has no use for its file any more, but another shape may.
  fs::resize_file(plain_path, 100);
  CHECK(run(plain) == expected);
  CHECK(refused(plain, 2));

  REQUIRE(load(demonstration())->pack(packed_path, programs).ok());
  const ModelPointer again = load(packed_path);
  REQUIRE(load(demonstration())->pack(packed_path, programs).ok());
  CHECK(run(again) == expected);
  fs::remove(packed_path);
  CHECK(run(again) == expected);
}

TEST_CASE("the cache: written by the first run, used by the next") {
  const TemporaryFolder folder;
  const Messages messages;
  const fs::path cache = folder.path() / "a" / "cache";
  const LoadOptions options{.cache = true, .cache_folder = cache};
  const ModelPointer plain = load(demonstration());
  const ModelPointer first = load(demonstration(), options);
  CHECK_FALSE(fs::exists(cache));
  CHECK(run(first) == run(plain));
  REQUIRE(files_in(cache).size() == 1);
  const fs::path kept = files_in(cache)[0];
  const auto written = fs::last_write_time(kept);
  const ModelPointer second = load(demonstration(), options);
  CHECK(resident_bytes(kept) > 0);
  CHECK(second->format() == "safetensors");
  CHECK(second->card().labels == plain->card().labels);
  CHECK(graph::to_text(second->optimized()) == graph::to_text(plain->optimized()));
  CHECK(run(second) == run(plain));
  CHECK(fs::last_write_time(kept) == written);
  CHECK(files_in(cache).size() == 1);
  CHECK(messages.text == "");
}

TEST_CASE("the cache: what is damaged, foreign or of an earlier state is made again") {
  const TemporaryFolder folder;
  const fs::path cache = folder.path() / "cache", file = folder.path() / "model.safetensors";
  fs::copy_file(demonstration(), file);
  const LoadOptions options{.cache = true, .cache_folder = cache};
  const std::vector<float> expected = run(load(file));
  run(load(file, options));
  REQUIRE(files_in(cache).size() == 1);
  const fs::path kept = files_in(cache)[0];
  const std::string whole = content_of(kept);
  const std::string other_file = [&] {
    REQUIRE(load(file)->pack(folder.path() / "other", {}).ok());
    return content_of(folder.path() / "other");
  }();
  std::string flipped = whole;
  flipped[100] = static_cast<char>(flipped[100] ^ 1);
  for (const std::string& content :
       {std::string(), std::string("text"), whole.substr(0, whole.size() / 2), flipped, other_file, content_of(file)}) {
    const Messages messages;
    fs::remove(kept);
    write_content(kept, content);
    CHECK(run(load(file, options)) == expected);
    CHECK(messages.text.find("it is made again") != std::string::npos);
    CHECK(content_of(kept) == whole);
  }
  // The file changes: another entry, in place of the first.
  const auto random = Model::random("resnet20_cifar", 3);
  REQUIRE(random.ok());
  fs::last_write_time(file, fs::last_write_time(file) + std::chrono::seconds(1));
  CHECK(run(load(file, options)) == expected);
  REQUIRE(files_in(cache).size() == 1);
  CHECK(files_in(cache)[0] != kept);
}

TEST_CASE("the cache: damage anywhere in the file never reaches an answer") {
  const TemporaryFolder folder;
  const fs::path cache = folder.path() / "cache", file = folder.path() / "model.safetensors";
  fs::copy_file(demonstration(), file);
  const LoadOptions options{.cache = true, .cache_folder = cache};
  const std::vector<float> expected = run(load(file), 2);
  run(load(file, options));
  REQUIRE(files_in(cache).size() == 1);
  const fs::path kept = files_in(cache)[0];
  const std::string whole = content_of(kept);
  std::mt19937 random(11);
  int noticed = 0;
  constexpr int attempts = residua::tests::sanitized ? 20 : 60;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    CAPTURE(attempt);
    std::string damaged = whole;
    char& byte = damaged[random() % damaged.size()];
    byte = static_cast<char>(byte ^ (1 << random() % 8));
    fs::remove(kept);
    write_content(kept, damaged);
    const Messages messages;
    // A batch that nothing is kept for packs from the originals in the file: those may be what is damaged.
    const auto model = Model::load(file, options);
    REQUIRE(model.ok());
    std::vector<float> output(20);
    std::mt19937 pixels(7);
    std::normal_distribution<float> normal(0, 1);
    std::vector<float> images(2 * 3 * 32 * 32);
    for (float& value : images) value = normal(pixels);
    Context context(*model, {.threads = 1});
    const auto status = context.run(dense_planes(images.data(), 3, {2, 32, 32}), output);
    if (status) {
      CHECK(output == expected);
    } else {
      CHECK(status.error().message.find("is damaged: its checksum differs") != std::string::npos);
      CHECK(!fs::exists(kept));
    }
    noticed += status && messages.text.empty() ? 0 : 1;
  }
  CHECK(noticed > attempts / 3);  // the others lie in what these runs do not read
}

TEST_CASE("the cache: what cannot be written is a message") {
  const TemporaryFolder folder;
  write_content(folder.path() / "file", "no folder");
  const Messages messages;
  const ModelPointer model = load(demonstration(), {.cache = true, .cache_folder = folder.path() / "file" / "cache"});
  CHECK(run(model) == run(load(demonstration())));
  CHECK(messages.text.find("cache: ") == 0);
}

TEST_CASE("the cache: several writers, and models that pack more than is kept") {
  const TemporaryFolder folder;
  const fs::path cache = folder.path() / "cache";
  const LoadOptions options{.cache = true, .cache_folder = cache};
  const std::vector<float> expected = run(load(demonstration()), 2);
  std::vector<std::vector<float>> outputs(4);
  std::vector<std::thread> writers;
  writers.reserve(outputs.size());
  for (std::vector<float>& output : outputs)
    writers.emplace_back([&] {
      const auto model = Model::load(demonstration(), options);
      if (!model) return;
      output.resize(20);
      Context context(*model, {.threads = 1});
      std::mt19937 random(7);
      std::normal_distribution<float> normal(0, 1);
      std::vector<float> images(2 * 3 * 32 * 32);
      for (float& value : images) value = normal(random);
      if (!context.run(dense_planes(images.data(), 3, {2, 32, 32}), output).ok()) output.clear();
    });
  for (std::thread& writer : writers) writer.join();
  for (const std::vector<float>& output : outputs) CHECK(output == expected);
  REQUIRE(files_in(cache).size() == 1);
  const ModelPointer kept = load(demonstration(), {.verify = true, .cache = true, .cache_folder = cache});
  CHECK(run(kept, 2) == expected);
}

}  // namespace
}  // namespace residua::tests
