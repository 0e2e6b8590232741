#include "graph/import/model_folder.h"

#include <algorithm>
#include <string>
#include <system_error>

#include "graph/input_limits.h"
#include "graph/text.h"

namespace residua::graph {
namespace {

namespace fs = std::filesystem;

// Whether `path`, both canonical, is inside `folder`.
bool is_inside(const fs::path& path, const fs::path& folder) {
  const auto [folder_end, path_rest] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return folder_end == folder.end() && path_rest != path.end();
}

}  // namespace

Result<fs::path> path_in_folder(const fs::path& folder, std::string_view name) {
  RESIDUA_RETURN_IF_ERROR(check_limit(Limit::name_bytes, name.size(), "the name of a file: bytes"));
  const std::string quoted_name = quoted(name);
  const fs::path relative(name);
  if (name.empty() || name.find('\0') != std::string_view::npos || relative.is_absolute())
    return Error{ErrorCode::malformed, quoted_name + ", expected a relative file name"};
  if (std::find(relative.begin(), relative.end(), "..") != relative.end())
    return Error{ErrorCode::malformed, quoted_name + " leaves the model's folder"};
  std::error_code failure;
  const fs::path home = fs::canonical(folder, failure);
  if (failure) return Error{ErrorCode::io, folder.string() + ": " + failure.message()};
  fs::path path = fs::canonical(home / relative, failure);
  if (failure) return Error{ErrorCode::io, (home / relative).string() + ": " + failure.message()};
  if (!is_inside(path, home)) {
    return Error{ErrorCode::malformed, quoted_name + " leads to " + path.string() + ", outside " + home.string()};
  }
  return path;
}

}  // namespace residua::graph
