#include "engine/cache.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <span>

#include "engine/build_identity.h"
#include "engine/environment.h"
#include "graph/import/packed_file.h"

namespace residua::engine {
namespace {

namespace fs = std::filesystem;
using graph::Error;
using graph::ErrorCode;

constexpr std::size_t hash_digits = 16;
constexpr std::size_t longest_stem = 64;
constexpr const char* ending = ".residua";

std::string hash_of(const std::string& text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::uint64_t hash = graph::checksum_of(std::as_bytes(std::span(text)));
  std::string hexadecimal(hash_digits, '0');
  for (std::size_t i = hash_digits; i-- > 0; hash >>= 4) hexadecimal[i] = digits[hash & 15];
  return hexadecimal;
}

std::string seconds(const timespec& time) { return std::to_string(time.tv_sec) + "." + std::to_string(time.tv_nsec); }

}  // namespace

graph::Result<CacheEntry> cache_entry(const fs::path& model, const std::string& architecture, const fs::path& folder) {
  const fs::path home = folder.empty() ? environment().cache_folder : folder;
  if (home.empty())
    return Error{ErrorCode::io, "no folder for it: neither XDG_CACHE_HOME nor HOME is set to an absolute path"};
  std::error_code failed;
  const fs::path path = fs::canonical(model, failed);
  struct stat facts {};
  if (failed || ::stat(path.c_str(), &facts) != 0)
    return Error{ErrorCode::io, model.string() + ": " + (failed ? failed.message() : std::strerror(errno))};
  const std::string network = path.string() + "\narchitecture " + architecture;
  const std::string made_from = network + "\nsize " + std::to_string(facts.st_size) + "\nwritten " +
                                seconds(facts.st_mtim) + "\nchanged " + seconds(facts.st_ctim) + "\ninode " +
                                std::to_string(facts.st_ino) + " of " + std::to_string(facts.st_dev) + "\nengine " +
                                build_identity();
  const std::string stem = path.stem().string().substr(0, longest_stem);
  return CacheEntry{home / (stem + "-" + hash_of(network) + "-" + hash_of(made_from) + ending), made_from};
}

graph::Status make_cache_folder(const CacheEntry& entry) {
  const fs::path folder = entry.file.parent_path();
  std::error_code failed;
  if (fs::is_directory(folder, failed)) return {};
  fs::create_directories(folder.parent_path(), failed);
  if (::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return Error{ErrorCode::io, folder.string() + ": cannot be made: " + std::strerror(errno)};
}

void remove_earlier_entries(const CacheEntry& entry) {
  const std::string name = entry.file.filename().string();
  const std::string beginning = name.substr(0, name.size() - hash_digits - std::strlen(ending));
  std::error_code failed;
  for (fs::directory_iterator file(entry.file.parent_path(), failed), end; !failed && file != end;
       file.increment(failed)) {
    const std::string other = file->path().filename().string();
    std::error_code ignored;
    if (other != name && other.size() == name.size() && other.starts_with(beginning) && other.ends_with(ending))
      fs::remove(file->path(), ignored);
  }
}

}  // namespace residua::engine
