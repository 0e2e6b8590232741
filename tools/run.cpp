// residua run: images or tensors in, tensors out.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <future>
#include <limits>
#include <memory>
#include <numeric>

#include "residua/residua.hpp"
#include "tools/command.h"
#include "tools/model_file.h"
#include "tools/options.h"
#include "tools/progress.h"
#include "tools/run_inputs.h"
#include "tools/tensor_file.h"

namespace residua::tool {
namespace {

struct RunOptions {
  std::string model;
  std::string input;                 // .npy; empty: images
  std::vector<std::string> paths;    // of images
  std::vector<std::string> tensors;  // none: the first output
  std::string output;
  int threads = 0;
  int batch = 8;
  Schedule schedule = RESIDUA_AUTO;
  bool cache = false;
  std::size_t memory_limit = 0;
  bool tune = false;
  bool direct = false;
};

// What is asked for, as arrays of all images.
std::vector<TensorFile::Array> arrays_of(const Model& model, const RunOptions& options, const RunInputs& inputs) {
  std::vector<TensorFile::Array> arrays;
  for (const std::string& name : options.tensors.empty() ? std::vector<std::string>{""} : options.tensors) {
    if (const auto known = model.try_tensor(name); !known)
      throw UsageError("--output-tensor: " + std::string(known.error().what()) +
                       " (`residua inspect --outputs` shows all names)");
    const auto tensor = model.try_tensor(name, inputs.height, inputs.width);
    if (!tensor) throw Error(tensor.status(), inputs.name + ": " + tensor.error().what());
    TensorFile::Array array{tensor->name, {tensor->shape, tensor->shape + tensor->rank}};
    if (!name.empty()) array.name = name;
    // The features of an image are a row, also where pooling leaves [features, 1, 1].
    if (name == "pooled") array.shape = {inputs.count, tensor->values};
    array.shape[0] = inputs.count;
    arrays.push_back(std::move(array));
  }
  return arrays;
}

std::size_t values_an_image(const TensorFile::Array& array) {
  return static_cast<std::size_t>(
      std::accumulate(array.shape.begin() + 1, array.shape.end(), std::int64_t{1}, std::multiplies<>()));
}

// Runs everything, in order. Returns whether every image could be read.
bool run_all(const RunInputs& inputs, std::int32_t most, Context& context, const std::vector<TensorFile::Array>& arrays,
             TensorFile& file) {
  std::vector<std::vector<float>> values(arrays.size());
  // The next images are read while these are run.
  const auto start = [&](std::int64_t first) {
    const auto size = static_cast<std::int32_t>(std::min<std::int64_t>(most, inputs.count - first));
    return std::async(std::launch::async, [&inputs, first, size] { return inputs.take(first, size); });
  };
  Progress progress;
  bool all_read = true;
  std::future<RunBatch> next;
  if (inputs.count > 0) next = start(0);
  for (std::int64_t first = 0; first < inputs.count;) {
    const RunBatch batch = next.get();
    const std::int64_t end = first + batch.input.batch;
    if (end < inputs.count) next = start(end);
    std::vector<Output> outputs;
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      values[i].resize(static_cast<std::size_t>(batch.input.batch) * values_an_image(arrays[i]));
      outputs.push_back({.name = arrays[i].name, .values = values[i]});
    }
    try {
      context.run(batch.input, outputs);
    } catch (const Error& error) {
      throw Error(error.status(), inputs.name + ": " + error.what());
    }
    for (const RunBatch::Failure& failure : batch.failures) {
      all_read = false;
      progress.erase();
      complain(failure.complaint);
      for (std::size_t i = 0; i < arrays.size(); ++i) {
        const std::size_t row = values_an_image(arrays[i]);
        std::fill_n(values[i].begin() + failure.image * static_cast<std::ptrdiff_t>(row), row,
                    std::numeric_limits<float>::quiet_NaN());
      }
    }
    for (std::size_t i = 0; i < arrays.size(); ++i) file.write(i, values[i]);
    first = end;
    progress.update(static_cast<std::size_t>(first), static_cast<std::size_t>(inputs.count));
  }
  return all_read;
}

int run(const RunOptions& options) {
  if (options.input.empty() == options.paths.empty())
    throw UsageError("either --input X.npy or images expected, " +
                     std::string(options.paths.empty() ? "neither" : "not both") + " found");
  if (options.tensors.size() > 1 && !TensorFile::is_archive(options.output))
    throw UsageError("--output: " + options.output + " holds one array; for " + std::to_string(options.tensors.size()) +
                     " tensors name a .npz archive");
  for (auto name = options.tensors.begin(); name != options.tensors.end(); ++name)
    if (std::find(options.tensors.begin(), name, *name) != name)
      throw UsageError("--output-tensor: '" + *name + "' stands twice");
  const Model model = open_model(options.model, {.cache = options.cache, .memory_limit = options.memory_limit});
  if (!options.paths.empty() && model.info().channels != 3)
    throw ModelError(options.model + ": the model takes images of " + std::to_string(model.info().channels) +
                     " channels, 3 expected for image files: give it --input X.npy");
  const RunInputs inputs =
      options.paths.empty() ? array_inputs(options.input, model.info().channels) : image_inputs(options.paths, model);
  const std::vector<TensorFile::Array> arrays = arrays_of(model, options, inputs);
  TensorFile file(options.output, arrays);
  Context context(
      model,
      {.threads = options.threads, .schedule = options.schedule, .tune = options.tune, .direct = options.direct});
  const bool all_read = run_all(inputs, options.batch, context, arrays, file);
  file.finish();
  return all_read ? all_well : some_inputs_failed;
}

}  // namespace

