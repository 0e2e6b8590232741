// Images, outputs and runs through the public interface: every way to give the same images gives the same answer, and
// every way to end a run early leaves everything usable.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <future>
#include <memory>
#include <residua/residua.hpp>
#include <thread>
#include <tuple>
#include <utility>

#include "check_refused.h"
#include "golden.h"
#include "tests/sanitized.h"

namespace {

using Floats = std::vector<float>;

const golden& expected() {
  static const std::unique_ptr<golden> values = [] {
    auto read = std::make_unique<golden>();
    golden_read(read.get());
    return read;
  }();
  return *values;
}

// As many as run for longer than it takes to cancel them.
constexpr int many_images = residua::tests::sanitized ? 8 : 32;

const residua::Model& model() {
  static const auto loaded = residua::Model::load(golden_path("models/resnet20-cifar10.safetensors"));
  return loaded;
}

residua::Input bytes(std::int32_t images) { return {.data = expected().nhwc, .batch = images}; }
residua::Input planes(std::int32_t images) {
  return {.format = RESIDUA_FLOAT32_NCHW, .data = expected().nchw, .batch = images};
}

void check_logits(const Floats& found) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(found[i] - expected().logits[i / GOLDEN_CLASSES][i % GOLDEN_CLASSES]) < GOLDEN_TOLERANCE);
  }
}

// Softmax of the golden logits.
Floats golden_probabilities() {
  Floats values(&expected().logits[0][0], &expected().logits[0][0] + GOLDEN_IMAGES * GOLDEN_CLASSES);
  residua::softmax(values, GOLDEN_CLASSES);
  return values;
}

TEST_CASE("every format and every stride of the same images gives the same bits") {
  const Floats reference = model().run(planes(8));
  check_logits(reference);
  check_logits(model().run(bytes(8)));

  // Float pixels.
  Floats pixels(8 * GOLDEN_PIXELS * 3), units(pixels.size());
  for (std::size_t n = 0; n < 8; ++n)
    for (std::size_t p = 0; p < GOLDEN_PIXELS; ++p)
      for (std::size_t c = 0; c < 3; ++c) {
        pixels[(n * GOLDEN_PIXELS + p) * 3 + c] = expected().nchw[n][c][p];
        units[(n * GOLDEN_PIXELS + p) * 3 + c] = static_cast<float>(expected().nhwc[n][p][c]) / 255.0F;
      }
  CHECK(model().run({.format = RESIDUA_FLOAT32_NHWC, .data = pixels.data(), .batch = 8}) == reference);
  check_logits(model().run(
      {.format = RESIDUA_FLOAT32_NHWC, .data = units.data(), .batch = 8, .preparation = RESIDUA_NORMALIZE}));

  // Planes as strided pixels, and pixels as strided planes.
  CHECK(model().run({.format = RESIDUA_FLOAT32_NHWC,
                     .data = expected().nchw,
                     .batch = 8,
                     .row_stride = GOLDEN_SIDE * 4,
                     .pixel_stride = 4,
                     .channel_stride = GOLDEN_PIXELS * 4,
                     .image_stride = GOLDEN_PIXELS * 12}) == reference);
  CHECK(model().run({.format = RESIDUA_FLOAT32_NCHW,
                     .data = pixels.data(),
                     .batch = 8,
                     .row_stride = GOLDEN_SIDE * 12,
                     .pixel_stride = 12,
                     .channel_stride = 4,
                     .image_stride = GOLDEN_PIXELS * 12}) == reference);

  // Bytes: BGR, rows with a gap, upside down, and a batch in reverse.
  const Floats of_bytes = model().run(bytes(8));
  constexpr std::size_t row = GOLDEN_SIDE * 3 + 5;
  std::vector<std::uint8_t> upside_down(8 * GOLDEN_SIDE * row);
  for (std::size_t n = 0; n < 8; ++n)
    for (std::size_t y = 0; y < GOLDEN_SIDE; ++y)
      for (std::size_t x = 0; x < GOLDEN_SIDE; ++x)
        for (std::size_t c = 0; c < 3; ++c)
          upside_down[((7 - n) * GOLDEN_SIDE + (GOLDEN_SIDE - 1 - y)) * row + x * 3 + (2 - c)] =
              expected().nhwc[n][y * GOLDEN_SIDE + x][c];
  CHECK(model().run({.data = upside_down.data() + (7 * GOLDEN_SIDE + GOLDEN_SIDE - 1) * row + 2,
                     .batch = 8,
                     .row_stride = -static_cast<std::int64_t>(row),
                     .channel_stride = -1,
                     .image_stride = -static_cast<std::int64_t>(GOLDEN_SIDE * row)}) == of_bytes);
  CHECK(model().run({.data = upside_down.data() + (7 * GOLDEN_SIDE + GOLDEN_SIDE - 1) * row + 2,
                     .batch = 8,
                     .preparation = RESIDUA_PREPARE,
                     .row_stride = -static_cast<std::int64_t>(row),
                     .channel_stride = -1,
                     .image_stride = -static_cast<std::int64_t>(GOLDEN_SIDE * row)}) == of_bytes);

  // One by one, wherever they lie.
  std::vector<residua::Image> images;
  for (int i = 0; i < 8; ++i)
    images.push_back({.data = expected().nhwc[i], .height = GOLDEN_SIDE, .width = GOLDEN_SIDE});
  CHECK(model().run({.images = images}) == of_bytes);
  residua::Context context(model(), {.schedule = RESIDUA_THROUGHPUT});
  Floats output(80);
  const residua::Output first{.values = output};
  context.run({.images = images}, std::span(&first, 1));
  CHECK(output == of_bytes);
}

