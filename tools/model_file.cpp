#include "tools/model_file.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "tools/command.h"

namespace residua::tool {
namespace {

constexpr const char* bundled_name = "resnet20-cifar10.safetensors";

bool file_exists(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

template <class Open>
Model or_model_error(const Open& open) {
  try {
    return open();
  } catch (const Error& error) {
    throw ModelError(error.what());
  }
}

}  // namespace

Model open_model(const std::string& path, const LoadOptions& options) {
  return or_model_error([&] { return Model::load(path, options); });
}

Model open_model_or_architecture(const std::string& name, const LoadOptions& options) {
  if (file_exists(name)) return open_model(name, options);
  const std::vector<std::string_view> known = architectures();
  if (std::find(known.begin(), known.end(), name) != known.end()) {
    return or_model_error([&] { return Model::random(name, 0, options); });
  }
  std::string names;
  for (const std::string_view architecture : known) names += (names.empty() ? "" : ", ") + std::string(architecture);
  throw ModelError(name + ": no such file, and no architecture of that name (known: " + names + ")");
}

std::string bundled_model() {
  if (const char* folder = std::getenv("RESIDUA_MODELS"); folder != nullptr && *folder != '\0') {
    return (std::filesystem::path(folder) / bundled_name).string();
  }
  std::error_code ignored;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  const std::filesystem::path installed = program.parent_path() / ".." / "share" / "residua" / "models" / bundled_name;
  if (file_exists(installed)) return installed.lexically_normal().string();
  const std::filesystem::path source = std::filesystem::path(RESIDUA_SOURCE_MODELS) / bundled_name;
  if (file_exists(source)) return source.string();
  throw ModelError("the demonstration model is neither at " + installed.lexically_normal().string() + " nor at " +
                   source.string() + ": give --model FILE, or set RESIDUA_MODELS to its folder");
}

}  // namespace residua::tool
