#include "tools/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "tools/command.h"

namespace residua::tool {
namespace {

constexpr std::size_t buffer_size = std::size_t{1} << 16;
constexpr std::array fatal_signals = {SIGINT, SIGTERM, SIGHUP};

// A stand-in that a signal has to remove. Read by the handler, so: plain bytes, and a state that says when they are
// complete.
struct Pending {
  enum State : int { free, filling, complete };
  std::atomic<int> state{free};
  std::array<char, PATH_MAX> path{};
};
static_assert(std::atomic<int>::is_always_lock_free, "the handler may not wait");
// More files are never open at once: a few for each thread.
std::array<Pending, 64> all_pending;

void unlink_pending() {
  for (const Pending& pending : all_pending)
    if (pending.state.load() == Pending::complete) unlink(pending.path.data());
}

extern "C" void remove_pending_and_die(int signal_number) {
  unlink_pending();
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

// A page of a mapped file is no longer there. Only what a signal handler may call.
extern "C" void end_without_the_file(int) {
  static constexpr std::string_view complaint = "residua: a model file was cut short while it was in use\n";
  unlink_pending();
  static_cast<void>(::write(STDERR_FILENO, complaint.data(), complaint.size()) < 0);
  _exit(model_unusable);
}

// The number of the slot taken; -1 where there is none.
int add_pending(const std::string& path) {
  int slot = -1;
  for (std::size_t i = 0; i < all_pending.size() && slot < 0; ++i)
    if (int expected = Pending::free; all_pending[i].state.compare_exchange_strong(expected, Pending::filling))
      slot = static_cast<int>(i);
  if (slot < 0) return slot;
  Pending& pending = all_pending[static_cast<std::size_t>(slot)];
  std::memcpy(pending.path.data(), path.c_str(), std::min(path.size() + 1, pending.path.size() - 1));
  pending.state.store(Pending::complete);
  for (const int signal_number : fatal_signals) {
    struct sigaction current {};
    // A signal that our caller ignores (nohup) stays ignored.
    if (sigaction(signal_number, nullptr, &current) == 0 && current.sa_handler == SIG_DFL) {
      std::signal(signal_number, remove_pending_and_die);
    }
  }
  return slot;
}

void remove_pending(int slot) {
  if (slot >= 0) all_pending[static_cast<std::size_t>(slot)].state.store(Pending::free);
}

std::string system_text(int error_number) { return std::generic_category().message(error_number); }

// Follows links to the file that is meant, so that writing through a link keeps the link.
std::filesystem::path resolved(const std::string& path) {
  std::error_code ignored;
  const std::filesystem::path whole = std::filesystem::canonical(path, ignored);
  return ignored ? std::filesystem::path(path) : whole;
}

}  // namespace

OutputFile::OutputFile(const std::string& path) : name_(path) {
  struct stat existing {};
  const bool exists = stat(path.c_str(), &existing) == 0;
  if (exists && !S_ISREG(existing.st_mode)) {
    descriptor_ = open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (descriptor_ < 0) fail("cannot be written", errno);
    return;
  }
  if (exists && access(path.c_str(), W_OK) != 0) fail("cannot be written", errno);
  const std::filesystem::path target = exists ? resolved(path) : std::filesystem::path(path);
  // No part of the target's name: it may be as long as the file system allows already.
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const std::string name = ".residua-" + std::to_string(getpid()) + "-" + std::to_string(attempt) + ".tmp";
    const std::string temporary = (target.parent_path() / name).string();
    descriptor_ = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ >= 0) {
      target_ = target.string();
      temporary_ = temporary;
      pending_ = add_pending(temporary_);
      break;
    }
    if (errno != EEXIST) break;
  }
  if (descriptor_ < 0) fail("cannot be written", errno);
  // The new file takes over the permissions of the one it replaces. Not being allowed to is no reason to fail.
  if (exists) static_cast<void>(fchmod(descriptor_, existing.st_mode & 07777) == 0);
}

OutputFile OutputFile::with_folders(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) throw OutputError(folder.string() + ": cannot be made: " + error.message());
  return OutputFile(path);
}

OutputFile OutputFile::standard_output() {
  OutputFile file;
  file.descriptor_ = STDOUT_FILENO;
  file.name_ = "standard output";
  return file;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      name_(std::move(other.name_)),
      target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      pending_(std::exchange(other.pending_, -1)),
      buffer_(std::move(other.buffer_)) {}

OutputFile::~OutputFile() {
  if (descriptor_ > STDERR_FILENO) close(descriptor_);
  if (temporary_.empty()) return;
  unlink(temporary_.c_str());
  remove_pending(pending_);
}

void OutputFile::fail(const char* what, int error_number) const {
  if (error_number == EPIPE && descriptor_ == STDOUT_FILENO) throw ReaderGone();
  throw OutputError(name_ + ": " + what + ": " + system_text(error_number));
}

void OutputFile::write(std::string_view bytes) {
  buffer_.append(bytes);
  if (buffer_.size() >= buffer_size) flush();
}

void OutputFile::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error_number = errno;
      buffer_.clear();
      fail("cannot be written", error_number);
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  buffer_.clear();
}

void OutputFile::finish() {
  flush();
  if (descriptor_ == STDOUT_FILENO) return;
  if (!temporary_.empty() && fsync(descriptor_) != 0 && errno != EINVAL) fail("cannot be written", errno);
  // Some file systems report a full disk only here.
  if (close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR) fail("cannot be written", errno);
  if (temporary_.empty()) return;
  if (rename(temporary_.c_str(), target_.c_str()) != 0) fail("cannot be put in place", errno);
  remove_pending(std::exchange(pending_, -1));
  temporary_.clear();
}

bool OutputFile::is_terminal() const { return isatty(descriptor_) == 1; }

bool is_same_file(const std::string& a, const std::string& b) {
  namespace fs = std::filesystem;
  if (a.empty() || b.empty()) return false;
  std::error_code failed;
  if (fs::exists(a, failed)) return fs::is_regular_file(a, failed) && fs::equivalent(a, b, failed);
  const fs::path one = fs::weakly_canonical(fs::absolute(a, failed), failed);
  const fs::path other = fs::weakly_canonical(fs::absolute(b, failed), failed);
  return !one.empty() && one == other;
}

void guard_mapped_files() {
  struct sigaction action {};
  action.sa_handler = end_without_the_file;
  static_cast<void>(sigaction(SIGBUS, &action, nullptr));
}

void guard_standard_streams() {
  std::signal(SIGPIPE, SIG_IGN);
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) continue;
    // Opened the wrong way round, so that using the stream still fails as a closed one does.
    const int opened = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    if (opened > descriptor) close(opened);
  }
}

}  // namespace residua::tool
