#include "tools/evaluation_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/report.h"

namespace residua::tool {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t rows_in_text = 15;  // of confusions and of classes

std::vector<std::string> share_row(const std::string& name, std::size_t right, std::size_t images, bool blocks) {
  const Interval interval = wilson_interval(right, images);
  const double share = share_of(right, images);
  return {name, percent(share) + " %", percent(interval.low) + " to " + percent(interval.high) + " %",
          std::to_string(right) + " of " + std::to_string(images), bar(share, 24, blocks)};
}

std::string more(std::size_t rows, const std::string& what) {
  return rows <= rows_in_text
             ? ""
             : "and " + std::to_string(rows - rows_in_text) + " more " + what + ": --json or --html has them all\n";
}

std::string confusion_text(const EvaluationReport& report) {
  const auto& confusions = report.evaluation.confusions;
  if (confusions.empty()) return "";
  std::vector<std::vector<std::string>> rows = {{"shows", "taken for", "images", "certainty"}};
  for (std::size_t i = 0; i < std::min(confusions.size(), rows_in_text); ++i)
    rows.push_back({printable(report.name_of(confusions[i].truth)), printable(report.name_of(confusions[i].guess)),
                    std::to_string(confusions[i].images), percent(confusions[i].probability) + " %"});
  return "\nConfused most often\n" + table(rows, "llrr") + more(confusions.size(), "pairs");
}

std::string class_text(const EvaluationReport& report) {
  const auto& classes = report.evaluation.classes;
  std::vector<std::vector<std::string>> rows = {{"class", "images", "top-1", "top-5", "most often taken for"}};
  for (std::size_t i = 0; i < std::min(classes.size(), rows_in_text); ++i) {
    const Count& count = classes[i].count;
    rows.push_back({printable(report.name_of(classes[i].index)), std::to_string(count.images),
                    percent(share_of(count.top1, count.images)) + " %",
                    percent(share_of(count.top5, count.images)) + " %",
                    classes[i].most_often.images > 0 ? printable(report.name_of(classes[i].most_often.guess)) : ""});
  }
  return "\nClasses, the least known first\n" + table(rows, "lrrrl") + more(classes.size(), "classes");
}

ordered_json share_json(std::size_t right, std::size_t images) {
  const Interval interval = wilson_interval(right, images);
  return {{"right", right},
          {"share", rounded(share_of(right, images))},
          {"low", rounded(interval.low)},
          {"high", rounded(interval.high)}};
}

}  // namespace

std::string percent(double share) { return fixed(100 * std::clamp(share, 0.0, 1.0), 1); }

double EvaluationReport::images_per_second() const {
  const std::size_t images = judgements.size() - from_state;
  return seconds > 0 ? static_cast<double>(images) / seconds : 0;
}

std::string evaluation_text(const EvaluationReport& report, bool blocks) {
  const Count& all = report.evaluation.all;
  std::string text = printable(report.model) + " on " + std::to_string(all.images) + " images of " +
                     std::to_string(report.evaluation.classes.size()) + " classes (" + printable(report.set.source) +
                     ")\n\n";
  text += table({{"", "right", "95 % confidence", "images", ""},
                 share_row("top-1", all.top1, all.images, blocks),
                 share_row("top-5", all.top5, all.images, blocks)},
                "lrlrl");
  if (report.from_state > 0)
    text += "\n" + std::to_string(report.from_state) + " of the images were known from the state file";
  if (report.seconds > 0 && report.judgements.size() > report.from_state)
    text += "\n" + fixed(report.images_per_second(), 1) + " images/s, from files to classes, on " +
            std::to_string(report.threads) + (report.threads == 1 ? " thread" : " threads");
  if (!report.failures.empty())
    text += "\n" + std::to_string(report.failures.size()) + " images failed and are left out of all figures";
  return text + "\n" + confusion_text(report) + class_text(report);
}

std::string evaluation_json(const EvaluationReport& report) {
  const Evaluation& evaluation = report.evaluation;
  const Count& all = evaluation.all;
  ordered_json json = {{"model", report.model},
                       {"weights_sha256", report.weights_digest},
                       {"preprocessing", report.preprocessing},
                       {"labels", report.set.source},
                       {"images", all.images},
                       {"failed", report.failures.size()},
                       {"top1", share_json(all.top1, all.images)},
                       {"top5", share_json(all.top5, all.images)},
                       {"interval", "Wilson's score interval, 95 %"},
                       {"mean_probability", rounded(evaluation.mean_probability)},
                       {"threads", report.threads},
                       {"from_state", report.from_state},
                       {"seconds", rounded(report.seconds)},
                       {"images_per_second", rounded(report.images_per_second())}};
  const auto named = [&](std::int32_t index) {
    return ordered_json{{"index", index}, {"label", report.name_of(index)}};
  };
  json["confusions"] = ordered_json::array();
  for (const Confusion& confusion : evaluation.confusions)
    json["confusions"].push_back({{"truth", named(confusion.truth)},
                                  {"guess", named(confusion.guess)},
                                  {"images", confusion.images},
                                  {"mean_probability", rounded(confusion.probability)}});
  json["classes"] = ordered_json::array();
  for (const ClassCount& of_class : evaluation.classes) {
    ordered_json row = named(of_class.index);
    row["images"] = of_class.count.images;
    row["top1"] = share_json(of_class.count.top1, of_class.count.images);
    row["top5"] = share_json(of_class.count.top5, of_class.count.images);
    const Confusion& most_often = of_class.most_often;
    row["taken_for"] = most_often.images > 0 ? named(most_often.guess) : ordered_json(nullptr);
    json["classes"].push_back(std::move(row));
  }
  json["wrong"] = ordered_json::array();
  for (const std::size_t number : evaluation.most_wrong) {
    const Judgement& judgement = report.judgements[number];
    const Guess& guess = judgement.guesses[0];
    json["wrong"].push_back({{"path", report.set.images[judgement.image].path},
                             {"truth", named(judgement.truth)},
                             {"probability", as_written(judgement.probability)},
                             {"rank", judgement.rank + 1},
                             {"guess", named(guess.index)},
                             {"guess_probability", as_written(guess.probability)}});
  }
  json["failures"] = ordered_json::array();
  for (const FailedImage& failure : report.failures)
    json["failures"].push_back({{"path", failure.path}, {"error", failure.error}});
  // Paths may hold any bytes; JSON may not.
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace residua::tool
