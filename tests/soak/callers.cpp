// Callers that share the CPUs: throughput and latency of several host threads that each run a context of their own, in
// turns with one caller alone.
//
//   callers [MODEL=resnet18 [CALLERS=4 [SECONDS=20 [SIDE=0: the model's]]]]
//
// MODEL is a file, or an architecture that gets random weights. Prints a line a round and the medians; exits 1 when the
// callers together reach less than 0.95 of the single one, or their p99 is more than 3 times their p50.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <residua/residua.hpp>
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

struct Image {
  std::vector<float> values;
  residua::InputShape shape;
};

Round run_round(std::vector<residua::Context>& contexts, int callers, const Image& image, std::size_t classes,
                std::chrono::duration<double> length) {
  std::vector<std::vector<double>> latencies(static_cast<std::size_t>(callers));
  std::atomic<int> ready{0};
  std::atomic<bool> go{false}, stop{false};
  std::vector<std::thread> threads;
  for (int caller = 0; caller < callers; ++caller)
    threads.emplace_back([&, caller] {
      const auto self = static_cast<std::size_t>(caller);
      std::vector<float> output(classes);
      contexts[self].run(image.values, image.shape, output);
      ++ready;
      while (!go) std::this_thread::yield();
      while (!stop) {
        const auto start = Clock::now();
        contexts[self].run(image.values, image.shape, output);
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

}  // namespace

int main(int count, char** arguments) try {
  const std::string name = count > 1 ? arguments[1] : "resnet18";
  const int callers = count > 2 ? std::atoi(arguments[2]) : 4;
  const double seconds = count > 3 ? std::atof(arguments[3]) : 20;
  const residua::Model model =
      std::filesystem::exists(name) ? residua::Model::load(name) : residua::Model::random(name, 1);
  const auto info = model.info();
  const int side = count > 4 && std::atoi(arguments[4]) > 0 ? std::atoi(arguments[4]) : info.input_height;
  const Image image{
      std::vector<float>(static_cast<std::size_t>(info.channels) * static_cast<std::size_t>(side * side), 0.5F),
      {.batch = 1, .height = side, .width = side}};
  std::vector<residua::Context> contexts;
  for (int caller = 0; caller < callers; ++caller) contexts.emplace_back(model);

  constexpr int rounds = 8;
  std::vector<double> ratios, p50s, p99s, singles;
  for (int round = 0; round < rounds; ++round) {
    const std::chrono::duration<double> length(seconds / (2 * rounds));
    const Round one = run_round(contexts, 1, image, static_cast<std::size_t>(info.classes), length);
    const Round all = run_round(contexts, callers, image, static_cast<std::size_t>(info.classes), length);
    ratios.push_back(all.images_per_second / one.images_per_second);
    singles.push_back(one.images_per_second);
    p50s.push_back(percentile(all.milliseconds, 0.5));
    p99s.push_back(percentile(all.milliseconds, 0.99));
    std::printf(
        "one caller %8.1f images/s, p50 %7.3f ms; %d callers %8.1f images/s, p50 %7.3f, p99 %7.3f, max %7.3f ms\n",
        one.images_per_second, percentile(one.milliseconds, 0.5), callers, all.images_per_second, p50s.back(),
        p99s.back(), percentile(all.milliseconds, 1));
  }
  const double ratio = percentile(ratios, 0.5), p50 = percentile(p50s, 0.5), p99 = percentile(p99s, 0.5);
  std::printf("medians: %.1f images/s alone, %d callers %.3f of that, p50 %.3f ms, p99 %.3f ms (%.2f x p50)\n",
              percentile(singles, 0.5), callers, ratio, p50, p99, p99 / p50);
  return ratio >= 0.95 && p99 <= 3 * p50 ? 0 : 1;
} catch (const residua::Error& error) {
  std::fprintf(stderr, "callers: %s\n", error.what());
  return 2;
}
