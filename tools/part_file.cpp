#include "tools/part_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "tools/output_file.h"

namespace residua::tool {

void PartFile::fail(const char* what) const {
  throw OutputError(part_.string() + ": " + what + ": " + std::generic_category().message(errno));
}

PartFile::PartFile(const std::filesystem::path& final_path, const std::function<void()>& wait)
    : final_(final_path), part_(final_path.string() + ".part") {
  std::error_code failed;
  std::filesystem::create_directories(final_.parent_path(), failed);
  if (failed) throw OutputError(final_.parent_path().string() + ": cannot be made: " + failed.message());
  bool waited = false;
  while (!try_lock(wait, waited)) {
  }
  // Whoever held the lock may have finished; it also may have been there before.
  if (std::filesystem::exists(final_, failed)) {
    unlink(part_.c_str());
    close(std::exchange(descriptor_, -1));
  }
}

// False where the file that was locked is no longer the one at that path.
bool PartFile::try_lock(const std::function<void()>& wait, bool& waited) {
  descriptor_ = open(part_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor_ < 0) fail("cannot be written");
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    if (!std::exchange(waited, true)) wait();
    while (flock(descriptor_, LOCK_EX) != 0)
      if (errno != EINTR) fail("cannot be locked");
  }
  struct stat ours {
  }, at_path{};
  if (fstat(descriptor_, &ours) != 0) fail("cannot be examined");
  if (stat(part_.c_str(), &at_path) == 0 && ours.st_ino == at_path.st_ino && ours.st_dev == at_path.st_dev) {
    size_ = static_cast<std::uint64_t>(ours.st_size);
    return true;
  }
  close(std::exchange(descriptor_, -1));
  return false;
}

PartFile::~PartFile() {
  if (descriptor_ < 0) return;
  if (size_ == 0) unlink(part_.c_str());  // nothing to go on from
  close(descriptor_);
}

void PartFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written");
    bytes.remove_prefix(static_cast<std::size_t>(written));
    size_ += static_cast<std::uint64_t>(written);
  }
}

void PartFile::start_over() {
  if (ftruncate(descriptor_, 0) != 0) fail("cannot be written");
  size_ = 0;
}

void PartFile::finish() {
  if (fsync(descriptor_) != 0 && errno != EINVAL) fail("cannot be written");
  if (rename(part_.c_str(), final_.c_str()) != 0) fail("cannot be put in place");
  close(std::exchange(descriptor_, -1));
}

void PartFile::discard() {
  unlink(part_.c_str());
  close(std::exchange(descriptor_, -1));
}

}  // namespace residua::tool
