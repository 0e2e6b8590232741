// Loading from anywhere, what it costs, and what a service can watch.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <residua/residua.hpp>
#include <set>

#include "check_refused.h"
#include "golden.h"
#include "tests/temporary_folder.h"

namespace {

using Floats = std::vector<float>;
using residua::tests::TemporaryFolder;

const char* bundled() { return golden_path("models/resnet20-cifar10.safetensors"); }

std::vector<std::byte> bytes_of(const std::string& path) {
  const std::string text = residua::tests::content_of(path);
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

Floats random_images(std::size_t count) {
  Floats values(count);
  std::uint32_t state = 1;
  for (float& value : values) {
    state = state * 1664525 + 1013904223;
    value = static_cast<float>(state >> 8) / 8388608.0F - 1.0F;
  }
  return values;
}

Floats run(const residua::Model& model, std::int32_t batch = 2, std::int32_t side = 32) {
  const Floats images = random_images(static_cast<std::size_t>(batch * 3 * side * side));
  return model.run(
      {.format = RESIDUA_FLOAT32_NCHW, .data = images.data(), .batch = batch, .height = side, .width = side});
}

TEST_CASE("a model from memory and from a callback is that of the file") {
  const Floats expected = run(residua::Model::load(bundled()));
  const std::vector<std::byte> bytes = bytes_of(bundled());
  {
    std::vector<std::byte> mine = bytes;
    const auto model = residua::Model::load_memory(mine);
    std::fill(mine.begin(), mine.end(), std::byte{0});  // they were copied
    CHECK(run(model) == expected);
  }
  // Kept by an owner, at any address: in place, or copied and let go at once.
  for (const std::size_t offset : {0U, 1U, 64U}) {
    CAPTURE(offset);
    const std::shared_ptr<std::byte> memory(
        static_cast<std::byte*>(std::aligned_alloc(64, (bytes.size() + 2 * 64) / 64 * 64)), std::free);
    std::copy(bytes.begin(), bytes.end(), memory.get() + offset);
    {
      const auto model = residua::Model::load_memory({memory.get() + offset, bytes.size()}, memory);
      CHECK(memory.use_count() == (offset % 64 == 0 ? 2 : 1));
      CHECK(run(model) == expected);
    }
    CHECK(memory.use_count() == 1);
    check_refused(residua::Model::try_load_memory({memory.get() + offset, 100}, memory), "", RESIDUA_MALFORMED);
    CHECK(memory.use_count() == 1);
    check_refused(residua::Model::try_load_memory({memory.get(), 0}, memory), "size is 0");
    CHECK(memory.use_count() == 1);
  }
  // In pieces, with and without a hint.
  for (const std::size_t hint : {std::size_t{0}, bytes.size(), std::size_t{10}}) {
    std::size_t place = 0;
    double last = 0;
    const auto read = [&](std::span<std::byte> buffer) {
      const std::size_t count = std::min({buffer.size(), bytes.size() - place, std::size_t{70001}});
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(place), count, buffer.begin());
      place += count;
      return static_cast<std::int64_t>(count);
    };
    std::set<std::string> stages;
    const auto progress = [&](std::string_view stage, double done) {
      if (!stages.insert(std::string(stage)).second) CHECK(done >= last);
      last = done;
      CHECK(done <= 1);
      return true;
    };
    CHECK(run(residua::Model::load_stream(read, hint, {.progress = progress})) == expected);
    CHECK(stages.contains("optimize"));
    CHECK(stages.contains("read") == (hint > 0));
  }
  check_refused(residua::Model::try_load_stream([](std::span<std::byte>) { return -1; }), "callback", RESIDUA_IO);
  check_refused(residua::Model::try_load_stream([](std::span<std::byte>) { return 0; }), "no bytes", RESIDUA_MALFORMED);
  check_refused(residua::Model::try_load_stream(
                    [](std::span<std::byte> buffer) { return static_cast<std::int64_t>(buffer.size()) + 1; }),
                "callback", RESIDUA_IO);
  check_refused(residua::Model::try_load_memory(bytes, residua::LoadOptions{.cache = true}), "cache");
}

TEST_CASE("a packed model file in memory") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model.residua");
  residua::Model::load(bundled()).pack(path, {.batches = {2}});
  const auto bytes = bytes_of(path);
  const auto model = residua::Model::load_memory(bytes, residua::LoadOptions{.verify = true});
  CHECK(std::string(model.info().format) == "packed");
  CHECK(run(model) == run(residua::Model::load(bundled())));
}

