#include "tools/image_paths.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "tools/report.h"

namespace residua::tool {
namespace {

constexpr std::array<std::string_view, 6> image_suffixes = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp"};

void collect_folder(const std::string& folder, std::deque<ImageInput>& images) {
  const std::size_t first = images.size();
  std::vector<std::filesystem::path> waiting{folder};
  while (!waiting.empty()) {
    const std::filesystem::path current = std::move(waiting.back());
    waiting.pop_back();
    std::error_code error;
    for (std::filesystem::directory_iterator entry(current, error), end; !error && entry != end;
         entry.increment(error)) {
      // A file that vanishes or cannot be asked about is left for reading to complain of.
      std::error_code ignored;
      if (!entry->is_symlink(ignored) && entry->is_directory(ignored)) {
        waiting.push_back(entry->path());
      } else if (has_image_suffix(entry->path().string()) && !entry->is_directory(ignored)) {
        images.push_back({entry->path().string(), ""});
      }
    }
    if (error) images.push_back({current.string(), "cannot be listed: " + error.message()});
  }
  if (images.size() == first) images.push_back({folder, "no image in this folder (.jpg, .png, .webp)"});
  std::sort(images.begin() + static_cast<std::ptrdiff_t>(first), images.end(),
            [](const ImageInput& a, const ImageInput& b) { return a.path < b.path; });
}

void collect_path(const std::string& path, std::deque<ImageInput>& images) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    images.push_back({path, "no such file or folder"});
  } else if (status.type() == std::filesystem::file_type::none) {
    images.push_back({path, "cannot be opened: " + error.message()});
  } else if (std::filesystem::is_directory(status)) {
    collect_folder(path, images);
  } else {
    images.push_back({path, ""});
  }
}

}  // namespace

bool has_image_suffix(const std::string& path) {
  const std::string suffix = lower_case(std::filesystem::path(path).extension().string());
  return std::find(image_suffixes.begin(), image_suffixes.end(), suffix) != image_suffixes.end();
}

ImagePaths::ImagePaths(std::vector<std::string> arguments, int list_descriptor)
    : arguments_(std::move(arguments)), list_(list_descriptor) {}

bool ImagePaths::advance(const std::stop_token* stop) {
  if (in_list_) {
    std::optional<std::string> line = stop ? list_.wait_for_next(*stop) : list_.next();
    if (!line) {
      in_list_ = !list_.ended();
      return !in_list_;
    }
    if (line->ends_with('\r')) line->pop_back();  // a list made on Windows
    if (!line->empty()) collect_path(*line, ahead_);
    return true;
  }
  if (next_argument_ == arguments_.size()) return false;
  const std::string& argument = arguments_[next_argument_++];
  if (argument == "-") {
    in_list_ = true;
  } else {
    collect_path(argument, ahead_);
  }
  return true;
}

std::size_t ImagePaths::look_ahead(std::size_t wanted) {
  while ((!in_list_ || ahead_.size() < wanted) && advance(nullptr)) {
  }
  return ahead_.size();
}

std::optional<ImageInput> ImagePaths::next(const std::stop_token& stop) {
  while (ahead_.empty() && advance(&stop)) {
  }
  if (ahead_.empty()) return std::nullopt;
  ImageInput image = std::move(ahead_.front());
  ahead_.pop_front();
  return image;
}

}  // namespace residua::tool
