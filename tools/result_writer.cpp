#include "tools/result_writer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/report.h"

namespace residua::tool {

using nlohmann::ordered_json;

ResultWriter::ResultWriter(const Model& model, OutputFile& output, bool json)
    : model_(model), output_(output), json_(json), blocks_(locale_is_utf8()) {}

void ResultWriter::write(const Outcome& outcome) {
  if (json_) {
    write_line(outcome);
  } else if (outcome.error.empty()) {  // failures are named on standard error in any case
    write_table(outcome);
  }
}

void ResultWriter::write_line(const Outcome& outcome) {
  ordered_json entry = {{"path", outcome.path}};
  if (outcome.error.empty()) {
    ordered_json top = ordered_json::array();
    for (const Guess& guess : outcome.guesses) {
      const auto label = model_.label(guess.index);
      top.push_back({{"index", guess.index},
                     {"label", label ? ordered_json(*label) : ordered_json(nullptr)},
                     {"probability", as_written(guess.probability)}});
    }
    entry["top"] = std::move(top);
    if (!outcome.heat_map.empty()) entry["heatmap"] = outcome.heat_map;
  } else {
    entry["error"] = outcome.error;
  }
  // Paths may hold any bytes; JSON may not.
  output_.write(entry.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n");
}

void ResultWriter::write_table(const Outcome& outcome) {
  constexpr int bar_width = 24;
  std::string text = (first_ ? "" : "\n") + printable(outcome.path) + "\n";
  for (const Guess& guess : outcome.guesses) {
    const auto label = model_.label(guess.index);
    const double share = static_cast<double>(guess.probability);
    const std::string percent = fixed(100 * share, 1);
    text += std::string(7 - std::min<std::size_t>(percent.size(), 7), ' ') + percent + " %  " +
            bar(share, bar_width, blocks_) + "  " +
            (label ? printable(*label) : "class " + std::to_string(guess.index)) + "\n";
  }
  if (!outcome.heat_map.empty()) text += "  heat map: " + printable(outcome.heat_map) + "\n";
  first_ = false;
  output_.write(text);
}

}  // namespace residua::tool
