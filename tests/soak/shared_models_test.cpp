// Many threads on shared models, with loading and unloading beside them: every output as from one thread alone. Also
// built with ThreadSanitizer (tests/soak/race.sh).
#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/soak/demonstration.h"
#include "tests/soak/hostile_files.h"
#include "tests/soak/process_state.h"

using namespace residua;
using namespace residua::tests;

TEST_CASE("16 threads on two shared models, while others load, run and unload, and load what means harm") {
  const HostileFiles hostile;
  const long runs = repeats(50, 1000);
  const std::vector<Model> models = [] {
    std::vector<Model> loaded;
    loaded.push_back(load_demonstration());
    loaded.push_back(Model::random("resnet20_cifar", 7));
    return loaded;
  }();
  // By model and images - 1. Every shape a few times, and with every number of threads and schedule.
  std::vector<std::vector<std::vector<float>>> expected(models.size());
  for (std::size_t m = 0; m < models.size(); ++m) {
    const Model fresh = m == 0 ? load_demonstration() : Model::random("resnet20_cifar", 7);
    Context context(fresh, {.threads = 1});
    for (int images = 1; images <= 8; ++images) expected[m].push_back(run_demonstration(context, images));
  }

  std::atomic<int> different{0}, failed{0}, taken{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> runners, loaders;
  for (int thread = 0; thread < 16; ++thread)
    runners.emplace_back([&, thread] {
      try {
        std::vector<std::optional<Context>> contexts(models.size());
        for (long run = 0; run < runs; ++run) {
          const auto m = static_cast<std::size_t>(thread + run) % models.size();
          if (run % 8 < 2)  // of each model: a context costs next to nothing: some are made anew, most are kept
            contexts[m].emplace(models[m], ContextOptions{.threads = static_cast<std::int32_t>(run % 3),
                                                          .schedule = run % 16 < 8 ? RESIDUA_AUTO : RESIDUA_LATENCY});
          const int images = 1 + static_cast<int>((thread * 5 + run) % 8);
          const auto& wanted = expected[m][static_cast<std::size_t>(images) - 1];
          // Half of the runs with a context of the thread's, the others with one that is lent, at once or later.
          const Input input{
              .format = RESIDUA_FLOAT32_NCHW, .data = demonstration_images(images).data(), .batch = images};
          std::vector<float> values(wanted.size());
          const Output output{.values = values};
          RunProfile profile;
          if (run / 2 % 2 == 0) {
            values = run_demonstration(*contexts[m], images);
          } else if (run / 4 % 2 == 0) {
            models[m].run(input, {&output, 1}, {.profile = run % 16 == 2 ? &profile : nullptr});
          } else {
            std::promise<bool> done;
            models[m].run_async(input, {&output, 1}, [&](const Result<void>& result) { done.set_value(bool(result)); });
            if (!done.get_future().get()) ++failed;
          }
          different += values != wanted;
        }
      } catch (const std::exception&) {
        ++failed;
      }
    });
  for (int thread = 0; thread < 2; ++thread)
    loaders.emplace_back([&, thread] {
      try {
        for (int round = 0; !stop; ++round) {
          const Model loaded = load_demonstration();
          Context context(loaded, {.profile = round % 2 == 0});
          const int images = 1 + thread;
          different += run_demonstration(context, images) != expected[0][static_cast<std::size_t>(images) - 1];
        }
      } catch (const std::exception&) {
        ++failed;
      }
    });
  loaders.emplace_back([&] {
    for (std::size_t next = 0; !stop; ++next)
      taken += Model::try_load(hostile.paths()[next % hostile.paths().size()]).ok();
  });
  for (std::thread& runner : runners) runner.join();
  stop = true;
  for (std::thread& loader : loaders) loader.join();
  CHECK(different == 0);
  CHECK(failed == 0);
  CHECK(taken == 0);
}
