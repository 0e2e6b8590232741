#include "engine/context.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>
#include <random>
#include <vector>

#include "graph/interpret.h"
#include "tests/sanitized.h"

using namespace residua::engine;
namespace graph = residua::graph;

namespace {

std::shared_ptr<const Model> small_model() {
  auto model = Model::random("resnet20_cifar", 3);
  REQUIRE_MESSAGE(model.ok(), model.error().message);
  return *model;
}

std::vector<float> random_images(const RunShape& shape, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> images(static_cast<std::size_t>(shape.batch * 3 * shape.height * shape.width));
  for (float& value : images) value = normal(random);
  return images;
}

std::vector<float> run(Context& context, const RunShape& shape, const std::vector<float>& images) {
  std::vector<float> output(static_cast<std::size_t>(shape.batch * 10));
  const auto status = context.run(dense_planes(images.data(), 3, shape), output);
  REQUIRE_MESSAGE(status.ok(), status.error().message);
  return output;
}

}  // namespace

TEST_CASE("equal bits whatever the schedule, the number of threads, the run and the company in the batch") {
  const auto model = small_model();
  const RunShape shape{37, 32, 32};
  const auto images = random_images(shape, 1);
  Context reference(model, {.threads = 1, .schedule = Schedule::throughput, .profile = false});
  const auto expected = run(reference, shape, images);
  for (Schedule schedule : {Schedule::automatic, Schedule::latency, Schedule::throughput})
    for (int threads : {1, 2}) {
      CAPTURE(threads);
      CAPTURE(static_cast<int>(schedule));
      Context context(model, {.threads = threads, .schedule = schedule, .profile = false});
      CHECK(run(context, shape, images) == expected);
      CHECK(run(context, shape, images) == expected);
      CHECK(context.last_run().program->key.threads == threads);
    }
}

TEST_CASE("equal bits where a program has several segments") {
  const auto model = Model::random("resnet18", 3);
  REQUIRE_MESSAGE(model.ok(), model.error().message);
  for (const std::int64_t batch : residua::tests::sanitized ? std::vector{1, 5} : std::vector{1, 2, 5, 11}) {
    const RunShape shape{batch, 64, 64};
    const auto images = random_images(shape, 1);
    std::vector<float> expected, output(static_cast<std::size_t>(batch * 1000));
    std::size_t most_segments = 0;
    for (Schedule schedule : {Schedule::latency, Schedule::throughput, Schedule::automatic})
      for (int threads : {1, 2, 3, 4}) {
        CAPTURE(threads);
        CAPTURE(static_cast<int>(schedule));
        Context context(*model, {.threads = threads, .schedule = schedule, .profile = threads == 2});
        for (int repeat = 0; repeat < 2; ++repeat) {
          const auto status = context.run(dense_planes(images.data(), 3, shape), output);
          REQUIRE_MESSAGE(status.ok(), status.error().message);
          if (expected.empty()) expected = output;
          CHECK(output == expected);
        }
        const Program& program = *context.last_run().program;
        most_segments = std::max(most_segments, program.segments.size());
        CHECK(program.gflop == doctest::Approx(static_cast<double>(batch) * 0.3).epsilon(0.1));
      }
    CHECK((batch == 1 || most_segments > 1));
  }
}

TEST_CASE("against the interpreter, at sizes other than the network's own") {
  const auto model = small_model();
  Context context(model, {});
  for (const RunShape& shape : {RunShape{2, 32, 32}, RunShape{1, 40, 24}, RunShape{1, 17, 33}}) {
    const auto images = random_images(shape, 2);
    const auto found = run(context, shape, images);
    const graph::Value value{{shape.batch, 3, shape.height, shape.width}, images};
    const auto expected = graph::interpret(model->imported(), {&value, 1});
    REQUIRE_MESSAGE(expected.ok(), expected.error().message);
    for (std::size_t i = 0; i < found.size(); ++i)
      CHECK(found[i] == doctest::Approx((*expected)[0].floats()[i]).epsilon(1e-4));
  }
}

TEST_CASE("pixels are normalised on the way in") {
  const auto model = small_model();
  const RunShape shape{2, 32, 32};
  std::vector<std::uint8_t> pixels(2 * 32 * 32 * 3);
  std::mt19937 random(5);
  for (auto& pixel : pixels) pixel = static_cast<std::uint8_t>(random() & 255);
  std::vector<float> planes(pixels.size());
  for (std::size_t n = 0; n < 2; ++n)
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t i = 0; i < 32 * 32; ++i)
        planes[(n * 3 + c) * 32 * 32 + i] =
            (static_cast<float>(pixels[(n * 32 * 32 + i) * 3 + c]) / 255.0f - model->card().mean[c]) /
            model->card().standard_deviation[c];
  Context context(model, {});
  const auto expected = run(context, shape, planes);
  std::vector<float> found(20);
  REQUIRE(context.run(dense_pixels(pixels.data(), shape), found).ok());
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-4));
}

TEST_CASE("the host's own thread count survives a run") {
  const auto model = small_model();
  omp_set_num_threads(5);
  const RunShape shape{3, 32, 32};
  const auto images = random_images(shape, 1);
  for (Schedule schedule : {Schedule::latency, Schedule::throughput}) {
    Context context(model, {.threads = 2, .schedule = schedule, .profile = true});
    run(context, shape, images);
    CHECK(omp_get_max_threads() == 5);
    double sum = 0;
    for (double milliseconds : context.last_run().layer_milliseconds) sum += milliseconds;
    CHECK(sum > 0);
  }
}

TEST_CASE("an output that is too small, and images that the network refuses") {
  const auto model = small_model();
  Context context(model, {});
  const RunShape shape{2, 32, 32};
  const auto images = random_images(shape, 1);
  std::vector<float> output(19);
  const auto status = context.run(dense_planes(images.data(), 3, shape), output);
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().message.find("10 an image") != std::string::npos);
  CHECK_FALSE(Model::random("resnet51", 1).ok());
}

TEST_CASE("many shapes keep few plans") {
  const auto model = small_model();
  Context context(model, {});
  std::size_t packed = 0;
  for (std::int64_t side = 24; side < 48; ++side) {
    const RunShape shape{1, side, side};
    run(context, shape, random_images(shape, 1));
    if (side == 24) packed = model->packed_weight_bytes();
  }
  // Weights are packed once, or a few times where oneDNN wants another layout for another size, not once a shape.
  CHECK(model->packed_weight_bytes() <= 3 * packed);
}
