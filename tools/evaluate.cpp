// residua evaluate: how right is a model on images of which it is known what they show?

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

#include "residua/residua.hpp"
#include "tools/class_names.h"
#include "tools/classifier_crew.h"
#include "tools/command.h"
#include "tools/evaluation_pictures.h"
#include "tools/evaluation_report.h"
#include "tools/evaluation_state.h"
#include "tools/model_file.h"
#include "tools/options.h"
#include "tools/output_file.h"
#include "tools/progress.h"
#include "tools/report.h"

namespace residua::tool {
namespace {

struct EvaluateOptions {
  std::string model;  // empty: the bundled one
  std::string labels;
  std::string labels_file;  // empty: the folders say it
  std::string folder;
  std::string state;  // empty: none is kept
  std::string json;
  std::string html;
  int worst = 24;
  int threads = 0;
  std::size_t memory_limit = 0;
  bool tune = false;
  bool direct = false;
  bool cache = false;
  int batch = 8;
};

using Clock = std::chrono::steady_clock;

int threads_of(const EvaluateOptions& options) {
  const int budget = cpu_budget();
  return options.threads > 0 ? std::min(options.threads, budget) : budget;
}

// The images that no earlier run has judged: their paths, and where each stands in the list.
struct Remaining {
  std::vector<std::string> paths;
  std::unordered_map<std::string, std::size_t> numbers;
};

Remaining remaining_of(const LabelledImages& set, const std::vector<Judgement>& judgements) {
  std::vector<bool> known(set.images.size(), false);
  for (const Judgement& judgement : judgements) known[judgement.image] = true;
  Remaining remaining;
  for (std::size_t i = 0; i < set.images.size(); ++i) {
    if (known[i]) continue;
    remaining.paths.push_back(set.images[i].path);
    remaining.numbers.emplace(set.images[i].path, i);
  }
  return remaining;
}

// Judges the images that are left, and adds them to the report. Each group goes to the state as soon as it is done.
void judge_remaining(const Model& model, const EvaluateOptions& options, EvaluationState* state,
                     EvaluationReport& report) {
  const Remaining remaining = remaining_of(report.set, report.judgements);
  if (remaining.paths.empty()) return;
  ClassifierOptions of_each;
  of_each.member.batch = static_cast<std::size_t>(options.batch);
  of_each.member.tune = options.tune;
  of_each.member.direct = options.direct;
  of_each.top = report.set.class_names.size();  // all: the truth may be anywhere
  const Clock::time_point start = Clock::now();
  ClassifierCrew crew({remaining.paths, -1}, std::span(&model, 1), of_each, static_cast<std::size_t>(report.threads));
  Progress progress;
  std::size_t done = 0;
  while (auto outcomes = crew.next()) {
    std::vector<Judgement> judged;
    for (Outcome& outcome : *outcomes) {
      const auto found = remaining.numbers.find(outcome.path);
      if (found == remaining.numbers.end()) outcome.error = "is in a folder that the list takes for an image";
      if (outcome.error.empty()) {
        const LabelledImage& image = report.set.images[found->second];
        judged.push_back(judge(found->second, image.truth, std::move(outcome.guesses)));
        judged.back().bytes = bytes_of(image).value_or(0);
        continue;
      }
      progress.erase();
      complain(outcome.path + ": " + outcome.error);
      report.failures.push_back({outcome.path, outcome.error});
    }
    if (state) state->append(judged);
    done += outcomes->size();
    std::move(judged.begin(), judged.end(), std::back_inserter(report.judgements));
    progress.update(done, crew.total());
  }
  report.seconds = std::chrono::duration<double>(Clock::now() - start).count();
}

std::string preprocessing_text(const ModelInfo& info) {
  return "shorter side to " + std::to_string(info.resize) + " pixels, " +
         (info.interpolation == RESIDUA_BICUBIC ? "bicubic" : "bilinear") + ", middle " +
         std::to_string(info.input_width) + " x " + std::to_string(info.input_height);
}

EvaluationReport evaluate_model(const Model& model, const std::string& name, const EvaluateOptions& options) {
  EvaluationReport report;
  report.model = name;
  report.threads = threads_of(options);
  report.preprocessing = preprocessing_text(model.info());
  const std::vector<std::string> labels = labels_of(model);
  report.set = options.labels_file.empty() ? read_class_folders(options.folder, labels)
                                           : read_labels_file(options.labels_file, options.folder, labels);
  report.weights_digest = model.weights_digest();
  std::optional<EvaluationState> state;
  if (!options.state.empty()) {
    state.emplace(options.state, identity_of(model, report.set), report.set);
    report.judgements = state->found();
    report.from_state = report.judgements.size();
  }
  judge_remaining(model, options, state ? &*state : nullptr, report);
  std::sort(report.judgements.begin(), report.judgements.end(),
            [](const Judgement& a, const Judgement& b) { return a.image < b.image; });
  report.evaluation = evaluate_judgements(report.judgements);
  return report;
}

// Throws UsageError where one file would be written over another.
void check_places(const EvaluateOptions& options) {
  const std::pair<const char*, const std::string*> places[] = {{"--labels-file", &options.labels_file},
                                                               {"--labels", &options.labels},
                                                               {"--resume", &options.state},
                                                               {"--json", &options.json},
                                                               {"--html", &options.html}};
  constexpr std::size_t first_written = 2;
  for (std::size_t i = first_written; i < std::size(places); ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (is_same_file(*places[i].second, *places[k].second))
        throw UsageError(std::string(places[i].first) + ": " + *places[i].second + " is the file of " +
                         places[k].first + " as well");
}

int evaluate(const EvaluateOptions& options) {
  check_places(options);
  const std::string path = options.model.empty() ? bundled_model() : options.model;
  const Model model =
      open_model(path, {.labels = options.labels, .cache = options.cache, .memory_limit = options.memory_limit});
  if (const ModelInfo info = model.info(); info.channels != 3)
    throw ModelError("the model takes images of " + std::to_string(info.channels) + " channels: 3 expected");
  // Opened first: that they can't be written is known before the work, and not after.
  std::optional<OutputFile> json, html;
  if (!options.json.empty()) json.emplace(options.json);
  if (!options.html.empty()) html.emplace(options.html);

  EvaluationReport report = evaluate_model(model, path, options);
  OutputFile output = OutputFile::standard_output();
  output.write(evaluation_text(report, locale_is_utf8()));
  output.finish();
  if (json) {
    json->write(evaluation_json(report));
    json->finish();
  }
  if (html) {
    report.pictures = wrong_pictures(model, {.threads = report.threads, .tune = options.tune, .direct = options.direct},
                                     report, static_cast<std::size_t>(options.worst));
    html->write(evaluation_page(report));
    html->finish();
  }
  return report.failures.empty() ? all_well : some_inputs_failed;
}

}  // namespace

Command add_evaluate(CLI::App& app) {
  const auto options = std::make_shared<EvaluateOptions>();
  CLI::App* parser = app.add_subcommand(
      "evaluate",
      "Say how right a model is on images of which it is known what they show: top-1 and top-5, what is "
      "confused with what, and every class.");
  add_model_option(*parser, options->model, false)
      ->description(
          "Model file: .onnx, .safetensors, or a .pth state dict (told by content); or the name of weights that "
          "`residua pull` has fetched [default: the demonstration model that comes with Residua]");
  parser
      ->add_option("--labels-file", options->labels_file,
                   "What each image shows: a line an image, file in DIR, tab, class (its number from 0 on, or its "
                   "label) [default: DIR holds a folder for each class]")
      ->type_name("FILE");
  parser
      ->add_option("-l,--labels", options->labels,
                   "Names of the model's classes, one a line, or tab-separated with the name last")
      ->type_name("FILE");
  parser
      ->add_option("--resume", options->state,
                   "Keep what was found in FILE, image by image; a run that was ended goes on from there. A file of "
                   "another model or other images is refused")
      ->type_name("FILE");
  parser->add_option("--json", options->json, "Write everything to FILE as JSON, whole or not at all")
      ->type_name("FILE");
  CLI::Option* html =
      parser
          ->add_option("--html", options->html,
                       "Write a page to FILE, with pictures of what it got most wrong: one file that needs no other")
          ->type_name("FILE");
  parser->add_option("--worst", options->worst, "With --html: how many pictures")
      ->check(CLI::Range(0, 1000).description(""))
      ->type_name("N")
      ->capture_default_str()
      ->needs(html);
  add_cache_option(*parser, options->cache);
  add_threads_option(*parser, options->threads);
  add_batch_option(*parser, options->batch, "Images that a thread takes at once, where there are as many");
  add_memory_limit_option(*parser, options->memory_limit);
  add_tune_option(*parser, options->tune);
  add_direct_option(*parser, options->direct);
  parser->add_option("DIR", options->folder, "The folder that the images are in")->required()->type_name("");
  parser->footer(
      "Examples:\n"
      "  residua evaluate --model resnet50.onnx --labels-file val.tsv --html report.html imagenet/val/\n"
      "  residua evaluate --model resnet50.onnx --labels imagenet_classes.txt --resume state.jsonl imagenet/val/\n"
      "\n"
      "Intervals are Wilson's for 95 % (JASA 22, 1927). Images that can't be read are named on standard error, count "
      "in\n"
      "no figure, and make the exit code 1; --resume tries them again.");
  return {parser, [options] { return evaluate(*options); }};
}

}  // namespace residua::tool
