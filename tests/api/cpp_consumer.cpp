// A C++20 program as a user would write it, on the installed headers and the shared library alone.
#include <doctest/doctest.h>

#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <residua/residua.hpp>
#include <thread>
#include <type_traits>

#include "golden.h"

namespace {

static_assert(!std::is_copy_constructible_v<residua::Model> && std::is_nothrow_move_constructible_v<residua::Model>);
static_assert(!std::is_copy_constructible_v<residua::Context> &&
              std::is_nothrow_move_constructible_v<residua::Context>);

const golden& expected() {
  static const std::unique_ptr<golden> values = [] {
    auto read = std::make_unique<golden>();
    golden_read(read.get());
    return read;
  }();
  return *values;
}

std::span<const std::uint8_t> pixels(std::size_t images) {
  return {&expected().nhwc[0][0][0], images * GOLDEN_PIXELS * 3};
}
std::span<const float> normalised(std::size_t images) {
  return {&expected().nchw[0][0][0], images * GOLDEN_PIXELS * 3};
}

void check_logits(std::span<const float> logits) {
  const float* wanted = &expected().logits[0][0];
  for (std::size_t i = 0; i < logits.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(logits[i] - wanted[i]) < GOLDEN_TOLERANCE);
  }
}

residua::Model load(const residua::LoadOptions& options = {}) {
  return residua::Model::load(golden_path("models/resnet20-cifar10.safetensors"), options);
}

template <class Call>
residua::Status status_of(const Call& call) {
  try {
    call();
  } catch (const residua::Error& error) {
    CHECK(std::string(error.what()) != "");
    return error.status();
  }
  return RESIDUA_OK;
}

TEST_CASE("a packed file, and what is kept of a file, give the same bits") {
  std::string folder = (std::filesystem::temp_directory_path() / "residua-test-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  residua::Context context(load());
  const std::vector<float> expected = context.run(pixels(2), {.batch = 2});
  load().pack(folder + "/model.residua", {.batches = {1, 2}});
  const auto packed = residua::Model::load(folder + "/model.residua", {.verify = true});
  CHECK(std::string(packed.info().format) == "packed");
  CHECK(packed.label(3) == load().label(3));
  residua::Context packed_context(packed);
  CHECK(packed_context.run(pixels(2), {.batch = 2}) == expected);
  for (int i = 0; i < 2; ++i) {
    const auto kept = residua::Model::load(golden_path("models/resnet20-cifar10.safetensors"),
                                           {.cache = true, .cache_folder = folder});
    residua::Context kept_context(kept);
    CHECK(kept_context.run(pixels(2), {.batch = 2}) == expected);
  }
  CHECK(status_of([&] { load().pack(folder + "/no/such/file"); }) == RESIDUA_IO);
  std::filesystem::remove_all(folder);
}

TEST_CASE("the first image is a cat") {
  const residua::Model model = load();
  residua::Context context(model);
  std::vector<float> scores = context.run(pixels(1));
  check_logits(scores);
  const std::vector<std::int32_t> best = residua::top_k(scores, 3);
  REQUIRE(best.size() == 3);
  CHECK(model.label(best[0]) == "cat");
  CHECK_FALSE(model.label(10).has_value());
  residua::softmax(scores, scores.size());
  CHECK(scores[3] > 0.9F);
  CHECK(residua::top_k(scores, 100).size() == 10);
}

TEST_CASE("both input formats, any batch, any schedule") {
  const residua::Model model = load();
  for (const residua::Schedule schedule : {RESIDUA_AUTO, RESIDUA_LATENCY, RESIDUA_THROUGHPUT}) {
    residua::Context context(model, {.schedule = schedule, .profile = true});
    for (const std::size_t batch : {8U, 1U, 3U}) {
      const residua::InputShape shape{.batch = static_cast<std::int32_t>(batch)};
      check_logits(context.run(pixels(batch), shape));
      check_logits(context.run(normalised(batch), shape));
      std::vector<float> output(batch * GOLDEN_CLASSES);
      context.run(normalised(batch), {.batch = shape.batch, .height = 32, .width = 32}, output);
      check_logits(output);
    }
    const residua::RunInfo run = context.run_info();
    const std::vector<residua::LayerInfo> layers = context.layers();
    CHECK(layers.size() == static_cast<std::size_t>(run.layer_count));
    double milliseconds = 0;
    for (const residua::LayerInfo& layer : layers) milliseconds += layer.milliseconds;
    CHECK(milliseconds > 0);
  }
}

TEST_CASE("a limit on memory: fewer bytes of packed weights, the same classes") {
  const auto bytes_of = [](const residua::Model& model) {
    residua::Context context(model);
    if (model.info().classes == GOLDEN_CLASSES)
      check_logits(context.run(pixels(8), {.batch = 8}));
    else
      static_cast<void>(context.run(std::vector<float>(3 * 64 * 64), {.height = 64, .width = 64}));
    return context.run_info().packed_weight_bytes;
  };
  CHECK(bytes_of(load({.memory_limit = 1})) < bytes_of(load()));
  CHECK(bytes_of(residua::Model::random("resnet18", 1, {.memory_limit = 1})) <
        bytes_of(residua::Model::random("resnet18", 1)));
}

TEST_CASE("handles move, and a context outlives its model") {
  auto model = std::make_unique<residua::Model>(load());
  residua::Model moved = std::move(*model);
  model.reset();
  residua::Context first(moved);
  residua::Context context = std::move(first);
  moved = residua::Model::random("resnet18", 1);
  check_logits(context.run(pixels(8), {.batch = 8}));
}

TEST_CASE("threads share a model, each with a context") {
  const residua::Model model = load();
  std::vector<std::vector<float>> outputs(3);
  {
    std::vector<std::jthread> threads;
    for (std::vector<float>& output : outputs) {
      threads.emplace_back([&] {
        residua::Context context(model, {.threads = 1});
        for (int i = 0; i < 5; ++i) output = context.run(pixels(8), {.batch = 8});
      });
    }
  }
  for (const std::vector<float>& output : outputs) {
    check_logits(output);
    CHECK(output == outputs[0]);  // equal inputs, equal bits
  }
}

TEST_CASE("random weights are those of their seed") {
  const auto run = [](std::uint64_t seed) {
    const residua::Model model = residua::Model::random("resnet18", seed);
    const std::vector<float> image(std::size_t{3} * 64 * 64, 0.5F);
    return residua::Context(model).run(image, {.batch = 1, .height = 64, .width = 64});
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));
}