TEST_CASE("a sidecar given as text") {
  const auto bytes = bytes_of(bundled());
  const auto model = residua::Model::load_memory(
      bytes, residua::LoadOptions{.sidecar = R"({"resize": 40, "labels": ["0","1","2","3","4","5","6","7","8","9"]})"});
  CHECK(model.info().resize == 40);
  CHECK(model.label(3) == "3");
  CHECK(residua::Model::load(bundled(), {.sidecar = R"({"resize": 41})"}).info().resize == 41);
  check_refused(residua::Model::try_load_memory(bytes, residua::LoadOptions{.sidecar = "[]"}), "sidecar",
                RESIDUA_MALFORMED);
  check_refused(residua::Model::try_load_memory(bytes, residua::LoadOptions{.sidecar = R"({"labels": "names.txt"})"}),
                "folder", RESIDUA_MALFORMED);
}

TEST_CASE("progress, and saying no to it") {
  std::vector<std::pair<std::string, double>> told;
  const auto model = residua::Model::load(bundled(), {.progress = [&](std::string_view stage, double done) {
                                            told.emplace_back(stage, done);
                                            return true;
                                          }});
  REQUIRE(told.size() == 4);
  CHECK(told.front() == std::pair<std::string, double>("read", 0));
  CHECK(told.back() == std::pair<std::string, double>("optimize", 1));
  for (std::size_t stop = 0; stop < 4; ++stop) {
    std::size_t calls = 0;
    check_refused(
        residua::Model::try_load(bundled(), {.progress = [&](std::string_view, double) { return calls++ < stop; }}),
        "progress", RESIDUA_CANCELLED);
  }
  std::vector<double> planned;
  const auto note = [&](std::string_view stage, double done) {
    CHECK(stage == "plan");
    planned.push_back(done);
    return true;
  };
  std::size_t calls = 0;
  check_refused(model.try_prepare({.batches = {2, 3}}, {}, [&](std::string_view, double) { return ++calls < 12; }),
                "progress", RESIDUA_CANCELLED);
  CHECK(calls == 12);
  model.prepare({.batches = {2, 3}}, {}, note);
  CHECK(planned.size() > 20);
  CHECK(std::is_sorted(planned.begin(), planned.end()));
  CHECK(planned.back() == 1);
  residua::RunInfo info{};
  const Floats images = random_images(2 * 3 * 32 * 32);
  static_cast<void>(
      model.run({.format = RESIDUA_FLOAT32_NCHW, .data = images.data(), .batch = 2}, "", {.info = &info}));
  CHECK(info.planned == 0);
}

