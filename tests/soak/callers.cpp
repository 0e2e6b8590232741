// Callers that share the CPUs: throughput and latency of several host threads that each run one image at a time, in
// turns with one caller alone; first through residua_run, then with a context for each.
//
//   callers [MODEL=resnet18 [CALLERS=4 [SECONDS=20 [SIDE=0: the model's]]]]
//
// MODEL is a file, or an architecture that gets random weights. SECONDS: of each way. Prints a line a round and the
// medians; exits 1 when the callers together reach less than 0.95 of the single one, or their p99 is more than 3 times
// their p50.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <residua/residua.hpp>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Round {
  double images_per_second = 0;
  std::vector<double> milliseconds;
};

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto index = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(index), values.end());
  return values[index];
}

// Runs one image, as caller number so much.
using Run = std::function<void(std::size_t caller, std::span<float> output)>;

Round run_round(const Run& run, int callers, std::size_t classes, std::chrono::duration<double> length) {
  std::vector<std::vector<double>> latencies(static_cast<std::size_t>(callers));
  std::atomic<int> ready{0};
  std::atomic<bool> go{false}, stop{false};
  std::vector<std::thread> threads;
  for (int caller = 0; caller < callers; ++caller)
    threads.emplace_back([&, caller] {
      const auto self = static_cast<std::size_t>(caller);
      std::vector<float> output(classes);
      run(self, output);
      ++ready;
      while (!go) std::this_thread::yield();
      while (!stop) {
        const auto start = Clock::now();
        run(self, output);
        latencies[self].push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
      }
    });
  while (ready < callers) std::this_thread::yield();
  const auto start = Clock::now();
  go = true;
  std::this_thread::sleep_for(length);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  Round round;
  for (const auto& mine : latencies) round.milliseconds.insert(round.milliseconds.end(), mine.begin(), mine.end());
  round.images_per_second = static_cast<double>(round.milliseconds.size()) / seconds;
  return round;
}

// Whether the callers reach what they must.
bool compare(const char* way, const Run& run, int callers, std::size_t classes, double seconds) {
  constexpr int rounds = 8;
  const std::chrono::duration<double> length(seconds / (2 * rounds));
  std::vector<double> ratios, p50s, p99s, singles;
  for (int round = 0; round < rounds; ++round) {
    const Round one = run_round(run, 1, classes, length);
    const Round all = run_round(run, callers, classes, length);
    ratios.push_back(all.images_per_second / one.images_per_second);
    singles.push_back(one.images_per_second);
    p50s.push_back(percentile(all.milliseconds, 0.5));
    p99s.push_back(percentile(all.milliseconds, 0.99));
    std::printf(
        "%s: one caller %8.1f images/s, p50 %7.3f ms; %d callers %8.1f images/s, p50 %7.3f, p99 %7.3f, max %7.3f ms\n",
        way, one.images_per_second, percentile(one.milliseconds, 0.5), callers, all.images_per_second, p50s.back(),
        p99s.back(), percentile(all.milliseconds, 1));
  }
  const double ratio = percentile(ratios, 0.5), p50 = percentile(p50s, 0.5), p99 = percentile(p99s, 0.5);
  std::printf("%s, medians: %.1f images/s alone, %d callers %.3f of that, p50 %.3f ms, p99 %.3f ms (%.2f x p50)\n", way,
              percentile(singles, 0.5), callers, ratio, p50, p99, p99 / p50);
  return ratio >= 0.95 && p99 <= 3 * p50;
}

}  // namespace

int main(int count, char** arguments) try {
  const std::string name = count > 1 ? arguments[1] : "resnet18";
  const int callers = count > 2 ? std::atoi(arguments[2]) : 4;
  const double seconds = count > 3 ? std::atof(arguments[3]) : 20;
  const residua::Model model =
      std::filesystem::exists(name) ? residua::Model::load(name) : residua::Model::random(name, 1);
  const auto info = model.info();
  const int side = count > 4 && std::atoi(arguments[4]) > 0 ? std::atoi(arguments[4]) : info.input_height;
  const std::vector<float> image(static_cast<std::size_t>(info.channels) * static_cast<std::size_t>(side * side), 0.5F);
  const auto classes = static_cast<std::size_t>(info.classes);

  const residua::Input input{
      .format = RESIDUA_FLOAT32_NCHW, .data = image.data(), .batch = 1, .height = side, .width = side};
  const Run lent = [&](std::size_t, std::span<float> output) {
    const residua::Output first{.values = output};
    model.run(input, {&first, 1});
  };
  std::vector<residua::Context> contexts;
  for (int caller = 0; caller < callers; ++caller) contexts.emplace_back(model);
  const Run own = [&](std::size_t caller, std::span<float> output) {
    contexts[caller].run(image, {.batch = 1, .height = side, .width = side}, output);
  };
  const bool lent_fits = compare("residua_run", lent, callers, classes, seconds);
  const bool own_fits = compare("contexts", own, callers, classes, seconds);
  return lent_fits && own_fits ? 0 : 1;
} catch (const residua::Error& error) {
  std::fprintf(stderr, "callers: %s\n", error.what());
  return 2;
}
