// Options that several subcommands share: each is defined once, and means the same everywhere.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "residua/residua.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace residua::tool {

// --model: a file, or (where `random_too`) the name of an architecture.
CLI::Option* add_model_option(CLI::App& app, std::string& model, bool random_too);

// --threads, --schedule, --batch and --image-size write to these; what is not given keeps its value.
CLI::Option* add_threads_option(CLI::App& app, int& threads);
CLI::Option* add_schedule_option(CLI::App& app, Schedule& schedule);
CLI::Option* add_batch_option(CLI::App& app, int& batch, const std::string& description);

// --batch with one or more numbers.
CLI::Option* add_batches_option(CLI::App& app, std::vector<std::int32_t>& batches);
// --cache: for LoadOptions.
CLI::Option* add_cache_option(CLI::App& app, bool& cache);
// --memory-limit: for LoadOptions. --tune: for ContextOptions.
CLI::Option* add_memory_limit_option(CLI::App& app, std::size_t& bytes);
CLI::Option* add_tune_option(CLI::App& app, bool& tune);
// --direct: for ContextOptions.
CLI::Option* add_direct_option(CLI::App& app, bool& direct);

// 0 x 0: the model's own.
struct ImageSize {
  std::int32_t height = 0;
  std::int32_t width = 0;
};
CLI::Option* add_image_size_option(CLI::App& app, ImageSize& size);

// "224" or "224x320" (height first), each side 1 .. 16384. Throws std::invalid_argument.
ImageSize parse_image_size(const std::string& text);

// For CLI11's check(): what `parse` complains of by std::invalid_argument; "" where it does not.
template <class Parse>
auto complaints_of(Parse parse) {
  return [parse](const std::string& text) -> std::string {
    try {
      static_cast<void>(parse(text));
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
}

const char* name_of(Schedule schedule);

}  // namespace residua::tool