TEST_CASE("what is estimated is what is used") {
  const auto check = [](const residua::Model& model, const residua::MemoryEstimate& estimate, std::int32_t batch,
                        std::int32_t side, const residua::ContextOptions& options) {
    residua::Context context(model, options);
    const Floats images = random_images(static_cast<std::size_t>(batch * 3 * side * side));
    static_cast<void>(context.run(images, {.batch = batch, .height = side, .width = side}));
    const residua::RunInfo run = context.run_info();
    CHECK(estimate.packed_weight_bytes == run.packed_weight_bytes);
    CHECK(estimate.total_bytes ==
          estimate.packed_weight_bytes + run.context_bytes + (estimate.weights_are_mapped ? 0 : estimate.weight_bytes));
    CHECK(estimate.context_bytes == run.context_bytes);
  };
  for (const residua::Schedule schedule : {RESIDUA_LATENCY, RESIDUA_THROUGHPUT}) {
    const residua::ContextOptions options{.threads = 2, .schedule = schedule};
    const auto estimate = residua::estimate_memory(bundled(), {}, {.batch = 5, .height = 40, .width = 40}, options);
    CHECK(estimate.weights_are_mapped == 1);
    check(residua::Model::load(bundled()), estimate, 5, 40, options);
    const auto random = residua::Model::random("resnet18", 1);
    const auto before = random.estimate_memory({.batch = 9, .height = 64, .width = 64}, options);
    CHECK(before.weights_are_mapped == 0);
    CHECK(before.weight_bytes > 40'000'000);
    check(random, before, 9, 64, options);
  }
  check_refused(residua::Model::random("resnet20_cifar").try_estimate_memory({}, {.tune = true}), "tune");
  check_refused(residua::try_estimate_memory("no/such/file"), "no/such/file", RESIDUA_IO);
}

struct Counted {
  std::atomic<std::size_t> bytes{0}, blocks{0}, largest{0};
  std::atomic<bool> refuse{false};
  static void* allocate(void* user, std::size_t bytes, std::size_t alignment) {
    auto& self = *static_cast<Counted*>(user);
    if (self.refuse) return nullptr;
    self.bytes += bytes;
    ++self.blocks;
    self.largest = std::max<std::size_t>(self.largest, bytes);
    return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  }
  static void release(void* user, void* memory, std::size_t bytes) {
    auto& self = *static_cast<Counted*>(user);
    self.bytes -= bytes;
    --self.blocks;
    std::free(memory);
  }
};

TEST_CASE("an allocator of the caller's: all large blocks, and back") {
  static Counted counted;
  const Floats expected = run(residua::Model::load(bundled()));
  residua::set_allocator(&Counted::allocate, &Counted::release, &counted);
  {
    const auto bytes = bytes_of(bundled());
    const auto model = residua::Model::load_memory(bytes);
    CHECK(counted.bytes >= bytes.size());
    const std::size_t before = counted.bytes;
    CHECK(run(model) == expected);
    CHECK(counted.bytes >= before + model.estimate_memory({.batch = 2}).packed_weight_bytes);
    counted.refuse = true;
    check_refused(model.try_run({.format = RESIDUA_FLOAT32_NCHW, .data = bytes.data(), .height = 64, .width = 64}),
                  "memory", RESIDUA_OUT_OF_MEMORY);
    counted.refuse = false;
    CHECK(run(model) == expected);
    residua::reset_allocator();
    CHECK(counted.blocks > 0);
  }
  CHECK(counted.blocks == 0);
  CHECK(counted.bytes == 0);
  residua_allocator none{};
  none.struct_size = sizeof none;
  residua_error error{};
  CHECK(residua_set_allocator(&none, &error) == RESIDUA_INVALID_ARGUMENT);
  CHECK(residua_set_allocator(nullptr, &error) == RESIDUA_OK);
}

TEST_CASE("a trace of a profiled run") {
  const auto model = residua::Model::load(bundled());
  const Floats images = random_images(3 * 3 * 32 * 32);
  for (const residua::Schedule schedule : {RESIDUA_LATENCY, RESIDUA_THROUGHPUT}) {
    residua::Context context(model, {.schedule = schedule, .profile = true});
    check_refused(context.try_trace(), "has not run");
    static_cast<void>(context.run(images, {.batch = 3}));
    const auto trace = nlohmann::json::parse(context.trace());
    const auto layers = context.layers();
    std::set<std::string> names;
    double sum = 0;
    std::size_t events = 0;
    const double total = context.run_info().total_ms;
    for (const auto& event : trace.at("traceEvents")) {
      if (event.at("ph") != "X" || event.at("name") == "run") continue;
      names.insert(event.at("name"));
      CHECK(event.at("ts").get<double>() >= 0);
      CHECK(event.at("ts").get<double>() + event.at("dur").get<double>() <= 1e3 * total + 1);
      sum += event.at("dur").get<double>();
      ++events;
    }
    CHECK(sum > 0);
    for (const auto& layer : layers) CHECK(names.contains(layer.name));
    CHECK(events >= layers.size());
    const TemporaryFolder folder;
    const std::string path = folder.file("trace.json");
    context.write_trace(path);
    CHECK(nlohmann::json::parse(residua::tests::content_of(path)) == trace);
    check_refused(context.try_write_trace(folder.file("no/folder")), "no", RESIDUA_IO);
  }
}

