// residua classify: what is in these images?

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "residua/residua.hpp"
#include "tools/class_names.h"
#include "tools/classifier_crew.h"
#include "tools/command.h"
#include "tools/contact_sheet.h"
#include "tools/ensemble.h"
#include "tools/model_file.h"
#include "tools/options.h"
#include "tools/output_file.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/result_writer.h"
#include "tools/views.h"

namespace residua::tool {
namespace {

constexpr std::string_view no_places = "the network does not end in a global average, so its scores belong to no place";

struct ClassifyOptions {
  std::vector<std::string> models;  // none: the bundled one, which then stands there
  bool bundled = false;
  std::string labels;
  std::string output;  // empty: standard output
  std::vector<std::string> paths;
  std::int32_t top = 5;
  int threads = 0;
  std::size_t memory_limit = 0;
  bool tune = false;
  bool direct = false;
  int batch = 8;
  bool json = false;
  bool cache = false;
  std::optional<Crops> crops;  // none: whole images where there are scales, else the centre
  ViewOptions views;
  std::string heat_map;        // empty: none
  std::string heat_map_class;  // empty: the likeliest
  std::string sheet;           // empty: none
};

// The class that `wanted` means: its index, or its label or one of those that a label lists ("tabby, tabby cat").
std::int32_t class_of(const Model& model, const std::string& wanted) {
  const std::int32_t classes = model.info().classes;
  if (!wanted.empty() && wanted.size() < 9 && wanted.find_first_not_of("0123456789") == std::string::npos) {
    const int index = std::stoi(wanted);
    if (index < classes) return index;
    throw UsageError("--class: " + wanted + " is beyond the model's " + std::to_string(classes) + " classes");
  }
  const std::vector<std::string> labels = labels_of(model);
  const std::vector<std::int32_t> found = classes_called(labels, wanted);
  if (found.size() == 1) return found[0];
  throw UsageError("--class: " + not_one_class(labels, found, wanted) + "; a number from 0 on is understood as well");
}

ContactSheetOptions sheet_options(const Model& model, const ClassifyOptions& options, bool knows_places,
                                  std::optional<std::int32_t> of_class) {
  const std::string name =
      options.bundled ? "the demonstration model" : std::filesystem::path(options.models[0]).filename().string();
  std::string title = "What " + name + " sees";
  if (of_class) {
    const auto label = model.label(*of_class);
    title = "Where " + name + " sees " + (label ? std::string(*label) : "class " + std::to_string(*of_class));
  }
  return {options.sheet, printable(title), knows_places, of_class};
}

// Classifies everything, in order. Returns whether every image could be.
bool classify_all(const std::vector<Model>& models, const ClassifyOptions& options, OutputFile& output) {
  const Model& model = labelled_model(models);
  // Whether scores are averages over places of an image.
  const bool knows_places = model.try_tensor("class_map").ok();
  if (!knows_places && !options.heat_map.empty()) throw ModelError("--heatmap: " + std::string(no_places));
  if (!knows_places && !options.heat_map_class.empty()) throw ModelError("--class: " + std::string(no_places));
  const int budget = cpu_budget();
  const auto threads = static_cast<std::size_t>(options.threads > 0 ? std::min(options.threads, budget) : budget);
  std::optional<HeatMapFiles> heat_maps;
  if (!options.heat_map.empty()) heat_maps.emplace(options.heat_map, options.paths);
  std::optional<std::int32_t> heat_map_class;
  if (!options.heat_map_class.empty()) heat_map_class = class_of(model, options.heat_map_class);
  std::optional<ContactSheet> sheet;
  if (!options.sheet.empty()) {
    for (const std::string& path : options.paths)
      if (is_same_file(options.sheet, path)) throw UsageError("--sheet: " + options.sheet + " is one of the images");
    sheet.emplace(model, sheet_options(model, options, knows_places, heat_map_class));
    if (!knows_places) complain("--sheet: without the places: " + std::string(no_places));
  }
  ClassifierCrew crew({options.paths, STDIN_FILENO}, models,
                      {.member = {.batch = static_cast<std::size_t>(options.batch),
                                  .views = options.views,
                                  .tune = options.tune,
                                  .direct = options.direct,
                                  .class_maps = (heat_maps || sheet) && knows_places},
                       .top = static_cast<std::size_t>(options.top),
                       .heat_maps = heat_maps ? &*heat_maps : nullptr,
                       .thumbnail_side = sheet ? ContactSheet::thumbnail_side : 0,
                       .heat_map_class = heat_map_class},
                      threads);

  ResultWriter writer(model, output, options.json);
  Progress progress;
  bool all_done = true;
  std::size_t done = 0;
  // A page that can't be written costs the sheet, not the results.
  const auto on_sheet = [&](const auto& act) {
    if (!sheet) return;
    try {
      act();
    } catch (const OutputError& error) {
      progress.erase();
      complain("--sheet: " + std::string(error.what()));
      sheet.reset();
      all_done = false;
    }
  };
  while (const auto outcomes = crew.next()) {
    if (output.is_terminal()) progress.erase();
    for (const Outcome& outcome : *outcomes) {
      if (!outcome.error.empty()) {
        all_done = false;
        progress.erase();
        complain(outcome.path + ": " + outcome.error);
      }
      writer.write(outcome);
      on_sheet([&] { sheet->add(outcome); });
    }
    output.flush();
    done += outcomes->size();
    progress.update(done, crew.total());
  }
  on_sheet([&] {
    const int pages = sheet->finish();
    if (pages < 2) return;
    progress.erase();
    complain("--sheet: " + std::to_string(pages) + " pages, " + options.sheet + " to " +
             page_path(options.sheet, pages));
  });
  return all_done;
}

// What the options mean together. Throws UsageError.
void settle_views(ClassifyOptions& options) {
  const bool scales_given = options.views.scales != ViewOptions{}.scales;
  options.views.crops = options.crops.value_or(scales_given ? Crops::whole : Crops::center);
  const bool ten = options.views.crops == Crops::ten || options.views.crops == Crops::ten_square;
  if (ten && options.views.flip) throw UsageError("--flip: five of the ten crops are of the mirror image already");
  if (!options.heat_map_class.empty() && options.heat_map.empty() && options.sheet.empty())
    throw UsageError("--class says whose evidence is drawn: it needs --heatmap or --sheet");
  if (!options.sheet.empty() && lower_case(std::filesystem::path(options.sheet).extension().string()) != ".png")
    throw UsageError("--sheet: " + options.sheet + " does not end in .png");
  const bool plain = options.views.crops == Crops::center && !options.views.flip && !scales_given;
  if (!options.sheet.empty() && (!plain || options.models.size() > 1))
    throw UsageError(
        "--sheet shows what one model sees in the centre of each image: no --crops, --flip, --scales or "
        "second --model beside it");
  if (options.heat_map.empty()) return;
  const std::size_t views = options.views.views_an_image();
  if (views > 1 || options.models.size() > 1)
    throw UsageError("--heatmap draws what one model sees in one view of an image, these options make " +
                     (options.models.size() > 1 ? std::to_string(options.models.size()) + " models"
                                                : std::to_string(views) + " views"));
}

int classify(ClassifyOptions options) {
  settle_views(options);
  options.bundled = options.models.empty();
  if (options.bundled) options.models.push_back(bundled_model());
  const std::vector<Model> models = open_ensemble(
      options.models, {.labels = options.labels, .cache = options.cache, .memory_limit = options.memory_limit});
  for (std::size_t i = 0; i < models.size(); ++i) check_views(options.views, models[i], options.models[i]);
  if (options.bundled && isatty(STDERR_FILENO) == 1) {
    complain("no --model given: using the demonstration model, which knows ten kinds of things (" + [&] {
      std::string names;
      for (std::int32_t i = 0; const auto label = models[0].label(i); ++i)
        names += (i > 0 ? ", " : "") + std::string(*label);
      return names;
    }() + ")");
  }
  OutputFile output = options.output.empty() ? OutputFile::standard_output() : OutputFile(options.output);
  const bool all_done = classify_all(models, options, output);
  output.finish();
  return all_done ? all_well : some_inputs_failed;
}

const std::map<std::string, Crops> crops_names = {
    {"center", Crops::center}, {"ten", Crops::ten}, {"ten-square", Crops::ten_square}, {"whole", Crops::whole}};

void add_view_options(CLI::App& parser, ClassifyOptions& options) {
  parser
      .add_option_function<std::string>(
          "--crops", [&options](const std::string& name) { options.crops = crops_names.at(name); },
          "What the network sees of a resized image: center, as it was trained; ten, the four corners and the centre, "
          "and those of the mirror image; ten-square, the same of the image's central square; whole, all of it, in any "
          "proportions [default: center; with --scales: whole]")
      ->check(CLI::IsMember(crops_names).description(""))
      ->type_name("CROPS");
  parser.add_flag("--flip", options.views.flip, "Each view of an image and its mirror image");
  parser
      .add_option_function<std::string>(
          "--scales", [&options](const std::string& text) { options.views.scales = parse_scales(text); },
          "Resize the shorter side to each of these, such as 224,256,384,480,640; full: the image as large as it is "
          "[default: the model's own size]")
      ->check(complaints_of(parse_scales))
      ->type_name("N,...");
}

}  // namespace

Command add_classify(CLI::App& app) {
  const auto options = std::make_shared<ClassifyOptions>();
  CLI::App* parser = app.add_subcommand(
      "classify", "Say what is in images: the most probable classes of each, in the order given. JPEG, PNG and WebP.");
  parser
      ->add_option("-m,--model", options->models,
                   "Model file: .onnx, .safetensors, a .pth state dict, or .residua (told by content); or the name of "
                   "weights that `residua pull` has fetched; several times: "
                   "an ensemble, whose probabilities are averaged "
                   "[default: the demonstration model that comes with Residua]")
      ->allow_extra_args(false)
      ->type_name("FILE");
  parser
      ->add_option("-l,--labels", options->labels,
                   "Names of the classes, one a line, or tab-separated with the name last")
      ->type_name("FILE");
  parser->add_option("-k,--top", options->top, "How many classes to show for each image")
      ->check(CLI::Range(1, 1000000).description(""))
      ->type_name("K")
      ->capture_default_str();
  add_view_options(*parser, *options);
  add_cache_option(*parser, options->cache);
  add_threads_option(*parser, options->threads);
  add_batch_option(*parser, options->batch,
                   "Images, or views of them, that a thread takes at once, where there are as many");
  add_memory_limit_option(*parser, options->memory_limit);
  add_tune_option(*parser, options->tune);
  add_direct_option(*parser, options->direct);
  parser->add_flag("-j,--json", options->json, "One JSON object a line for each image, in place of a table");
  parser
      ->add_option("--heatmap", options->heat_map,
                   "Draw where in each image the network sees its likeliest class: FILE.png for one image, a folder "
                   "for many")
      ->type_name("PATH");
  parser
      ->add_option("--class", options->heat_map_class,
                   "With --heatmap or --sheet: of this class instead, by its label or its number")
      ->type_name("NAME");
  parser
      ->add_option("--sheet", options->sheet,
                   "Draw a contact sheet: photos, where the network sees their likeliest class, and scores. FILE.png; "
                   "beyond 14 images FILE-2.png and so on, a page each")
      ->type_name("FILE");
  parser
      ->add_option("-o,--output", options->output,
                   "Write the results to FILE, whole or not at all [default: standard output]")
      ->type_name("FILE");
  parser
      ->add_option("PATH", options->paths,
                   "An image; a folder, for the images in it at any depth; or - for a list of paths on standard input")
      ->required()
      ->type_name("");
  parser->footer(
      "Examples:\n"
      "  residua classify photo.jpg\n"
      "  residua classify --model resnet50.onnx --top 3 holiday/ portrait.png\n"
      "  residua classify --model resnet50.onnx --heatmap seen.png dog.jpg\n"
      "  residua classify --model resnet50.onnx --model resnet101.onnx --crops ten photos/\n"
      "  residua classify --model resnet50.onnx --scales 224,256,384,480,640 --flip photos/\n"
      "  residua classify --model resnet50.onnx --sheet holiday.png holiday/\n"
      "  find /data -name '*.jpg' | residua classify --model resnet18.pth --labels imagenet.tsv --json -\n"
      "\n"
      "The probabilities of all views of an image, and of all models, are averaged. Whole images take as much\n"
      "longer as they have more pixels than the model's own crops, and a large photo at full size a gigabyte or more\n"
      "of memory.\n"
      "\n"
      "JSON: {\"path\": \"...\", \"top\": [{\"index\": 281, \"label\": \"tabby\", \"probability\": 0.61}, ...]}; label "
      "is null\n"
      "where the model has none; {\"path\": \"...\", \"error\": \"...\"} for an image that failed. Failures are named "
      "on\n"
      "standard error too, the other images are done, and the exit code is 1. Links to folders inside a folder are\n"
      "not followed.");
  return {parser, [options] { return classify(*options); }};
}

}  // namespace residua::tool
