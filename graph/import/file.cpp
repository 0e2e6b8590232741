// Files as read-only mappings.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "graph/import/import.h"
#include "graph/input_limits.h"

namespace residua::graph {
namespace {

// The descriptor is needed only until the mapping exists.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

Error system_error(const std::filesystem::path& path, const char* what, int code) {
  return {ErrorCode::io, path.string() + ": " + what + ": " + std::strerror(code)};
}

}  // namespace

Result<FileBytes> map_file(const std::filesystem::path& path) {
  // O_NONBLOCK: a named pipe must be refused below, not waited for.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.number() < 0) return system_error(path, "cannot be opened", errno);
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) return system_error(path, "cannot be examined", errno);
  if (S_ISDIR(status.st_mode)) return Error{ErrorCode::io, path.string() + ": is a folder, expected a regular file"};
  if (!S_ISREG(status.st_mode)) return Error{ErrorCode::io, path.string() + ": is not a regular file"};
  if (status.st_size <= 0) return Error{ErrorCode::io, path.string() + ": is empty"};
  const auto size = static_cast<std::size_t>(status.st_size);
  RESIDUA_RETURN_IF_ERROR(check_limit(Limit::file_bytes, size, path.string() + ": bytes"));
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number(), 0);
  if (address == MAP_FAILED) return system_error(path, "cannot be mapped", errno);
  std::shared_ptr<const FileMapping> mapping;
  try {
    std::error_code failure;  // without a current folder the path stays as it is
    std::filesystem::path whole = std::filesystem::absolute(path, failure);
    mapping =
        std::make_shared<const FileMapping>(static_cast<const std::byte*>(address), failure ? path : whole, status);
  } catch (...) {  // no memory for the mapping's owner
    ::munmap(address, size);
    throw;
  }
  return FileBytes{std::shared_ptr<const std::byte>(mapping, mapping->begin()), size, mapping.get()};
}

}  // namespace residua::graph