TEST_CASE("descriptions and information") {
  const residua::Model model = load();
  CHECK(model.info().classes == 10);
  CHECK(model.describe(RESIDUA_IMPORTED).find("graph") != std::string::npos);
  CHECK(model.describe(RESIDUA_PLANNED, RESIDUA_DOT, {.batch = 4}).starts_with("digraph"));
  CHECK(std::string(residua::version().version) == "0.1.0");
  CHECK(residua::architectures().size() > 5);
  CHECK(residua::measure_peak(1) > 0);
  CHECK(residua::cpu_budget() >= 1);
}

TEST_CASE("preprocessing leaves an image of the right size alone") {
  const residua::Model model = load();
  const std::vector<std::uint8_t> output = model.preprocess(pixels(1), 32, 32);
  CHECK(std::equal(output.begin(), output.end(), pixels(1).begin(), pixels(1).end()));
  CHECK(model.preprocess(pixels(4), 64, 64).size() == output.size());
}

TEST_CASE("failures carry a status") {
  const residua::Model model = load();
  residua::Context context(model);
  CHECK(status_of([] { residua::Model::load("no/such/file"); }) == RESIDUA_IO);
  CHECK(status_of([] { residua::Model::random("resnet51"); }) == RESIDUA_INVALID_ARGUMENT);
  CHECK(status_of([&] { residua::Context(model, {.threads = -1}); }) == RESIDUA_INVALID_ARGUMENT);

  // What only the wrapper can know: how much the caller's buffers hold.
  const auto refused = [](const auto& call) { CHECK(status_of(call) == RESIDUA_INVALID_ARGUMENT); };
  std::vector<std::uint8_t> small(10);
  std::vector<float> few(9);
  refused([&] { context.run(pixels(1), {.batch = 2}); });
  refused([&] { context.run(normalised(2), {.batch = 1}); });
  refused([&] { context.run(pixels(1), {.batch = 0}); });
  refused([&] { context.run(pixels(1), {.batch = -1}); });
  refused([&] { context.run(pixels(1), {.batch = INT32_MAX, .height = INT32_MAX, .width = INT32_MAX}); });
  refused([&] { context.run(pixels(1), {}, few); });
  refused([&] { model.preprocess(pixels(1), 33, 32); });
  refused([&] { model.preprocess(pixels(1), 32, 33); });
  refused([&] { model.preprocess(pixels(1), 32, 32, 97); });
  refused([&] { model.preprocess(pixels(1), 32, 32, 95); });
  refused([&] { model.preprocess(pixels(1), INT32_MAX, INT32_MAX, SIZE_MAX); });
  refused([&] { model.preprocess(pixels(1), 0, 32); });
  refused([&] { model.preprocess(pixels(1), 32, 32, small); });
  refused([&] { residua::softmax(few, 2); });
  refused([&] { residua::softmax(few, 0); });
  check_logits(context.run(pixels(1)));
}

}  // namespace
