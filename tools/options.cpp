#include "tools/options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <stdexcept>
#include <string_view>

namespace residua::tool {
namespace {

constexpr int most_threads = 4096;
constexpr int largest_batch = 65536;
constexpr std::int32_t largest_side = 16384;

const std::map<std::string, Schedule>& schedules() {
  static const std::map<std::string, Schedule> names = {
      {"auto", RESIDUA_AUTO}, {"latency", RESIDUA_LATENCY}, {"throughput", RESIDUA_THROUGHPUT}};
  return names;
}

std::optional<std::int32_t> parse_side(std::string_view text) {
  std::int32_t side = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), side);
  if (error != std::errc() || end != text.data() + text.size() || side < 1 || side > largest_side) return std::nullopt;
  return side;
}

}  // namespace

CLI::Option* add_model_option(CLI::App& app, std::string& model, bool random_too) {
  return app
      .add_option("-m,--model", model,
                  std::string("Model file: .onnx, .safetensors, a .pth state dict, or .residua from `residua pack` "
                              "(told by content); or "
                              "the name of weights that `residua pull` has fetched") +
                      (random_too ? "; or an architecture such as resnet50, on seeded random weights" : ""))
      ->type_name("FILE");
}

CLI::Option* add_threads_option(CLI::App& app, int& threads) {
  return app
      .add_option("-t,--threads", threads,
                  "Threads to use, 1 or more [default: all that the CPU affinity and cgroup allow]")
      ->check(CLI::Range(1, most_threads).description(""))
      ->type_name("N");
}

CLI::Option* add_schedule_option(CLI::App& app, Schedule& schedule) {
  return app
      .add_option_function<std::string>(
          "--schedule", [&schedule](const std::string& name) { schedule = schedules().at(name); },
          "latency: all threads work on one image together; throughput: each thread runs whole images; auto: "
          "throughput from as many images as threads [default: auto]")
      ->check(CLI::IsMember(schedules()).description(""))
      ->type_name("S");
}

CLI::Option* add_batch_option(CLI::App& app, int& batch, const std::string& description) {
  return app.add_option("-b,--batch", batch, description)
      ->check(CLI::Range(1, largest_batch).description(""))
      ->type_name("N")
      ->capture_default_str();
}

CLI::Option* add_memory_limit_option(CLI::App& app, std::size_t& bytes) {
  return app
      .add_option_function<double>(
          "--memory-limit",
          [&bytes](double megabytes) { bytes = static_cast<std::size_t>(std::ceil(megabytes * 1e6)); },
          "Megabytes that transformed weights may add to the weights' own size: less memory, slower "
          "[default: no limit, as 0]")
      ->check(CLI::Range(0.0, 1e9).description(""))
      ->type_name("MB");
}

CLI::Option* add_tune_option(CLI::App& app, bool& tune) {
  return app.add_flag(
      "--tune", tune,
      "Run each convolution as was fastest here: measured at the first use (some seconds), then kept in "
      "~/.cache/residua (XDG_CACHE_HOME). Last digits may depend on the choice");
}

CLI::Option* add_direct_option(CLI::App& app, bool& direct) {
  return app.add_flag(
      "--direct", direct,
      "Run convolutions as sums of products, none by Winograd's or Strassen's algorithm or on tile registers "
      "(AMX): an infinity or NaN is passed on as it is, and reaches no output but those it is part of. Slower");
}

ImageSize parse_image_size(const std::string& text) {
  const std::size_t times = text.find_first_of("xX");
  const auto height = parse_side(std::string_view(text).substr(0, times));
  const auto width = times == std::string::npos ? height : parse_side(std::string_view(text).substr(times + 1));
  if (!height || !width) {
    throw std::invalid_argument("'" + text + "' is no image size: N or HEIGHTxWIDTH expected, each 1 to " +
                                std::to_string(largest_side));
  }
  return {*height, *width};
}

CLI::Option* add_batches_option(CLI::App& app, std::vector<std::int32_t>& batches) {
  return app.add_option("-b,--batch", batches, "Images to run at once: one or more numbers [default: 1]")
      ->check(CLI::Range(1, largest_batch).description(""))
      ->expected(1, 64)
      ->type_name("N ...");
}

CLI::Option* add_cache_option(CLI::App& app, bool& cache) {
  return app.add_flag(
      "--cache", cache,
      "Start from what an earlier run kept of this model file in ~/.cache/residua (XDG_CACHE_HOME), and "
      "keep it");
}

CLI::Option* add_image_size_option(CLI::App& app, ImageSize& size) {
  return app
      .add_option_function<std::string>(
          "--image-size", [&size](const std::string& text) { size = parse_image_size(text); },
          "Size of the images, N or HEIGHTxWIDTH [default: the model's own]")
      ->check(complaints_of(parse_image_size))
      ->type_name("SIZE");
}

const char* name_of(Schedule schedule) {
  for (const auto& [name, value] : schedules()) {
    if (value == schedule) return name.c_str();
  }
  return "unknown";
}

}  // namespace residua::tool