Command add_run(CLI::App& app) {
  const auto options = std::make_shared<RunOptions>();
  CLI::App* parser = app.add_subcommand("run",
                                        "Run a model on normalised images from a NumPy file, or on image files, and "
                                        "write the network's first output, or\n"
                                        "any of its tensors, to NumPy files.");
  add_model_option(*parser, options->model, false)->required();
  parser
      ->add_option("-i,--input", options->input,
                   "Images, float32 [N, 3, height, width] in C order, normalised as the network was trained; of any "
                   "size that the network takes")
      ->type_name("X.npy");
  parser
      ->add_option(
          "-o,--output", options->output,
          "Where the outputs go, whole or not at all: float32, the first dimension the images'. A .npz archive "
          "holds several, under their names")
      ->required()
      ->type_name("Y.npy");
  parser
      ->add_option("--output-tensor", options->tensors,
                   "What to write, several times for several: logits, probabilities, pooled (the features), class_map, "
                   "C2 to C5 (the feature pyramid), or any name that `residua inspect --outputs` shows [default: the "
                   "network's first output]")
      ->allow_extra_args(false)
      ->type_name("NAME");
  parser
      ->add_option("PATH", options->paths,
                   "In place of --input: an image, resized and cropped as the model wants it; a folder; or - for a "
                   "list of paths on standard input")
      ->type_name("");
  add_threads_option(*parser, options->threads);
  add_schedule_option(*parser, options->schedule);
  add_batch_option(*parser, options->batch, "Images to run at once");
  add_cache_option(*parser, options->cache);
  add_memory_limit_option(*parser, options->memory_limit);
  add_tune_option(*parser, options->tune);
  add_direct_option(*parser, options->direct);
  parser->footer(
      "Examples:\n"
      "  residua run --model resnet50.onnx --input images.npy --output logits.npy\n"
      "  residua run --model resnet50.onnx --output-tensor pooled --output features.npy photos/\n"
      "  residua run --model resnet50.onnx --output-tensor C3 --output-tensor C4 --output-tensor C5 \\\n"
      "      --output pyramid.npz --input images.npy\n"
      "\n"
      "Images come in the order given, folders sorted by path. One that cannot be read is named on standard error, "
      "its\n"
      "values are NaN, and the exit code is 1. A .npy "
      "input that cannot be read or does not fit ends with exit code 1, a model that can't be used with 3.");
  return {parser, [options] { return run(*options); }};
}

}  // namespace residua::tool
