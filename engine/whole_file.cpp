#include "engine/whole_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

namespace residua::engine {
namespace {

namespace fs = std::filesystem;

constexpr int most_attempts = 100;

std::string random_letters() {
  static constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device random;
  std::string text;
  for (int i = 0; i < 12; ++i) text += letters[random() % letters.size()];
  return text;
}

}  // namespace

graph::Result<WholeFile> WholeFile::create(const fs::path& path) {
  for (int attempt = 0; attempt < most_attempts; ++attempt) {
    const fs::path temporary = path.parent_path() / ("." + path.filename().string() + "." + random_letters());
    const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0) return WholeFile(descriptor, path, temporary);
    if (errno != EEXIST)
      return graph::Error{graph::ErrorCode::io, path.string() + ": cannot be written: " + std::strerror(errno)};
  }
  return graph::Error{graph::ErrorCode::io, path.string() + ": every name for a temporary file beside it is taken"};
}

WholeFile::WholeFile(int descriptor, fs::path path, fs::path temporary)
    : descriptor_(descriptor), path_(std::move(path)), temporary_(std::move(temporary)) {}

WholeFile::WholeFile(WholeFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})) {}

WholeFile::~WholeFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

graph::Error WholeFile::failure(const char* what, int code) const {
  return {graph::ErrorCode::io, path_.string() + ": " + what + ": " + std::strerror(code)};
}

graph::Status WholeFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failure("cannot be written", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

graph::Status WholeFile::finish() {
  if (::fdatasync(descriptor_) != 0) return failure("cannot be written", errno);
  if (::close(std::exchange(descriptor_, -1)) != 0) return failure("cannot be written", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return failure("cannot be given its name", errno);
  temporary_.clear();
  return {};
}

}  // namespace residua::engine
