// residua run: tensors in, tensors out.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <limits>
#include <memory>

#include "residua/residua.hpp"
#include "tools/command.h"
#include "tools/model_file.h"
#include "tools/npy.h"
#include "tools/options.h"
#include "tools/output_file.h"
#include "tools/progress.h"

namespace residua::tool {
namespace {

struct RunOptions {
  std::string model;
  std::string input;
  std::string output;
  int threads = 0;
  int batch = 8;
  Schedule schedule = RESIDUA_AUTO;
  bool cache = false;
  std::size_t memory_limit = 0;
  bool tune = false;
  bool direct = false;
};

// float32 [N, channels, height, width].
NpyArray read_images(const std::string& path, std::int32_t channels) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw NpyError(path + ": cannot be opened");
  NpyArray images;
  try {
    images = read_npy(stream);
  } catch (const NpyError& error) {
    throw NpyError(path + ": " + error.what());
  }
  std::string found = "[";
  for (const std::int64_t size : images.shape) found += (found.size() > 1 ? ", " : "") + std::to_string(size);
  found += "]";
  const auto fits = [](std::int64_t size) { return size >= 1 && size <= std::numeric_limits<std::int32_t>::max(); };
  if (images.shape.size() != 4 || images.shape[1] != channels ||
      !std::all_of(images.shape.begin(), images.shape.end(), fits)) {
    throw NpyError(path + ": shape " + found + " found, [N, " + std::to_string(channels) + ", height, width] expected");
  }
  return images;
}

std::string_view bytes_of(const std::vector<float>& values) {
  return {static_cast<const char*>(static_cast<const void*>(values.data())), values.size() * sizeof(float)};
}

int run(const RunOptions& options) {
  const Model model = open_model(options.model, {.cache = options.cache, .memory_limit = options.memory_limit});
  const ModelInfo info = model.info();
  const NpyArray images = read_images(options.input, info.channels);
  OutputFile output(options.output);
  Context context(
      model,
      {.threads = options.threads, .schedule = options.schedule, .tune = options.tune, .direct = options.direct});

  const std::int64_t count = images.shape[0];
  InputShape shape{.height = static_cast<std::int32_t>(images.shape[2]),
                   .width = static_cast<std::int32_t>(images.shape[3])};
  const std::size_t image_values = images.values.size() / static_cast<std::size_t>(count);
  const auto classes = static_cast<std::size_t>(info.classes);
  output.write(npy_header({count, info.classes}));
  Progress progress;
  for (std::int64_t first = 0; first < count; first += shape.batch) {
    shape.batch = static_cast<std::int32_t>(std::min<std::int64_t>(options.batch, count - first));
    const auto batch = static_cast<std::size_t>(shape.batch);
    std::vector<float> logits(batch * classes);
    const auto values = std::span<const float>(images.values)
                            .subspan(static_cast<std::size_t>(first) * image_values, batch * image_values);
    try {
      context.run(values, shape, logits);
    } catch (const Error& error) {
      throw Error(error.status(), options.input + ": " + error.what());
    }
    output.write(bytes_of(logits));
    progress.update(static_cast<std::size_t>(first) + batch, static_cast<std::size_t>(count));
  }
  output.finish();
  return all_well;
}

}  // namespace

Command add_run(CLI::App& app) {
  const auto options = std::make_shared<RunOptions>();
  CLI::App* parser = app.add_subcommand(
      "run",
      "Run a model on a NumPy file of normalised images: float32 [N, 3, height, width] in, float32 [N, classes] out\n"
      "(the network's first output).");
  add_model_option(*parser, options->model, false)->required();
  parser->add_option("-i,--input", options->input, "Images, float32 in C order, normalised as the network was trained")
      ->required()
      ->type_name("X.npy");
  parser->add_option("-o,--output", options->output, "Where the outputs go, whole or not at all")
      ->required()
      ->type_name("Y.npy");
  add_threads_option(*parser, options->threads);
  add_schedule_option(*parser, options->schedule);
  add_batch_option(*parser, options->batch, "Images to run at once");
  add_cache_option(*parser, options->cache);
  add_memory_limit_option(*parser, options->memory_limit);
  add_tune_option(*parser, options->tune);
  add_direct_option(*parser, options->direct);
  parser->footer(
      "Example:\n"
      "  residua run --model resnet50.onnx --input images.npy --output logits.npy\n"
      "\n"
      "An input that cannot be read or does not fit ends with exit code 1, a model that can't be used with 3.");
  return {parser, [options] { return run(*options); }};
}

}  // namespace residua::tool