TEST_CASE("images of different sizes are prepared as one by one") {
  // Larger images: the golden ones, magnified.
  std::vector<std::vector<std::uint8_t>> magnified;
  std::vector<residua::Image> images;
  Floats one_by_one;
  for (std::size_t n = 0; n < 8; ++n) {
    const std::size_t by = n % 4 + 1, side = by * GOLDEN_SIDE;
    std::vector<std::uint8_t> pixels(side * side * 3);
    for (std::size_t y = 0; y < side; ++y)
      for (std::size_t x = 0; x < side; ++x)
        std::memcpy(&pixels[(y * side + x) * 3], expected().nhwc[n][y / by * GOLDEN_SIDE + x / by], 3);
    magnified.push_back(std::move(pixels));
    const auto length = static_cast<std::int32_t>(side);
    images.push_back({.data = magnified.back().data(), .height = length, .width = length});
    const auto prepared = model().preprocess(magnified.back(), length, length);
    const Floats alone = model().run({.data = prepared.data()});
    one_by_one.insert(one_by_one.end(), alone.begin(), alone.end());
  }
  const residua::Input input{.preparation = RESIDUA_PREPARE, .images = images};
  const Floats together = model().run(input);
  REQUIRE(together.size() == one_by_one.size());
  for (std::size_t i = 0; i < together.size(); ++i) CHECK(together[i] == doctest::Approx(one_by_one[i]).epsilon(1e-4));

  // Floats by the same filter; only the rounding to bytes is missing.
  std::vector<Floats> units;
  std::vector<residua::Image> float_images = images;
  for (std::size_t n = 0; n < 8; ++n) {
    units.emplace_back(magnified[n].begin(), magnified[n].end());
    for (float& value : units.back()) value /= 255.0F;
    float_images[n].data = units.back().data();
  }
  const Floats of_floats =
      model().run({.format = RESIDUA_FLOAT32_NHWC, .preparation = RESIDUA_PREPARE, .images = float_images});
  for (std::size_t i = 0; i < together.size(); ++i) CHECK(std::abs(together[i] - of_floats[i]) < 0.15F);

  residua::RunInfo info{};
  static_cast<void>(model().run(input, "", {.info = &info}));
  CHECK(info.images == 8);
  CHECK(info.preparation_ms > 0);
  CHECK(info.total_ms >= info.preparation_ms);
}

