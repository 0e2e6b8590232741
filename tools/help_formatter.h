// How --help looks.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace residua::tool {

// Options in one column, wrapped descriptions with their defaults in the next.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_subcommand(const CLI::App* subcommand) const override;
};

}  // namespace residua::tool