TEST_CASE("shapes that change: memory as for the largest, and the cost of a new one is told") {
  const auto model = residua::Model::load(bundled());
  residua::Context context(model, {.threads = 1});
  const auto run_one = [&](residua::Context& runner, std::int32_t batch, std::int32_t side) {
    const Floats images = random_images(static_cast<std::size_t>(batch * 3 * side * side));
    static_cast<void>(runner.run(images, {.batch = batch, .height = side, .width = side}));
    return runner.run_info();
  };
  const auto largest = run_one(context, 8, 96);
  CHECK(largest.planned == 1);
  CHECK(largest.planning_ms > 0);
  CHECK(largest.planning_ms <= largest.total_ms);
  residua::RunInfo last{};
  std::size_t weights = 0;
  for (int i = 0; i < 60; ++i) {
    last = run_one(context, 1 + i % 7, 24 + i % 30);
    CHECK(last.planned == 1);
    if (i == 15) weights = last.packed_weight_bytes;
  }
  CHECK(last.context_bytes <= largest.context_bytes);
  CHECK(last.packed_weight_bytes <= weights + weights / 2);
  CHECK(run_one(context, 1 + 59 % 7, 24 + 59 % 30).planned == 0);
  const residua::Counters counters = model.counters();
  CHECK(counters.plans == 61);
  CHECK(counters.runs == 62);
  CHECK(counters.planning_ms > 0);
  CHECK(counters.run_ms >= counters.planning_ms);
  // A plan that the model has costs a new context its memory only.
  residua::Context second(model, {.threads = 1});
  CHECK(run_one(second, 1 + 59 % 7, 24 + 59 % 30).planned == 0);
}

TEST_CASE("shapes that change between schedules and threads: a context holds what its largest run alone would") {
  const auto check = [](const residua::Model& model, std::initializer_list<std::array<std::int32_t, 2>> shapes) {
    residua::Context kept(model);
    std::size_t largest = 0;
    for (const auto& batch_and_side : shapes) {
      const auto batch = batch_and_side[0], side = batch_and_side[1];
      CAPTURE(batch);
      CAPTURE(side);
      const Floats images = random_images(static_cast<std::size_t>(batch * 3 * side * side));
      residua::Context fresh(model);
      const residua::InputShape shape{.batch = batch, .height = side, .width = side};
      const Floats expected = fresh.run(images, shape);
      CHECK(kept.run(images, shape) == expected);
      largest = std::max(largest, fresh.run_info().context_bytes);
      CHECK(kept.run_info().context_bytes == largest);
    }
  };
  check(residua::Model::load(bundled()), {{5, 56}, {8, 40}, {16, 64}, {7, 48}, {1, 64}, {16, 32}, {5, 56}, {3, 64}});
  check(residua::Model::random("resnet18", 1), {{3, 96}, {8, 64}, {1, 128}, {8, 128}, {3, 96}});
}

TEST_CASE("what the library can do") {
  const residua::Capabilities can = residua::capabilities();
  CHECK(std::string(can.formats).find("onnx") != std::string::npos);
  CHECK(std::string(can.precisions) == "fp32");
  CHECK(std::string(residua::version().instruction_sets).find(can.cpu_features) == 0);
  CHECK(can.onnx_opset_min == 7);
  CHECK(can.onnx_opset_max == 22);
  CHECK(can.cpu_budget == residua::cpu_budget());
  CHECK(can.largest_image_side == 32768);
  CHECK(can.largest_run_at_once >= 1);
}

