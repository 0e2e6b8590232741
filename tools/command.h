// What a subcommand is, and how it ends.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>

namespace CLI {
class App;
}

namespace residua::tool {

// The exit codes that scripts rely on.
enum ExitCode : int { all_well = 0, some_inputs_failed = 1, bad_usage = 2, model_unusable = 3 };

// Ends the program with bad_usage: an option that is right by itself and wrong here.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Ends the program with model_unusable.
class ModelError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A subcommand added to `app`; `execute` runs it with the options that were parsed and returns the exit code. Any
// exception from it ends the program with a message: OutputError and others with some_inputs_failed.
struct Command {
  CLI::App* parser;
  std::function<int()> execute;
};

Command add_classify(CLI::App& app);
Command add_evaluate(CLI::App& app);
Command add_run(CLI::App& app);
Command add_bench(CLI::App& app);
Command add_inspect(CLI::App& app);
Command add_pack(CLI::App& app);
Command add_pull(CLI::App& app);

// Writes "residua: MESSAGE" to standard error, control characters made harmless.
void complain(const std::string& message);

}  // namespace residua::tool
