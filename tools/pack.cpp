// residua pack: a model file that starts at once.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <vector>

#include "residua/residua.hpp"
#include "tools/command.h"
#include "tools/model_file.h"
#include "tools/options.h"

namespace residua::tool {
namespace {

struct PackOptions {
  std::string model;
  std::string labels;
  std::string output;
  std::vector<std::int32_t> batches = {1};
  ImageSize image_size;
  ContextOptions context;
};

int pack(const PackOptions& options) {
  const Model model = open_model_or_architecture(options.model, {.labels = options.labels});
  try {
    model.pack(options.output,
               {.batches = options.batches, .height = options.image_size.height, .width = options.image_size.width},
               options.context);
  } catch (const Error& error) {
    if (error.status() == RESIDUA_IO) throw;  // the output, which is no fault of the model's
    throw ModelError(options.model + ": " + error.what());
  }
  return all_well;
}

}  // namespace

Command add_pack(CLI::App& app) {
  const auto options = std::make_shared<PackOptions>();
  CLI::App* parser = app.add_subcommand(
      "pack",
      "Write a model as one file that starts at once: the network optimised, its labels, and its weights packed for\n"
      "this CPU beside the original ones. It is a model file like any other.");
  add_model_option(*parser, options->model, true)->required();
  parser->add_option("-o,--output", options->output, "The packed file, written whole or not at all")
      ->required()
      ->type_name("FILE.residua");
  parser->add_option("-L,--labels", options->labels, "Label file to put in, one a line [default: the model's own]")
      ->type_name("FILE");
  add_batches_option(*parser, options->batches);
  add_image_size_option(*parser, options->image_size);
  add_threads_option(*parser, options->context.threads);
  add_schedule_option(*parser, options->context.schedule);
  parser->footer(
      "Examples:\n"
      "  residua pack --model resnet50.onnx --output resnet50.residua\n"
      "  residua pack --model resnet50.onnx --labels imagenet_classes.txt --batch 1 8 --output resnet50.residua\n"
      "\n"
      "Runs of other shapes, on another CPU or by another build of Residua work too; they pack what they lack.");
  return {parser, [options] { return pack(*options); }};
}

}  // namespace residua::tool
