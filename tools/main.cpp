// residua: the command-line tool. Parses, dispatches, and turns what went wrong into an exit code.

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <iostream>
#include <memory>
#include <new>
#include <sstream>

#include "residua/residua.hpp"
#include "tools/command.h"
#include "tools/help_formatter.h"
#include "tools/output_file.h"
#include "tools/report.h"

namespace residua::tool {
namespace {

std::string version_text() {
  const VersionInfo info = version();
  return "residua " + std::string(info.version) + "\ncompiler: " + info.compiler + "\noneDNN: " + info.onednn +
         "\ninstruction sets: " + info.instruction_sets + "\ninstruction set in use: " + info.instruction_set_in_use;
}

// Help and version are results, so they go the way of results; complaints go to standard error.
int end_of_parsing(const CLI::App& app, const CLI::ParseError& outcome) {
  std::ostringstream results;
  std::ostringstream complaints;
  const int code = app.exit(outcome, results, complaints);
  OutputFile output = OutputFile::standard_output();
  output.write(results.str());
  output.finish();
  std::cerr << complaints.str();
  return code == 0 ? all_well : bad_usage;
}

// A script's variable that is not set: an option with an empty value would do as if it had not been given.
void refuse_empty_values(CLI::App& parser) {
  for (CLI::Option* const option : parser.get_options())
    if (!option->get_positional() && option->get_items_expected_max() > 0)
      option->check([](const std::string& value) { return value.empty() ? "is empty, expected a value" : ""; });
}

int run_tool(int argument_count, char** arguments) {
  CLI::App app("Residual networks on CPUs: what is in an image, and how fast the answer comes.", "residua");
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_version_flag("--version", version_text, "Print version, compiler, oneDNN and instruction sets");
  app.set_help_flag("-h,--help", "Print this help");
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  residua classify photo.jpg\n"
      "  residua classify --model resnet50.onnx --json photos/ > results.jsonl\n"
      "  residua bench --model resnet50\n"
      "\n"
      "`residua COMMAND --help` says more about each.\n"
      "Exit codes: 0 all well; 1 some inputs failed; 2 bad usage; 3 the model can't be used.\n"
      "Environment: RESIDUA_MAX_ISA caps the instruction set (sse2, avx2, avx512, amx);\n"
      "RESIDUA_VERBOSE=dispatch,profile tells more on standard error; RESIDUA_DUMP_GRAPH=DIR writes the network\n"
      "after each optimisation; RESIDUA_LIMITS=NAME=NUMBER,... changes the limits on files (SECURITY.md).");
  const std::array commands = {add_classify(app), add_evaluate(app), add_run(app), add_bench(app),
                               add_inspect(app),  add_pack(app),     add_pull(app)};
  for (const Command& command : commands) refuse_empty_values(*command.parser);
  try {
    app.parse(argument_count, arguments);
  } catch (const CLI::ParseError& outcome) {
    return end_of_parsing(app, outcome);
  }
  for (const Command& command : commands) {
    if (command.parser->parsed()) return command.execute();
  }
  return bad_usage;  // not reached: one subcommand is required
}

// The message is said, and the code returned.
int ended_by(const std::string& message, ExitCode code) {
  complain(message);
  return code;
}

}  // namespace

void complain(const std::string& message) { std::fprintf(stderr, "residua: %s\n", printable(message).c_str()); }

}  // namespace residua::tool

int main(int argument_count, char** arguments) {
  using namespace residua::tool;
  guard_standard_streams();
  guard_mapped_files();
  residua::set_log_callback([](void*, const char* message) { std::fprintf(stderr, "%s\n", message); });
  try {
    return run_tool(argument_count, arguments);
  } catch (const ReaderGone&) {
    return all_well;  // `residua ... | head`: whoever read has read enough
  } catch (const UsageError& error) {
    return ended_by(error.what(), bad_usage);
  } catch (const ModelError& error) {
    return ended_by(error.what(), model_unusable);
  } catch (const std::bad_alloc&) {
    return ended_by("out of memory", some_inputs_failed);
  } catch (const std::exception& error) {
    return ended_by(error.what(), some_inputs_failed);
  }
}
