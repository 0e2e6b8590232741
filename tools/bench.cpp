// residua bench: how fast is a model here?

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <random>

#include "residua/residua.hpp"
#include "tools/command.h"
#include "tools/model_file.h"
#include "tools/options.h"
#include "tools/output_file.h"
#include "tools/report.h"

namespace residua::tool {
namespace {

struct BenchOptions {
  std::string model;
  std::string precision = "fp32";
  int batch = 1;
  ImageSize image_size;
  LoadOptions load;
  ContextOptions context;
  double seconds = 5;
  bool json = false;
  bool per_layer = false;
  std::string trace;
};

struct Layer {
  std::string name;
  std::string op;
  std::string implementation;
  double milliseconds = 0;  // of a whole batch
  double gflop = 0;
  double gflops_per_second() const { return milliseconds > 0 ? gflop / milliseconds * 1e3 : 0; }
};

struct Measurement {
  InputShape shape;
  RunInfo run{};
  double load_ms = 0;
  double first_run_ms = 0;
  std::vector<double> latencies_ms;  // sorted upwards
  double elapsed_seconds = 0;
  double peak_rss_mb = 0;
  double machine_gflops_per_second = 0;
  std::vector<Layer> layers;
  std::string trace;

  double mean_ms() const {
    return std::accumulate(latencies_ms.begin(), latencies_ms.end(), 0.0) / static_cast<double>(latencies_ms.size());
  }
  double images_per_second() const { return shape.batch * static_cast<double>(latencies_ms.size()) / elapsed_seconds; }
  double gflops_per_second() const { return run.gflop_per_image * images_per_second(); }
  double percent_of_peak() const { return 100 * gflops_per_second() / machine_gflops_per_second; }
};

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

template <class Work>
double milliseconds_of(const Work& work) {
  const Clock::time_point start = Clock::now();
  work();
  return 1e3 * seconds_since(start);
}

// Like normalised pixels, the same on every run.
std::vector<float> random_images(std::size_t count) {
  std::mt19937 generator(20151210);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(generator() >> 8) * 0x1p-22F - 2.0F;  // -2 .. 2
  return values;
}

double peak_rss_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;  // Linux counts in KiB
}

// Layer times from a context of its own, so that the clock reads between layers do not disturb the measured runs.
// The last of its runs is the trace.
void measure_layers(const Model& model, ContextOptions options, const std::vector<float>& images, Measurement& result) {
  const InputShape& shape = result.shape;
  options.profile = true;
  Context context(model, options);
  static_cast<void>(context.run(images, shape));  // plans; its times are not typical
  // About a second, and enough runs to average.
  const int runs = static_cast<int>(std::clamp(1e3 / percentile(result.latencies_ms, 50), 5.0, 100.0));
  std::vector<Layer>& layers = result.layers;
  for (int i = 0; i < runs; ++i) {
    static_cast<void>(context.run(images, shape));
    const std::vector<LayerInfo> profile = context.layers();
    layers.resize(profile.size());
    for (std::size_t j = 0; j < profile.size(); ++j) {
      const double total = layers[j].milliseconds + profile[j].milliseconds / runs;
      layers[j] = {profile[j].name, profile[j].op, profile[j].implementation, total, profile[j].gflop};
    }
  }
  result.trace = context.trace();
}

Measurement measure(const BenchOptions& options) {
  constexpr std::size_t fewest_iterations = 3;
  Measurement result;
  const Clock::time_point load_start = Clock::now();
  const Model model = open_model_or_architecture(options.model, options.load);
  result.load_ms = 1e3 * seconds_since(load_start);

  const ModelInfo info = model.info();
  result.shape = {options.batch, options.image_size.height > 0 ? options.image_size.height : info.input_height,
                  options.image_size.width > 0 ? options.image_size.width : info.input_width};
  const auto pixels = static_cast<std::size_t>(result.shape.height) * static_cast<std::size_t>(result.shape.width);
  const std::vector<float> images =
      random_images(pixels * static_cast<std::size_t>(info.channels) * static_cast<std::size_t>(options.batch));
  std::vector<float> output(static_cast<std::size_t>(info.classes) * static_cast<std::size_t>(options.batch));

  Context context(model, options.context);
  const auto run_once = [&] { context.run(images, result.shape, output); };
  result.first_run_ms = milliseconds_of(run_once);
  // Caches, clocks and page tables settle.
  const Clock::time_point warm_up_start = Clock::now();
  do {
    run_once();
  } while (seconds_since(warm_up_start) < std::min(0.1 * options.seconds, 0.5));

  const Clock::time_point start = Clock::now();
  do {
    result.latencies_ms.push_back(milliseconds_of(run_once));
    result.elapsed_seconds = seconds_since(start);
  } while (result.elapsed_seconds < options.seconds || result.latencies_ms.size() < fewest_iterations);

  result.peak_rss_mb = peak_rss_mb();
  result.run = context.run_info();
  std::sort(result.latencies_ms.begin(), result.latencies_ms.end());
  if (options.per_layer || !options.trace.empty()) {
    measure_layers(model, options.context, images, result);
  }
  result.machine_gflops_per_second = measure_peak(result.run.threads);
  return result;
}

std::string as_json(const BenchOptions& options, const Measurement& result) {
  using Json = nlohmann::ordered_json;
  const std::vector<double>& sorted = result.latencies_ms;
  Json report = {
      {"model", options.model},
      {"batch", options.batch},
      {"threads", result.run.threads},
      {"schedule", name_of(result.run.schedule)},
      {"precision", options.precision},
      {"isa", version().instruction_set_in_use},
      {"iterations", sorted.size()},
      {"latency_ms",
       {{"min", rounded(sorted.front())},
        {"p50", rounded(percentile(sorted, 50))},
        {"p90", rounded(percentile(sorted, 90))},
        {"p99", rounded(percentile(sorted, 99))},
        {"mean", rounded(result.mean_ms())}}},
      {"images_per_second", rounded(result.images_per_second())},
      {"load_ms", rounded(result.load_ms)},
      {"first_run_ms", rounded(result.first_run_ms)},
      {"peak_rss_mb", rounded(result.peak_rss_mb)},
      {"gflop_per_image", rounded(result.run.gflop_per_image)},
      {"percent_of_peak", rounded(result.percent_of_peak())},
  };
  if (options.per_layer) {
    Json layers = Json::array();
    for (const Layer& layer : result.layers) {
      layers.push_back({{"name", layer.name},
                        {"op", layer.op},
                        {"implementation", layer.implementation},
                        {"ms", rounded(layer.milliseconds)},
                        {"gflop", rounded(layer.gflop)},
                        {"gflops_per_second", rounded(layer.gflops_per_second())}});
    }
    report["layers"] = std::move(layers);
  }
  return report.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string layer_table(const std::vector<Layer>& layers) {
  double total = 0;
  for (const Layer& layer : layers) total += layer.milliseconds;
  std::vector<std::vector<std::string>> rows = {{"layer", "op", "implementation", "ms", "%", "GFLOP/s"}};
  for (const Layer& layer : layers) {
    rows.push_back({printable(layer.name), layer.op, layer.implementation, fixed(layer.milliseconds, 3),
                    fixed(total > 0 ? 100 * layer.milliseconds / total : 0, 1),
                    layer.gflop > 0 ? fixed(layer.gflops_per_second(), 0) : ""});
  }
  rows.push_back({"together", "", "", fixed(total, 3), "", ""});
  return table(rows, "lllrrr");
}

std::string as_text(const BenchOptions& options, const Measurement& result) {
  const std::vector<double>& sorted = result.latencies_ms;
  const auto ms = [](double value) { return fixed(value, value < 10 ? 3 : 2); };
  std::string text = printable(options.model) + ": batch " + std::to_string(options.batch) + " of " +
                     std::to_string(result.shape.height) + " x " + std::to_string(result.shape.width) + ", " +
                     options.precision + ", " + version().instruction_set_in_use + ", " +
                     std::to_string(result.run.threads) + (result.run.threads == 1 ? " thread, " : " threads, ") +
                     name_of(result.run.schedule) + " schedule\n\n";
  text += table(
      {{"latency, ms", "min", "p50", "p90", "p99", "mean"},
       {std::to_string(sorted.size()) + (sorted.size() == 1 ? " run" : " runs"), ms(sorted.front()),
        ms(percentile(sorted, 50)), ms(percentile(sorted, 90)), ms(percentile(sorted, 99)), ms(result.mean_ms())}},
      "lrrrrr");
  text +=
      "\n" + table({{"images per second", fixed(result.images_per_second(), 1), ""},
                    {"GFLOP/s", fixed(result.gflops_per_second(), 1),
                     fixed(result.percent_of_peak(), 1) + " % of the " + fixed(result.machine_gflops_per_second, 0) +
                         " that these threads reach on multiply-adds alone"},
                    {"GFLOP per image", fixed(result.run.gflop_per_image, 3),
                     "direct convolutions and fully connected layers"},
                    {"load, ms", ms(result.load_ms), ""},
                    {"first run, ms", ms(result.first_run_ms),
                     options.context.tune ? "plans, packs weights, and measures what is not known yet"
                                          : "plans and packs weights"},
                    {"peak memory, MB", fixed(result.peak_rss_mb, 1), "of this process"}},
                   "lrl");
  if (options.per_layer) text += "\n" + layer_table(result.layers);
  return text;
}

int bench(const BenchOptions& options) {
  Measurement result;
  std::optional<OutputFile> trace;  // where it cannot be written that shows before the measuring
  if (!options.trace.empty()) trace.emplace(options.trace);
  try {
    result = measure(options);
  } catch (const Error& error) {
    throw ModelError(options.model + ": " + error.what());
  }
  OutputFile output = OutputFile::standard_output();
  output.write(options.json ? as_json(options, result) : as_text(options, result));
  output.finish();
  if (trace) {
    trace->write(result.trace);
    trace->finish();
  }
  return all_well;
}

}  // namespace

Command add_bench(CLI::App& app) {
  const auto options = std::make_shared<BenchOptions>();
  CLI::App* parser =
      app.add_subcommand("bench", "Measure how fast a model runs here: on random images, after a warm-up.");
  add_model_option(*parser, options->model, true)->required();
  add_batch_option(*parser, options->batch, "Images to run at once");
  add_image_size_option(*parser, options->image_size);
  add_threads_option(*parser, options->context.threads);
  add_schedule_option(*parser, options->context.schedule);
  add_memory_limit_option(*parser, options->load.memory_limit);
  add_tune_option(*parser, options->context.tune);
  add_direct_option(*parser, options->context.direct);
  parser->add_option("-p,--precision", options->precision, "Arithmetic of the convolutions: fp32")
      ->check(CLI::IsMember({"fp32"}).description(""))
      ->type_name("P")
      ->capture_default_str();
  parser->add_option("-s,--seconds", options->seconds, "How long to measure; at least 3 runs in any case")
      ->check(CLI::Range(1e-3, 86400.0).description(""))
      ->type_name("SECONDS")
      ->capture_default_str();
  add_cache_option(*parser, options->load.cache);
  parser->add_flag("-j,--json", options->json, "One JSON object, in place of a table");
  parser->add_flag("-l,--per-layer", options->per_layer,
                   "Time each layer too, in runs of its own after the measured ones");
  parser
      ->add_option("--trace", options->trace,
                   "Write one run, layer by layer, to FILE, for chrome://tracing or Perfetto")
      ->type_name("FILE");
  parser->footer(
      "Examples:\n"
      "  residua bench --model resnet50\n"
      "  residua bench --model resnet50.onnx --batch 16 --threads 4 --schedule throughput --json\n"
      "  residua bench --model resnet18 --per-layer --seconds 2\n"
      "\n"
      "Latencies are of a whole batch. Percent of peak is the FLOPs of direct convolution over the measured rate of\n"
      "multiply-adds of the threads used; Winograd's algorithm needs fewer of them, so it can exceed 100.");
  return {parser, [options] { return bench(*options); }};
}

}  // namespace residua::tool