TEST_CASE("several outputs of one run: logits, probabilities, the best, features, a tensor in the middle") {
  const residua::TensorInfo middle = model().tensor("layer2.0.relu"), pooled = model().tensor("pooled");
  CHECK(middle.rank == 4);
  CHECK(std::vector<std::int64_t>(middle.shape, middle.shape + 4) == std::vector<std::int64_t>{1, 32, 16, 16});
  CHECK(pooled.values == 64);
  const Floats reference = model().run(bytes(8)), features = model().run(bytes(8), "pooled");
  const Floats probabilities = golden_probabilities();
  for (const residua::Schedule schedule : {RESIDUA_LATENCY, RESIDUA_THROUGHPUT}) {
    residua::Context context(model(), {.schedule = schedule});
    Floats logits(80), softmax(80), best(8 * 3), sure(8 * 2), pool(8 * 64),
        tensor(static_cast<std::size_t>(8 * middle.values));
    std::vector<std::int32_t> best_of(8 * 3), sure_of(8 * 2);
    const std::vector<residua::Output> outputs = {
        {.name = "probabilities", .values = softmax},
        {.name = "layer2.0.relu", .values = tensor},
        {.name = "logits", .values = best, .top_k = 3, .indices = best_of},
        {.name = "pooled", .values = pool},
        {.name = "probabilities", .values = sure, .top_k = 2, .indices = sure_of},
        {.name = "logits", .values = logits},
    };
    context.run(bytes(8), outputs);
    CHECK(logits == reference);
    CHECK(pool == features);
    for (std::size_t i = 0; i < 80; ++i) CHECK(std::abs(softmax[i] - probabilities[i]) < 1e-4F);
    for (std::size_t n = 0; n < 8; ++n) {
      const auto row = std::span<const float>(logits).subspan(n * 10, 10);
      const auto order = residua::top_k(row, 3);
      for (std::size_t k = 0; k < 3; ++k) {
        CHECK(best_of[n * 3 + k] == order[k]);
        CHECK(best[n * 3 + k] == row[static_cast<std::size_t>(order[k])]);
      }
      for (std::size_t k = 0; k < 2; ++k) {
        CHECK(sure_of[n * 2 + k] == order[k]);
        CHECK(sure[n * 2 + k] == softmax[n * 10 + static_cast<std::size_t>(order[k])]);
      }
      // The classifier reads the features: a mean of what ReLUs wrote.
      for (std::size_t k = 0; k < 64; ++k) CHECK(pool[n * 64 + k] >= 0);
    }
    CHECK(*std::max_element(tensor.begin(), tensor.end()) > 0);
    CHECK(*std::min_element(tensor.begin(), tensor.end()) == 0);
    // Softmax alone is taken in place.
    context.run(bytes(8), std::span(outputs).first(1));
    for (std::size_t i = 0; i < 80; ++i) CHECK(std::abs(softmax[i] - probabilities[i]) < 1e-4F);
    // Features alone: without the classifier.
    std::fill(pool.begin(), pool.end(), -1.0F);
    context.run(bytes(8), std::span(outputs).subspan(3, 1));
    CHECK(pool == features);
  }
}

TEST_CASE("the class map: scores at every place, whose mean is the logits") {
  const residua::TensorInfo map = model().tensor("class_map"), wide = model().tensor("class_map", 64, 48);
  REQUIRE(map.rank == 4);
  CHECK(std::vector<std::int64_t>(map.shape, map.shape + 4) == std::vector<std::int64_t>{1, 10, 8, 8});
  CHECK(std::vector<std::int64_t>(wide.shape, wide.shape + 4) == std::vector<std::int64_t>{1, 10, 16, 12});
  const Floats image(3 * 64 * 48, 0.5F);
  const residua::Input other{.format = RESIDUA_FLOAT32_NCHW, .data = image.data(), .height = 64, .width = 48};
  for (const auto& [input, images, places] : {std::tuple(bytes(8), 8, 64), std::tuple(other, 1, 192)})
    for (const residua::Schedule schedule : {RESIDUA_LATENCY, RESIDUA_THROUGHPUT}) {
      residua::Context context(model(), {.schedule = schedule});
      Floats logits(static_cast<std::size_t>(images) * 10), scores(logits.size() * static_cast<std::size_t>(places));
      const std::vector<residua::Output> outputs = {{.name = "class_map", .values = scores},
                                                    {.name = "logits", .values = logits}};
      context.run(input, outputs);
      for (std::size_t i = 0; i < logits.size(); ++i) {
        double sum = 0;
        for (std::size_t place = 0; place < static_cast<std::size_t>(places); ++place)
          sum += static_cast<double>(scores[i * static_cast<std::size_t>(places) + place]);
        CHECK(std::abs(sum / places - static_cast<double>(logits[i])) < 1e-4);
      }
      // Alone, and without the classifier.
      const Floats both = scores;
      context.run(input, std::span(outputs).first(1));
      CHECK(scores == both);
    }
}

