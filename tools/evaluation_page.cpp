#include <algorithm>
#include <filesystem>

#include "tools/evaluation_report.h"
#include "tools/evaluation_style.h"
#include "tools/html.h"
#include "tools/report.h"

namespace residua::tool {
namespace {

constexpr std::size_t most_confusions = 50;

std::string element(const std::string& name, const std::string& kind, const std::string& content) {
  return "<" + name + (kind.empty() ? "" : " class=\"" + kind + "\"") + ">" + content + "</" + name + ">";
}

std::string cell(const std::string& text, const std::string& kind = "") {
  return element("td", kind, html_escaped(text));
}

std::string bar_of(double share, const std::string& kind) {
  return element("div", "bar" + kind, "<i style=\"width: " + percent(share) + "%\"></i>");
}

std::string score_card(const std::string& name, const std::string& note, std::size_t right, std::size_t images) {
  const Interval interval = wilson_interval(right, images);
  const double share = share_of(right, images);
  return element("div", "card",
                 element("div", "name", name) + element("div", "value", percent(share) + " <small>%</small>") +
                     "<div class=\"range\"><i style=\"left: " + percent(interval.low) +
                     "%; width: " + percent(interval.high - interval.low) +
                     "%\"></i><b style=\"left: " + percent(share) + "%\"></b></div>" +
                     element("div", "note",
                             "95 % confidence: " + percent(interval.low) + " to " + percent(interval.high) + " %<br>" +
                                 std::to_string(right) + " of " + std::to_string(images) + " images: " + note));
}

std::string facts(const EvaluationReport& report) {
  std::string rows;
  const auto fact = [&](const std::string& name, const std::string& value) {
    rows += element("dt", "", name) + element("dd", "", html_escaped(value));
  };
  fact("Images", std::to_string(report.evaluation.all.images) + " of " +
                     std::to_string(report.evaluation.classes.size()) + " classes, listed in " + report.set.source);
  if (!report.failures.empty())
    fact("Failed", std::to_string(report.failures.size()) + " images, left out of all figures");
  if (report.images_per_second() > 0)
    fact("Speed", fixed(report.images_per_second(), 1) + " images a second, from files to classes, on " +
                      std::to_string(report.threads) + (report.threads == 1 ? " thread" : " threads"));
  fact("Probability", percent(report.evaluation.mean_probability) + " % given to the right class on average");
  fact("Preparation", report.preprocessing);
  fact("Weights", "SHA-256 " + report.weights_digest);
  return element("dl", "card", rows);
}

std::string caption_line(const std::string& what, const std::string& label, float probability,
                         const std::string& kind) {
  const auto share = static_cast<double>(probability);
  return element("span", "what", what) + element("span", "label", html_escaped(label)) +
         element("span", "number", percent(share) + " %") + bar_of(share, kind);
}

std::string figure(const EvaluationReport& report, const WrongPicture& picture) {
  const Judgement& judgement = report.judgements[picture.judgement];
  const std::string& path = report.set.images[judgement.image].name;
  const Guess& guess = judgement.guesses[0];
  const auto image = [](const std::string& jpeg, const std::string& description) {
    return "<img src=\"" + data_uri("image/jpeg", jpeg) + "\" alt=\"" + html_escaped(description) + "\">";
  };
  std::string pictures = image(picture.photo, "The photo " + path);
  if (!picture.evidence.empty())
    pictures += image(picture.evidence, "Where the network saw " + report.name_of(guess.index));
  return element("figure", "",
                 element("div", picture.evidence.empty() ? "pair alone" : "pair", pictures) +
                     element("figcaption", "",
                             caption_line("taken for", report.name_of(guess.index), guess.probability, " guess") +
                                 caption_line("shows", report.name_of(judgement.truth), judgement.probability, "") +
                                 element("span", "path",
                                         html_escaped(path) + " · the right class came at place " +
                                             std::to_string(judgement.rank + 1)))) +
         "\n";
}

std::string wrong_section(const EvaluationReport& report) {
  if (report.pictures.empty()) return "";
  std::string figures;
  for (const WrongPicture& picture : report.pictures) figures += figure(report, picture);
  const bool with_evidence = !report.pictures[0].evidence.empty();
  return element("h2", "", "Most wrong") +
         element(
             "p", "",
             "Where the network was most certain of the wrong class: the first " +
                 std::to_string(report.pictures.size()) + " of " + std::to_string(report.evaluation.most_wrong.size()) +
                 " errors." +
                 (with_evidence ? " The second picture shows where it saw the class that it named: light and yellow "
                                  "is evidence, the line encloses the strongest, gray is what it was not shown."
                                : "")) +
         element("div", "wrong", "\n" + figures);
}

std::string confusion_section(const EvaluationReport& report) {
  const auto& confusions = report.evaluation.confusions;
  if (confusions.empty()) return "";
  std::string rows;
  for (std::size_t i = 0; i < std::min(confusions.size(), most_confusions); ++i) {
    const Confusion& confusion = confusions[i];
    rows += element("tr", "",
                    cell(report.name_of(confusion.truth)) + cell(report.name_of(confusion.guess)) +
                        cell(std::to_string(confusion.images), "number") +
                        element("td", "wide", bar_of(share_of(confusion.images, confusions[0].images), " guess")) +
                        cell(percent(confusion.probability) + " %", "number")) +
            "\n";
  }
  return element("h2", "", "Confused most often") +
         element("p", "",
                 "What images show, and what they were taken for" +
                     (confusions.size() > most_confusions ? ": the first " + std::to_string(most_confusions) + " of " +
                                                                std::to_string(confusions.size()) + " pairs that occur."
                                                          : std::string(": all pairs that occur."))) +
         element("div", "table",
                 "<table><thead><tr><th>Shows</th><th>Taken for</th><th class=\"number\">Images</th><th></th>"
                 "<th class=\"number\">Certainty</th></tr></thead><tbody>\n" +
                     rows + "</tbody></table>");
}

std::string class_section(const EvaluationReport& report) {
  std::string rows;
  for (const ClassCount& of_class : report.evaluation.classes) {
    const Count& count = of_class.count;
    const Interval interval = wilson_interval(count.top1, count.images);
    const Confusion& most_often = of_class.most_often;
    rows += element("tr", "",
                    cell(report.name_of(of_class.index)) + cell(std::to_string(count.images), "number") +
                        cell(percent(share_of(count.top1, count.images)) + " %", "number") +
                        element("td", "wide", bar_of(share_of(count.top1, count.images), "")) +
                        cell(percent(interval.low) + " to " + percent(interval.high), "number soft") +
                        cell(percent(share_of(count.top5, count.images)) + " %", "number") +
                        cell(most_often.images > 0 ? report.name_of(most_often.guess) : "", "soft")) +
            "\n";
  }
  return element("h2", "", "Every class") + element("p", "", "The least often right first.") +
         element("div", "table",
                 "<table><thead><tr><th>Class</th><th class=\"number\">Images</th><th class=\"number\">Top-1</th>"
                 "<th></th><th class=\"number\">95 % confidence</th><th class=\"number\">Top-5</th>"
                 "<th>Most often taken for</th></tr></thead><tbody>\n" +
                     rows + "</tbody></table>");
}

std::string failure_section(const EvaluationReport& report) {
  if (report.failures.empty()) return "";
  std::string rows;
  for (const FailedImage& failure : report.failures)
    rows += element("tr", "", cell(failure.path) + cell(failure.error, "soft")) + "\n";
  return element("h2", "", "Failed") + element("div", "table", "<table><tbody>\n" + rows + "</tbody></table>");
}

}  // namespace

std::string evaluation_page(const EvaluationReport& report) {
  const Count& all = report.evaluation.all;
  const std::string name = html_escaped(std::filesystem::path(report.model).filename().string());
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         // Nothing is fetched and nothing runs, whatever a file name or a label holds.
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
         "'unsafe-inline'\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
         "<link rel=\"icon\" href=\"data:,\">\n<title>" +
         name + ": " + percent(share_of(all.top1, all.images)) + " % right</title>\n<style>" +
         std::string(evaluation_style) + "</style>\n</head>\n<body>\n<main>\n<h1>How right is " + name + "?</h1>\n" +
         element("p", "", html_escaped(report.model)) + "\n" +
         element("div", "scores",
                 score_card("Top-1", "the likeliest class is the right one", all.top1, all.images) +
                     score_card("Top-5", "the right one is among the five likeliest", all.top5, all.images)) +
         "\n" + facts(report) + "\n" + wrong_section(report) + "\n" + confusion_section(report) + "\n" +
         class_section(report) + "\n" + failure_section(report) +
         "\n<footer>Intervals are Wilson's for 95 % (E. B. Wilson, Journal of the American Statistical Association 22, "
         "1927): with few images the true share may well lie anywhere in them. Made by residua evaluate.</footer>\n"
         "</main>\n</body>\n</html>\n";
}

}  // namespace residua::tool