TEST_CASE("how runs without a context are run") {
  auto model = residua::Model::load(bundled());
  const Floats images = random_images(3 * 32 * 32);
  const residua::Input input{.format = RESIDUA_FLOAT32_NCHW, .data = images.data()};
  residua::RunInfo info{};
  const Floats expected = model.run(input, "", {.info = &info});
  model.set_run_options({.threads = 1, .schedule = RESIDUA_THROUGHPUT});
  CHECK(model.run(input, "", {.info = &info}) == expected);
  CHECK(info.threads == 1);
  CHECK(info.schedule == RESIDUA_THROUGHPUT);
  CHECK(info.queue_ms >= 0);
  check_refused(model.try_set_run_options({.profile = true}), "profile");
}

TEST_CASE("a profile of one run, without a context and with one") {
  const auto model = residua::Model::load(bundled());
  const Floats images = random_images(3 * 3 * 32 * 32);
  const residua::Input input{.format = RESIDUA_FLOAT32_NCHW, .data = images.data(), .batch = 3};
  const Floats expected = model.run(input);
  Floats values(expected.size());
  const residua::Output output{.values = values};
  const auto check = [&](const residua::RunProfile& profile, const residua::RunInfo& info) {
    CHECK(values == expected);
    CHECK(profile.layers.size() == static_cast<std::size_t>(info.layer_count));
    std::size_t timed = 0;
    double sum = 0;
    for (const auto& layer : profile.layers) {
      CHECK(!layer.name.empty());
      CHECK(!layer.implementation.empty());
      sum += layer.milliseconds;
      timed += layer.milliseconds > 0 ? 1 : 0;
      CHECK(profile.trace.find('"' + layer.name + '"') != std::string::npos);
    }
    CHECK(timed == profile.layers.size());
    CHECK(sum <= info.total_ms);
    CHECK(nlohmann::json::parse(profile.trace).at("traceEvents").size() >= profile.layers.size());
    values.assign(values.size(), 0);
  };
  for (const residua::Schedule schedule : {RESIDUA_LATENCY, RESIDUA_THROUGHPUT}) {
    auto scheduled = residua::Model::load(bundled());
    scheduled.set_run_options({.schedule = schedule});
    residua::RunInfo info{};
    residua::RunProfile profile;
    scheduled.run(input, {&output, 1}, {.info = &info, .profile = &profile});
    check(profile, info);

    std::promise<bool> done;
    scheduled.run_async(input, {&output, 1}, [&](const residua::Result<void>& result) { done.set_value(bool(result)); },
                        {.info = &info, .profile = &profile});
    CHECK(done.get_future().get());
    check(profile, info);

    residua::Context context(model, {.schedule = schedule});
    context.run(input, {&output, 1}, {.info = &info, .profile = &profile});
    check(profile, info);
    context.run(input, {&output, 1});  // only that run was
    CHECK(context.layers().front().milliseconds == 0);
    residua::RunProfile none;
    check_refused(model.try_run(input, "no such tensor", {.profile = &none}), "no such tensor", RESIDUA_MISMATCH);
    CHECK(none.layers.empty());
  }

  // The callback may run the model, even where there is one context only.
  struct Again {
    const residua::Model& model;
    const residua::Input& input;
    Floats values;
  } again{model, input, {}};
  residua_input one{};
  one.struct_size = sizeof one;
  one.format = RESIDUA_FLOAT32_NCHW;
  one.data = images.data();
  one.batch = 3;
  one.height = one.width = 32;
  const residua_output logits{sizeof(residua_output), "logits", values.data(), values.size(), 0, nullptr};
  residua_run_options options{};
  options.struct_size = sizeof options;
  options.profile = [](void* user, const residua_run_profile* profile) {
    auto& self = *static_cast<Again*>(user);
    CHECK(profile->struct_size == sizeof(residua_run_profile));
    self.values = self.model.run(self.input);
  };
  options.profile_user = &again;
  residua_error error{};
  CHECK(residua_run(model.get(), &one, &logits, 1, &options, &error) == RESIDUA_OK);
  CHECK(again.values == expected);
}

