#include "tools/help_formatter.h"

#include <sstream>

namespace residua::tool {
namespace {

constexpr std::size_t description_column = 26;
constexpr std::size_t line_width = 100;

// "  left" and, from description_column on, the wrapped words of `right`; on a line of its own where `left` is too
// long.
std::string two_columns(const std::string& left, const std::string& right) {
  std::string text = "  " + left;
  std::size_t column = text.size();
  const auto start_line = [&] {
    text += '\n';
    column = 0;
  };
  if (column + 2 > description_column) start_line();
  std::istringstream words(right);
  for (std::string word; words >> word;) {
    if (column > description_column && column + 1 + word.size() > line_width) start_line();
    const std::size_t gap = column < description_column ? description_column - column : 1;
    text += std::string(gap, ' ') + word;
    column += gap + word.size();
  }
  return text + "\n";
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const {
  std::string help = CLI::Formatter::make_help(app, std::move(name), mode);
  // A second group of options comes after two empty lines: one is enough.
  for (std::size_t at = help.find("\n\n\n"); at != std::string::npos; at = help.find("\n\n\n", at)) help.erase(at, 1);
  return help;
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  std::string name = make_option_name(option, is_positional);
  if (const std::string type = option->get_type_name(); !type.empty()) name += " " + type;
  std::string description = option->get_description();
  if (option->get_required() && !is_positional) description += " (required)";
  if (!option->get_default_str().empty()) description += " [default: " + option->get_default_str() + "]";
  return two_columns(name, description);
}

std::string HelpFormatter::make_subcommand(const CLI::App* subcommand) const {
  const std::string description = subcommand->get_description();
  return two_columns(subcommand->get_name(), description.substr(0, description.find(':')));
}

}  // namespace residua::tool
