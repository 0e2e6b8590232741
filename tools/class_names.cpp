#include "tools/class_names.h"

#include <algorithm>
#include <array>

#include "tools/report.h"

namespace residua::tool {
namespace {

std::string with_blanks(std::string_view text) {
  std::string result(text);
  std::replace(result.begin(), result.end(), '_', ' ');
  return result;
}

// Whether a part of the label, as it stands between commas, is `name`.
bool lists(std::string_view label, std::string_view name) {
  while (!label.empty()) {
    const std::size_t comma = std::min(label.find(','), label.size());
    std::string_view part = label.substr(0, comma);
    part.remove_prefix(std::min(part.find_first_not_of(' '), part.size()));
    if (!part.empty() && part.substr(0, part.find_last_not_of(' ') + 1) == name) return true;
    label.remove_prefix(std::min(comma + 1, label.size()));
  }
  return false;
}

}  // namespace

std::vector<std::string> labels_of(const Model& model) {
  std::vector<std::string> labels(static_cast<std::size_t>(std::max(model.info().classes, 0)));
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (const auto label = model.label(static_cast<std::int32_t>(i))) labels[i] = *label;
  return labels;
}

std::vector<std::int32_t> classes_called(const std::vector<std::string>& labels, std::string_view name) {
  const std::string wanted = with_blanks(name), wanted_small = lower_case(wanted);
  std::array<std::vector<std::int32_t>, 4> found;  // by each way that is not an earlier one
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i].empty()) continue;
    const std::string label = with_blanks(labels[i]), small = lower_case(label);
    const std::array means = {label == wanted, small == wanted_small, lists(label, wanted), lists(small, wanted_small)};
    const auto way = std::find(means.begin(), means.end(), true);
    if (way != means.end())
      found[static_cast<std::size_t>(way - means.begin())].push_back(static_cast<std::int32_t>(i));
  }
  const auto best = std::find_if(found.begin(), found.end(), [](const auto& classes) { return !classes.empty(); });
  return best == found.end() ? std::vector<std::int32_t>() : *best;
}

std::string not_one_class(const std::vector<std::string>& labels, const std::vector<std::int32_t>& found,
                          std::string_view name) {
  constexpr std::size_t most_told = 5;
  const std::string called = " called '" + printable(name) + "'";
  if (found.empty()) return "no class is" + called;
  std::string text = std::to_string(found.size()) + " classes are" + called;
  for (std::size_t i = 0; i < std::min(found.size(), most_told); ++i)
    text += (i == 0 ? ": " : ", ") + std::to_string(found[i]) + " (" +
            printable(labels[static_cast<std::size_t>(found[i])]) + ")";
  return text + (found.size() > most_told ? " and more" : "");
}

}  // namespace residua::tool