TEST_CASE("limits are the process's, and a host may ask for them") {
  const std::uint64_t before = residua::limit("nodes");
  CHECK(before == 20000);
  residua::set_limit("tensors", 10);
  check_refused(residua::Model::try_load(bundled()), "more than the limit tensors=10", RESIDUA_LIMIT);
  residua::set_limit("tensors", 100000);
  CHECK(residua::Model::try_load(bundled()).ok());
  residua_error error;
  CHECK(residua_set_limit("deepth", 3, &error) == RESIDUA_INVALID_ARGUMENT);
  CHECK(std::string(error.message).find("there is no limit 'deepth'; there are file_bytes") == 0);
  CHECK(residua_set_limit("rank", 1000, &error) == RESIDUA_INVALID_ARGUMENT);
  CHECK(residua_set_limit(nullptr, 1, nullptr) == RESIDUA_INVALID_ARGUMENT);
  CHECK(residua_get_limit("nodes", nullptr, nullptr) == RESIDUA_INVALID_ARGUMENT);
  CHECK(residua_check_limit("image_pixels", 100, "my image", &error) == RESIDUA_OK);
  CHECK(residua_check_limit("image_pixels", 1'000'000'000, "my image", &error) == RESIDUA_LIMIT);
  CHECK(std::string(error.message) ==
        "my image: 1000000000, more than the limit image_pixels=178956970 (pixels of an image); "
        "RESIDUA_LIMITS=image_pixels=1000000000 raises it");
}

TEST_CASE("the weights' digest is that of the file, wherever it came from") {
  const auto model = residua::Model::load(bundled());
  const std::string digest = model.weights_digest();
  CHECK(digest.size() == 64);
  const std::vector<std::byte> bytes = bytes_of(bundled());
  CHECK(residua::Model::load_memory(bytes).weights_digest() == digest);
  CHECK(residua::Model::try_load(bundled(), {.sidecar = R"({"weights_sha256": ")" + digest + "\"}"}).ok());
  check_refused(
      residua::Model::try_load(bundled(), {.sidecar = R"({"weights_sha256": ")" + std::string(64, '0') + "\"}"}),
      digest, RESIDUA_MALFORMED);
  check_refused(residua::Model::try_load_memory(bytes, {.sidecar = R"({"sha256": ")" + digest + "\"}"}),
                "is damaged or not the file meant", RESIDUA_MALFORMED);
  CHECK(residua::Model::random("resnet20_cifar", 1).weights_digest() !=
        residua::Model::random("resnet20_cifar", 2).weights_digest());
}

TEST_CASE("a direct run has no convolution by transforms, and answers alike") {
  const auto model = residua::Model::load(bundled());
  const Floats images = random_images(4 * 3 * 32 * 32);
  const auto run_with = [&](bool direct, std::string& implementations) {
    residua::Context context(model, {.threads = 1, .direct = direct});
    Floats logits(40);
    context.run(images, {.batch = 4, .height = 32, .width = 32}, logits);
    for (const residua::LayerInfo& layer : context.layers()) implementations += std::string(layer.implementation) + ";";
    return logits;
  };
  std::string usual, direct;
  const Floats expected = run_with(false, usual), found = run_with(true, direct);
  CHECK(usual.find("winograd") != std::string::npos);
  CHECK(direct.find("winograd") == std::string::npos);
  CHECK(direct.find("strassen") == std::string::npos);
  CHECK(direct.find("tiles") == std::string::npos);
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-4));
}

}  // namespace
