#include "tools/heat_map_files.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "tools/command.h"
#include "tools/output_file.h"
#include "tools/report.h"

namespace residua::tool {
HeatMapFiles::HeatMapFiles(std::string target, const std::vector<std::string>& arguments)
    : target_(std::move(target)), is_file_(lower_case(std::filesystem::path(target_).extension().string()) == ".png") {
  std::error_code ignored;
  const bool one_image =
      arguments.size() == 1 && arguments[0] != "-" && !std::filesystem::is_directory(arguments[0], ignored);
  if (is_file_ && !one_image)
    throw UsageError("--heatmap: " + target_ + " holds the map of one image; for more, name a folder");
  if (is_file_ && is_same_file(target_, arguments[0]))
    throw UsageError("--heatmap: " + target_ + " is the image itself");
}

std::string HeatMapFiles::path_for(const std::string& image) const {
  if (is_file_) return target_;
  std::filesystem::path path = target_;
  // Inside the folder, wherever the image stands.
  for (const auto& part : std::filesystem::path(image).lexically_normal().relative_path())
    path /= part == ".." ? std::filesystem::path("__") : part;
  return path.string() + ".png";
}

}  // namespace residua::tool