TEST_CASE("the tensors of a network: names, shapes, and what fusing took") {
  const auto tensors = model().tensors();
  REQUIRE(tensors.size() == static_cast<std::size_t>(model().info().tensor_count));
  CHECK(std::string(tensors[0].name) == "logits");
  CHECK(std::string(tensors[1].name) == "probabilities");
  CHECK(std::string(tensors[2].name) == "pooled");
  for (const residua::TensorInfo& each : tensors) {
    CAPTURE(each.name);
    std::int64_t values = 1;
    for (int i = 0; i < each.rank; ++i) values *= each.shape[i];
    CHECK(values == each.values);
    CHECK(each.shape[0] == 1);
    // Whatever is listed can be had.
    CHECK(model().run(bytes(2), each.name).size() == static_cast<std::size_t>(2 * values));
  }
  CHECK(model().tensor("layer1.0.relu", 64, 48).shape[2] == 64);
  check_refused(model().try_tensor("layer1.0.conv1"), "fused", RESIDUA_MISMATCH);
  check_refused(model().try_tensor("layer1.0.conv1"), "layer1.0.relu", RESIDUA_MISMATCH);
  check_refused(model().try_tensor("no such"), "no such", RESIDUA_MISMATCH);
  check_refused(model().try_run(bytes(1), "no such"), "no such", RESIDUA_MISMATCH);
}

TEST_CASE("features: the pooled vector of the large networks") {
  for (const auto& [name, width] : {std::pair("resnet18", 512), std::pair("resnet50", 2048)}) {
    const auto network = residua::Model::random(name, 1);
    const Floats image(3 * 64 * 64, 0.5F);
    const residua::Input input{.format = RESIDUA_FLOAT32_NCHW, .data = image.data(), .height = 64, .width = 64};
    CHECK(network.run(input, "pooled").size() == static_cast<std::size_t>(width));
  }
}

TEST_CASE("a cancelled run, a passed deadline, and the run after it") {
  const auto network = residua::Model::random("resnet18", 1);
  const Floats images(many_images * 3 * 224 * 224, 0.5F);
  const residua::Input many{.format = RESIDUA_FLOAT32_NCHW, .data = images.data(), .batch = many_images};
  const residua::Input one{.format = RESIDUA_FLOAT32_NCHW, .data = images.data()};
  for (const residua::Schedule schedule : {RESIDUA_LATENCY, RESIDUA_THROUGHPUT}) {
    residua::Context context(network, {.schedule = schedule});
    Floats output(many_images * 1000);
    const residua::Output first{.values = output};
    const std::span<const residua::Output> outputs(&first, 1);
    context.run(many, outputs);  // plans
    const Floats reference = output;
    residua::RunInfo info{};
    context.run(many, outputs, {.info = &info});
    CHECK(info.planned == 0);

    check_refused(context.try_run(many, outputs, {.deadline = std::chrono::milliseconds(2)}), "deadline",
                  RESIDUA_DEADLINE);
    const residua::CancelToken token;
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      token.cancel();
    });
    const auto begin = std::chrono::steady_clock::now();
    check_refused(context.try_run(many, outputs, {.cancel = &token}), "cancel", RESIDUA_CANCELLED);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    CHECK(took.count() < info.total_ms);
    other.join();
    check_refused(context.try_run(one, outputs, {.cancel = &token}), "cancel", RESIDUA_CANCELLED);
    check_refused(context.try_run_info(), "last run failed");

    std::fill(output.begin(), output.end(), 0.0F);
    context.run(many, outputs, {.deadline = std::chrono::hours(1), .cancel = nullptr});
    CHECK(output == reference);
  }
  const residua::Counters counters = network.counters();
  CHECK(counters.runs == 6);
  CHECK(counters.images == 6 * many_images);
  CHECK(counters.cancelled == 4);
  CHECK(counters.deadlines_exceeded == 2);
  CHECK(counters.errors == 0);
  CHECK(counters.run_ms > 0);
}

