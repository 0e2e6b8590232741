#include "tools/model_file.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "tools/command.h"
#include "tools/weights_catalogue.h"

namespace residua::tool {
namespace {

namespace fs = std::filesystem;

constexpr const char* bundled_name = "resnet20-cifar10.safetensors";

// A folder of that name is none.
bool file_exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) && !fs::is_directory(path, ignored);
}

template <class Open>
Model or_model_error(const Open& open) {
  try {
    return open();
  } catch (const Error& error) {
    throw ModelError(error.what());
  }
}

// The weights that a name means; none where it is a path.
std::optional<WeightSet> weights_called(const std::string& name) {
  if (file_exists(name) || name.find('/') != std::string::npos) return std::nullopt;
  return find_weights(known_weights(), name);
}

fs::path pulled_file(const WeightSet& set) { return weights_folder() / set.kept_name(); }

Model load_pulled(const WeightSet& set, LoadOptions options) {
  if (!options.sidecar) options.sidecar = set.preset;
  return or_model_error([&] { return Model::load(pulled_file(set).string(), options); });
}

[[noreturn]] void ask_to_pull(const std::string& name) {
  throw ModelError(name + ": no such file, and the published weights of that name are not here: `residua pull " + name +
                   "` fetches them");
}

// Where files of models/ may be.
std::vector<fs::path> model_folders() {
  if (const char* folder = std::getenv("RESIDUA_MODELS"); folder != nullptr && *folder != '\0') return {folder};
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  return {program.parent_path() / ".." / "share" / "residua" / "models", RESIDUA_SOURCE_MODELS};
}

}  // namespace

Model open_model(const std::string& path, const LoadOptions& options) {
  if (const auto set = weights_called(path)) {
    if (!file_exists(pulled_file(*set))) ask_to_pull(path);
    return load_pulled(*set, options);
  }
  return or_model_error([&] { return Model::load(path, options); });
}

Model open_model_or_architecture(const std::string& name, const LoadOptions& options) {
  if (file_exists(name)) return open_model(name, options);
  const auto set = weights_called(name);
  if (set && file_exists(pulled_file(*set))) return load_pulled(*set, options);
  const std::vector<std::string_view> known = architectures();
  if (std::find(known.begin(), known.end(), name) != known.end()) {
    return or_model_error([&] { return Model::random(name, 0, options); });
  }
  if (set) ask_to_pull(name);
  std::string names;
  for (const std::string_view architecture : known) names += (names.empty() ? "" : ", ") + std::string(architecture);
  throw ModelError(name + ": no such file, and no architecture of that name (known: " + names +
                   "), nor published weights (`residua pull --list`)");
}

std::optional<std::string> bundled_file(const std::string& name) {
  for (const fs::path& folder : model_folders())
    if (file_exists(folder / name)) return (folder / name).lexically_normal().string();
  return std::nullopt;
}

std::string bundled_model() {
  if (const auto file = bundled_file(bundled_name)) return *file;
  std::string places;
  for (const fs::path& folder : model_folders())
    places += (places.empty() ? "" : ", ") + (folder / bundled_name).lexically_normal().string();
  throw ModelError("the demonstration model is not there (looked for " + places +
                   "): give --model FILE, or set RESIDUA_MODELS to its folder");
}

}  // namespace residua::tool
