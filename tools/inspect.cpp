// residua inspect: what is in a model?

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "residua/residua.hpp"
#include "tools/command.h"
#include "tools/model_file.h"
#include "tools/options.h"
#include "tools/output_file.h"
#include "tools/report.h"

namespace residua::tool {
namespace {

using nlohmann::ordered_json;

struct InspectOptions {
  std::string model;
  std::string stage = "optimized";
  std::string format = "text";
  std::string output;  // empty: standard output
  bool outputs = false;
  PlanShape shape;
  ImageSize image_size;
  LoadOptions load;
  ContextOptions context;
};

const std::map<std::string, Stage> stages = {
    {"imported", RESIDUA_IMPORTED}, {"optimized", RESIDUA_OPTIMIZED}, {"planned", RESIDUA_PLANNED}};
const std::map<std::string, TextFormat> formats = {
    {"text", RESIDUA_TEXT}, {"json", RESIDUA_JSON}, {"dot", RESIDUA_DOT}};

std::string grouped(std::int64_t value) {
  std::string digits = std::to_string(value);
  for (std::ptrdiff_t i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > 0; i -= 3) {
    digits.insert(static_cast<std::size_t>(i), ",");
  }
  return digits;
}

std::string three(const float (&values)[3]) {
  std::string text;
  for (const float value : values) text += (text.empty() ? "" : " ") + fixed(static_cast<double>(value), 4);
  return text;
}

// Lines that start with '#': comments to whoever reads the network's text.
std::string summary(const Model& model, const std::string& name) {
  const ModelInfo info = model.info();
  const std::string size = std::to_string(info.input_height) + " x " + std::to_string(info.input_width);
  const std::vector<std::vector<std::string>> rows = {
      {"# model", printable(name)},
      {"# format", info.format},
      {"# architecture", *info.architecture == '\0' ? "not told by the file" : info.architecture},
      {"# input", std::to_string(info.channels) + " x " + size},
      {"# resize", "shorter side to " + std::to_string(info.resize) +
                       (info.interpolation == RESIDUA_BICUBIC ? ", bicubic" : ", bilinear") + ", centre crop " + size},
      {"# mean", three(info.mean)},
      {"# deviation", three(info.standard_deviation)},
      {"# classes", std::to_string(info.classes) +
                        (info.outputs_are_probabilities != 0 ? ", probabilities" : ", logits") +
                        (info.label_count > 0 ? ", " + std::to_string(info.label_count) + " labels" : ", no labels")},
      {"# parameters", grouped(info.parameters)},
      {"# weights", "sha256 " + model.weights_digest()},
  };
  return table(rows, "ll") + "\n";
}

// The tensors that a run can hand out, for one image.
std::string outputs_text(const Model& model, TextFormat format, const ImageSize& size) {
  std::vector<std::vector<std::string>> rows = {{"name", "op", "shape"}};
  ordered_json list = ordered_json::array();
  for (const TensorInfo& tensor : model.tensors(size.height, size.width)) {
    const std::vector<std::int64_t> shape(tensor.shape, tensor.shape + tensor.rank);
    std::string sizes;
    for (const std::int64_t side : shape) sizes += (sizes.empty() ? "" : " x ") + std::to_string(side);
    rows.push_back({printable(tensor.name), tensor.op, sizes});
    list.push_back({{"name", tensor.name}, {"op", tensor.op}, {"shape", shape}});
  }
  return format == RESIDUA_JSON ? list.dump(1, ' ', false, ordered_json::error_handler_t::replace) : table(rows, "lll");
}

int inspect(const InspectOptions& options) {
  LoadOptions load = options.load;
  load.verify = true;
  const Model model = open_model_or_architecture(options.model, load);
  const Stage stage = stages.at(options.stage);
  const TextFormat format = formats.at(options.format);
  PlanShape shape = options.shape;
  shape.height = options.image_size.height;
  shape.width = options.image_size.width;
  std::string text;
  try {
    text = options.outputs ? outputs_text(model, format, options.image_size)
                           : model.describe(stage, format, shape, options.context);
  } catch (const Error& error) {
    throw ModelError(options.model + ": " + error.what());
  }
  OutputFile output = options.output.empty() ? OutputFile::standard_output() : OutputFile(options.output);
  if (format == RESIDUA_TEXT) output.write(summary(model, options.model));
  output.write(text);
  if (!text.ends_with('\n')) output.write("\n");
  output.finish();
  return all_well;
}

}  // namespace

Command add_inspect(CLI::App& app) {
  const auto options = std::make_shared<InspectOptions>();
  CLI::App* parser = app.add_subcommand(
      "inspect", "Show a model's network: as its file says, after optimisation, or as it would run here.");
  add_model_option(*parser, options->model, true)->required();
  CLI::Option* const stage =
      parser
          ->add_option("-s,--stage", options->stage,
                       "imported: as the file says; optimized: after the passes; planned: the steps of a run, with the "
                       "implementation chosen for each")
          ->check(CLI::IsMember(stages).description(""))
          ->type_name("STAGE")
          ->capture_default_str();
  parser->add_option("-f,--format", options->format, "text, json, or dot (Graphviz)")
      ->check(CLI::IsMember(formats).description(""))
      ->type_name("FORMAT")
      ->capture_default_str();
  parser->add_option("-o,--output", options->output, "Write to FILE, whole or not at all [default: standard output]")
      ->type_name("FILE");
  parser->add_flag(
      "--outputs", options->outputs,
      "List the tensors that a run can hand out (`residua run --output-tensor`), with their shapes for one "
      "image (of --image-size), in place of the network; as text or json");
  CLI::Option* const image_size = add_image_size_option(*parser, options->image_size);
  CLI::Option* planned_only[] = {add_batch_option(*parser, options->shape.batch, "Images to run at once"),
                                 image_size,
                                 add_threads_option(*parser, options->context.threads),
                                 add_schedule_option(*parser, options->context.schedule),
                                 add_direct_option(*parser, options->context.direct),
                                 add_memory_limit_option(*parser, options->load.memory_limit)};
  for (CLI::Option* option : planned_only) option->group("For --stage planned");
  parser->footer(
      "Examples:\n"
      "  residua inspect --model resnet50.onnx\n"
      "  residua inspect --model resnet18 --stage planned --batch 16 --threads 4\n"
      "  residua inspect --model resnet18 --outputs --image-size 480x640\n"
      "  residua inspect --model resnet18 --format dot | dot -Tsvg > resnet18.svg\n"
      "\n"
      "The text form starts with a summary in lines that begin with '#'.");
  return {parser, [options, stage, image_size,
                   planned = std::vector<CLI::Option*>(std::begin(planned_only), std::end(planned_only))] {
            if (options->outputs && (stage->count() > 0 || options->format == "dot"))
              throw UsageError("--outputs lists tensors, as text or json: --stage and --format dot are for networks");
            for (const CLI::Option* option : planned) {
              if (option->count() > 0 && options->stage != "planned" && !(options->outputs && option == image_size)) {
                throw UsageError(option->get_name() + " needs --stage planned: other stages hold for every run");
              }
            }
            return inspect(*options);
          }};
}

}  // namespace residua::tool