TEST_CASE("callers without contexts: equal bits, whatever the company") {
  const Floats one = model().run(bytes(1)), eight = model().run(bytes(8)), features = model().run(bytes(3), "pooled");
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 25; ++i) {
          if (model().run(bytes(1)) != one) ++wrong;
          if (t % 2 == 0 && model().run(bytes(8)) != eight) ++wrong;
          if (t % 3 == 0 && model().run(bytes(3), "pooled") != features) ++wrong;
        }
      });
  }
  CHECK(wrong == 0);
  // Whoever waits can give up.
  const residua::CancelToken token;
  token.cancel();
  check_refused(model().try_run(bytes(1), "", {.cancel = &token}), "cancel", RESIDUA_CANCELLED);
}

TEST_CASE("asynchronous runs call back once, with the result") {
  auto network =
      std::make_unique<residua::Model>(residua::Model::load(golden_path("models/resnet20-cifar10.safetensors")));
  const Floats reference = network->run(bytes(2));
  constexpr std::size_t count = 50;
  std::vector<Floats> outputs(count, Floats(20));
  std::atomic<std::size_t> done = 0, good = 0;
  std::promise<void> all;
  for (std::size_t i = 0; i < count; ++i) {
    const residua::Output output{.values = outputs[i]};
    network->run_async(bytes(2), std::span(&output, 1), [&](const residua::Result<void>& result) {
      if (result) ++good;
      if (++done == count) all.set_value();
    });
  }
  network = nullptr;  // runs under way keep what they need
  all.get_future().wait();
  CHECK(good == count);
  for (const Floats& output : outputs) CHECK(output == reference);

  // A run that fails says so to the callback; a call that makes no sense fails at once and calls nobody.
  std::promise<residua::Status> status;
  const residua::CancelToken token;
  token.cancel();
  const residua::Output output{.values = outputs[0]};
  model().run_async(bytes(2), std::span(&output, 1),
                    [&](const residua::Result<void>& result) { status.set_value(result.status()); },
                    {.cancel = &token});
  CHECK(status.get_future().get() == RESIDUA_CANCELLED);
  bool called = false;
  const residua::Output nameless{.name = "no such", .values = outputs[0]};
  check_refused(
      model().try_run_async(bytes(2), std::span(&nameless, 1), [&](const residua::Result<void>&) { called = true; }),
      "no such", RESIDUA_MISMATCH);
  CHECK_FALSE(called);

  // A callback may start the next run.
  std::promise<void> second;
  Floats values(20);
  const residua::Output target{.values = values};
  model().run_async(bytes(2), std::span(&target, 1), [&](const residua::Result<void>&) {
    model().run_async(bytes(2), std::span(&target, 1), [&](const residua::Result<void>&) { second.set_value(); });
  });
  second.get_future().wait();
  CHECK(values == reference);
}

TEST_CASE("asynchronous runs that wait in line: given up in time, and the wait is told") {
  const auto network = residua::Model::random("resnet18", 1);
  const Floats images(many_images * 3 * 224 * 224, 0.5F);
  const residua::Input many{.format = RESIDUA_FLOAT32_NCHW, .data = images.data(), .batch = many_images};
  const residua::Input one{.format = RESIDUA_FLOAT32_NCHW, .data = images.data()};
  const auto budget = static_cast<std::size_t>(residua_cpu_budget());
  std::vector<Floats> outputs(budget + 3, Floats(many_images * 1000));
  network.run(many, "");  // plans
  network.run(one, "");

  // All threads are busy with long runs; behind them two that are given up, and one that waits for its turn.
  std::atomic<std::size_t> busy = budget;
  std::atomic<int> failed = 0;
  for (std::size_t i = 0; i < budget; ++i) {
    const residua::Output output{.values = outputs[i]};
    network.run_async(many, std::span(&output, 1), [&](const residua::Result<void>& result) {
      --busy;
      if (!result) ++failed;
    });
  }
  struct End {
    std::promise<residua::Status> status;
    std::size_t still_busy = 0;
    std::chrono::steady_clock::time_point time;
  };
  std::vector<End> ends(3);
  const auto start = [&](std::size_t i, const residua::RunOptions& options) {
    const residua::Output output{.values = outputs[budget + i]};
    network.run_async(
        one, std::span(&output, 1),
        [&, i](const residua::Result<void>& result) {
          ends[i].still_busy = busy;
          ends[i].time = std::chrono::steady_clock::now();
          ends[i].status.set_value(result.status());
        },
        options);
  };
  const residua::CancelToken token;
  residua::RunInfo info{};
  const auto begin = std::chrono::steady_clock::now();
  start(0, {.deadline = std::chrono::milliseconds(10)});
  start(1, {.cancel = &token});
  start(2, {.info = &info});
  CHECK(ends[0].status.get_future().get() == RESIDUA_DEADLINE);
  CHECK(ends[0].still_busy == budget);
  token.cancel();
  CHECK(ends[1].status.get_future().get() == RESIDUA_CANCELLED);
  CHECK(ends[1].still_busy == budget);
  CHECK(ends[2].status.get_future().get() == RESIDUA_OK);
  CHECK(ends[2].still_busy < budget);
  const std::chrono::duration<double, std::milli> took = ends[2].time - begin;
  CHECK(info.queue_ms > 10);
  CHECK(info.queue_ms + info.total_ms <= took.count());
  CHECK(info.queue_ms + info.total_ms >= 0.8 * took.count());
  while (busy > 0) std::this_thread::yield();
  CHECK(failed == 0);
  CHECK(network.counters().queue_ms >= info.queue_ms);
  CHECK(network.counters().deadlines_exceeded == 1);
  CHECK(network.counters().cancelled == 1);
}

