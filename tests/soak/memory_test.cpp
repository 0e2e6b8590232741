// A process that loads, runs and unloads for weeks: memory, descriptors and threads stay what they were.
#include <doctest/doctest.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <ratio>
#include <vector>

#include "tests/sanitized.h"
#include "tests/soak/demonstration.h"
#include "tests/soak/hostile_files.h"
#include "tests/soak/process_state.h"

using namespace residua;
using namespace residua::tests;

namespace {

struct Sample {
  double hours;
  double kilobytes;
};

// Of the line that fits the samples best (least squares), in KiB an hour.
double slope(const std::vector<Sample>& samples) {
  double x = 0, y = 0, xx = 0, xy = 0;
  const auto count = static_cast<double>(samples.size());
  for (const Sample& sample : samples) {
    x += sample.hours / count;
    y += sample.kilobytes / count;
  }
  for (const Sample& sample : samples) {
    xx += (sample.hours - x) * (sample.hours - x);
    xy += (sample.hours - x) * (sample.kilobytes - y);
  }
  return xy / xx;
}

// Does `once` a tenth of `times`, and then the rest: nothing may have grown by more than `bytes` meanwhile, and where
// it takes long enough to tell, resident memory by no more than 1 MB an hour.
template <class Function>
void check_flat(long times, std::size_t bytes, const Function& once) {
  for (long i = 0; i < std::max(times / 10, 2L); ++i) once();
  const std::size_t threads = thread_count(), descriptors = descriptor_count();
  const std::size_t files = mapping_count("/"), mappings = mapping_count();
  const std::size_t resident = resident_bytes_of_process();
  const auto used = static_cast<std::size_t>(mallinfo2().uordblks);
  std::vector<Sample> samples;
  const auto begin = std::chrono::steady_clock::now();
  double hours = 0;
  for (long i = 0; i < times; ++i) {
    once();
    if ((i + 1) % std::max(times / 200, 1L) != 0) continue;
    hours = std::chrono::duration<double, std::ratio<3600>>(std::chrono::steady_clock::now() - begin).count();
    samples.push_back({hours, static_cast<double>(resident_bytes_of_process()) / 1024});
  }
  const std::size_t resident_now = resident_bytes_of_process();
  const double growth = slope(samples);
  MESSAGE(times << " times in " << hours * 3600 << " s: " << (resident / 1024) << " KiB resident before, "
                << (resident_now / 1024) << " after, slope " << growth << " KiB an hour; " << used
                << " bytes in use before, " << mallinfo2().uordblks << " after");
  CHECK(thread_count() == threads);
  CHECK(descriptor_count() == descriptors);
  CHECK(mapping_count("/") == files);
  if (sanitized) return;
  CHECK(mapping_count() <= mappings + 2);  // malloc's own come and go
  CHECK(resident_now <= resident + bytes);
  CHECK(static_cast<std::size_t>(mallinfo2().uordblks) <= used + bytes / 8);
  constexpr double enough = 60.0 / 3600;  // a single page in a second would be 14 MB an hour
  if (hours >= enough) CHECK(growth < 1024);
}

}  // namespace

// Under a sanitizer, where nothing is said of memory, fewer times: threads and descriptors are counted.
TEST_CASE("loading, running and unloading leaves nothing behind") {
  check_flat(repeats(sanitized ? 30 : 150, 10'000), std::size_t{2} << 20, [] {
    const Model model = load_demonstration();
    Context context(model);
    run_demonstration(context, 1);
  });
}

TEST_CASE("files that mean harm leave nothing behind, whatever is run beside them") {
  const HostileFiles files;
  const Model model = load_demonstration();
  Context context(model);
  const std::vector<float> expected = run_demonstration(context, 1);
  std::size_t taken = 0, different = 0;
  // All of them at a time: what malloc keeps for later depends on the last file.
  check_flat(repeats(sanitized ? 2 : 6, 1000), std::size_t{2} << 20, [&] {
    for (std::size_t i = 0; i < files.paths().size(); ++i) {
      taken += Model::try_load(files.paths()[i]).ok();
      if (i % 16 == 0) different += run_demonstration(context, 1) != expected;
    }
  });
  CHECK(taken == 0);
  CHECK(different == 0);
}

TEST_CASE("runs leave nothing behind") {
  const Model model = load_demonstration();
  Context context(model);
  check_flat(repeats(sanitized ? 100 : 1000, 1'000'000), std::size_t{1} << 20, [&] { run_demonstration(context, 1); });
}

TEST_CASE("many image sizes and batches take no more memory than the largest ones") {
  const Model model = load_demonstration();
  const long rounds = repeats(3, 20);
  Context context(model);
  std::size_t context_bytes = 0, largest_alone = 0;
  const auto run = [&](int batch, int height, int width) {
    const std::vector<float> images(static_cast<std::size_t>(batch) * 3 * static_cast<std::size_t>(height * width),
                                    0.5F);
    context.run(images, {.batch = batch, .height = height, .width = width});
    context_bytes = context.run_info().context_bytes;
  };
  // 480 shapes, and another 480 in every other round. Under a sanitizer, where nothing is said of memory, a tenth.
  constexpr int shapes = sanitized ? 48 : 480;
  const auto shape_of = [](long round, int step) {
    return PlanShape{.batch = 1 + step * 7 % 16,
                     .height = 24 + step * 11 % 41,
                     .width = 24 + static_cast<int>(step * 5 + round % 2) % 41};
  };
  const auto run_many = [&](long round) {
    for (int step = 0; step < shapes; ++step) {
      const PlanShape shape = shape_of(round, step);
      run(shape.batch, shape.height, shape.width);
    }
  };
  // A context holds what its largest run needs; which one that is depends on the number of CPUs.
  for (int batch = 1; batch <= 16; ++batch) {
    Context alone(model);
    const std::vector<float> images(static_cast<std::size_t>(batch) * 3 * 64 * 64, 0.5F);
    alone.run(images, {.batch = batch, .height = 64, .width = 64});
    largest_alone = std::max(largest_alone, alone.run_info().context_bytes);
    run(batch, 64, 64);
  }
  CHECK(context_bytes == largest_alone);
  const std::size_t largest = resident_bytes_of_process();
  run_many(0);
  run_many(1);
  const std::size_t first = resident_bytes_of_process();
  // Somewhat smaller images may need somewhat more than the largest, where more of them run together.
  std::size_t largest_run = largest_alone;
  for (const long round : {0L, 1L})
    for (int step = 0; step < shapes; ++step)
      largest_run = std::max(largest_run, model.estimate_memory(shape_of(round, step)).context_bytes);
  CHECK(context_bytes == largest_run);
  std::size_t after = first;
  for (long round = 2; round < rounds; ++round) {
    run_many(round);
    after = resident_bytes_of_process();
  }
  CHECK(context_bytes == largest_run);
  MESSAGE((largest_alone / 1024) << " KiB of a context; " << (largest / 1024) << " KiB resident with the largest "
                                 << "shapes, " << (first / 1024) << " after " << 2 * shapes << " others, "
                                 << (after / 1024) << " after " << shapes * rounds);
  if (sanitized) return;
  // What is left to grow is malloc's heap, where small objects of plans that come and go leave holes; it ends soon.
  CHECK(first <= largest + (std::size_t{2} << 20));
  CHECK(after <= first + (std::size_t{1} << 20));
}