TEST_CASE("runs that are refused count as errors") {
  const auto network = residua::Model::load(golden_path("models/resnet20-cifar10.safetensors"));
  residua::Context context(network);
  Floats values(20);
  const residua::Output nameless{.name = "no such", .values = values}, first{.values = values};
  check_refused(network.try_run(bytes(2), std::span(&nameless, 1)), "no such", RESIDUA_MISMATCH);
  check_refused(context.try_run(bytes(2), std::span(&nameless, 1)), "no such", RESIDUA_MISMATCH);
  check_refused(context.try_run(bytes(3), std::span(&first, 1)), "20");
  CHECK(network.counters().errors == 3);
  CHECK(network.counters().runs == 0);
}

TEST_CASE("requests that make no sense") {
  residua::Context context(model());
  Floats values(80);
  std::vector<std::int32_t> indices(8);
  const auto run = [&](const residua::Input& input, const residua::Output& output,
                       const residua::RunOptions& options = {}) {
    const auto pooled = model().try_run(input, std::span(&output, 1), options);
    const auto own = context.try_run(input, std::span(&output, 1), options);
    CHECK(pooled.status() == own.status());
    return own;
  };
  const residua::Output all{.values = values};
  CHECK(run(bytes(8), all).ok());
  check_refused(run(bytes(8), {.values = std::span(values).first(79)}), "79");
  check_refused(
      run(bytes(1),
          {.values = values, .top_k = 11, .indices = values.empty() ? std::span<std::int32_t>() : std::span(indices)}),
      "11");
  check_refused(run(bytes(8), {.values = values, .top_k = 2, .indices = indices}), "indices");
  check_refused(run(bytes(1), {.values = values, .top_k = -1}), "top_k");
  check_refused(run(bytes(1), {.values = values, .indices = indices}), "top_k is 0");
  check_refused(run(bytes(0), all), "batch");
  check_refused(run(bytes(1), all, {.deadline = std::chrono::milliseconds(-1)}), "deadline");
  check_refused(run({.data = nullptr}, all), "data is NULL");
  check_refused(run({.data = values.data(), .row_stride = INT64_MAX}, all), "row_stride");
  check_refused(run({.data = values.data(), .preparation = static_cast<residua_preparation>(3)}, all), "preparation");
  const residua::Image small{.data = expected().nhwc, .height = 16, .width = 16},
      large{.data = expected().nhwc, .height = 32, .width = 32};
  check_refused(run({.images = {large, small}}, all), "RESIDUA_PREPARE");
  check_refused(run({.data = values.data(), .images = {large}}, all), "images is set");
  check_refused(run({.images = {{.data = nullptr, .height = 32, .width = 32}}}, all), "images[0].data");
  check_refused(context.try_run(bytes(1), std::span<const residua::Output>()), "outputs");
  check_refused(context.try_trace(), "does not profile");
  check_refused(model().try_tensors(-1), "height");
}

}  // namespace
