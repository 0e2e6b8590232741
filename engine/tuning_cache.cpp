#include "engine/tuning_cache.h"

#include <cpuid.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <thread>

#include "engine/caches.h"
#include "engine/json_reading.h"
#include "engine/log.h"
#include "engine/onednn.h"
#include "engine/version.h"
#include "engine/whole_file.h"
#include "graph/import/packed_file.h"

namespace residua::engine {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::json;

constexpr const char* format_name = "residua tuning 1";

// The CPU's own name for itself, without blanks around it.
std::string cpu_name() {
  constexpr unsigned first_leaf = 0x80000002, last_leaf = 0x80000004;
  unsigned words[4] = {};
  std::string name;
  for (unsigned leaf = first_leaf; leaf <= last_leaf; ++leaf) {
    if (__get_cpuid(leaf, &words[0], &words[1], &words[2], &words[3]) == 0) return "unknown";
    name.append(reinterpret_cast<const char*>(words), sizeof words);
  }
  name.resize(std::min(name.find('\0'), name.size()));
  const auto first = name.find_first_not_of(' '), last = name.find_last_not_of(' ');
  return first == std::string::npos ? "unknown" : name.substr(first, last - first + 1);
}

// Family, model and stepping in one number, as leaf 1 gives them.
unsigned cpu_signature() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  __get_cpuid(1, &eax, &ebx, &ecx, &edx);
  return eax;
}

std::string file_name(const std::string& host) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a; the file holds the whole text too
  for (const char c : host) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = text.size(); i-- > 0; hash >>= 4) text[i] = digits[hash & 15];
  return "tuning-" + text + ".json";
}

// items() takes anything for an object.
auto members_of(const json& value, const std::string& what) {
  if (!value.is_object()) throw std::invalid_argument(what + " is " + value.dump() + ", expected an object");
  return value.items();
}

// Throws where an entry is not what save() writes.
std::map<std::string, Timings> layers_of(const json& document) {
  std::map<std::string, Timings> layers;
  for (const auto& [signature, times] : members_of(document.at("layers"), "'layers'")) {
    Timings& timings = layers[signature];
    for (const auto& [name, value] : members_of(times, "'" + signature + "'")) {
      const auto milliseconds = value.get<double>();
      if (!std::isfinite(milliseconds) || milliseconds < 0)
        throw std::invalid_argument("'" + name + "' takes " + value.dump() + " ms in '" + signature + "'");
      timings[name] = milliseconds;
    }
  }
  return layers;
}

// Keeps others that save from reading what is about to be replaced. Where the folder cannot be locked, or another holds
// it for long, the worst that happens is that a layer is measured again.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder)
      : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    for (int attempt = 0; descriptor_ >= 0 && attempt < 100; ++attempt) {
      if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  ~FolderLock() {
    if (descriptor_ >= 0) ::close(descriptor_);  // and unlocks
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

// Of the layers as they are written: a changed digit would choose another way for good.
std::string checksum_text(const json& layers) {
  const std::string text = layers.dump(-1, ' ', false, json::error_handler_t::replace);
  return std::to_string(graph::checksum_of(std::as_bytes(std::span(text))));
}

graph::Status make_folder(const fs::path& folder) {
  std::error_code failed;
  if (fs::is_directory(folder, failed)) return {};
  fs::create_directories(folder.parent_path(), failed);
  if (::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return graph::Error{graph::ErrorCode::io, folder.string() + ": cannot be made: " + std::strerror(errno)};
}

graph::Status write(const fs::path& file, const std::string& text) {
  RESIDUA_ASSIGN(WholeFile whole, WholeFile::create(file));
  RESIDUA_RETURN_IF_ERROR(whole.write(std::as_bytes(std::span(text))));
  return whole.finish();
}

}  // namespace

const std::string& tuning_host() {
  static const std::string text = cpu_name() + ", signature " + std::to_string(cpu_signature()) + ", caches " +
                                  std::to_string(caches().level1) + " " + std::to_string(caches().level2) + " " +
                                  std::to_string(caches().level3) + ", residua " RESIDUA_VERSION ", onednn " +
                                  onednn_version();
  return text;
}

TuningCache::TuningCache(const fs::path& folder, std::string host) : host_(std::move(host)) {
  if (folder.empty()) {
    log("tuning: nothing is kept: neither XDG_CACHE_HOME nor HOME is set to an absolute path");
    return;
  }
  file_ = folder / file_name(host_);
  read(layers_);
}

TuningCache::State TuningCache::read(Layers& layers) const {
  std::error_code failed;
  const fs::file_status status = fs::status(file_, failed);
  if (status.type() == fs::file_type::not_found) return State::absent;
  const auto unusable = [&](const std::string& why) {
    log("tuning: " + file_.string() + ": not read: " + why);
    return State::unusable;
  };
  if (failed) return unusable(failed.message());
  if (status.type() != fs::file_type::regular) return unusable("it is no regular file");
  const auto damaged = [&](const std::string& why) {
    log("tuning: " + file_.string() + ": damaged, will be replaced: " + why);
    return State::damaged;
  };
  const std::uintmax_t size = fs::file_size(file_, failed);
  if (failed) return unusable(failed.message());
  if (const graph::Status within = graph::check_limit(graph::Limit::tuning_bytes, size, "bytes"); !within)
    return damaged(within.error().message);
  std::ifstream stream(file_, std::ios::binary);
  std::string text(size, '\0');
  if (!stream.read(text.data(), static_cast<std::streamsize>(size))) return unusable(std::strerror(errno));
  auto read = read_json(text, graph::Limit::tuning_bytes, "the text");
  if (!read) return damaged(read.error().message);
  try {
    const json document = std::move(read).value();
    const auto format = document.at("format").get<std::string>();
    if (format != format_name) return unusable("its format is '" + format + "', expected '" + format_name + "'");
    const auto host = document.at("host").get<std::string>();
    if (host != host_) return unusable("it was measured on '" + host + "', expected '" + host_ + "'");
    if (document.at("checksum").get<std::string>() != checksum_text(document.at("layers")))
      return damaged("its checksum differs");
    layers = layers_of(document);
    return State::good;
  } catch (const std::exception& error) {
    return damaged(error.what());
  }
}

const Timings* TuningCache::find(const std::string& signature) const {
  const auto found = layers_.find(signature);
  return found == layers_.end() ? nullptr : &found->second;
}

void TuningCache::add(const std::string& signature, Timings timings) {
  added_[signature] = timings;
  layers_[signature] = std::move(timings);
}

void TuningCache::save() {
  if (added_.empty() || file_.empty()) return;
  graph::Status status = make_folder(file_.parent_path());
  if (status) {
    const FolderLock lock(file_.parent_path());
    Layers merged;
    if (read(merged) == State::unusable) return;  // the log says why
    for (const auto& [signature, timings] : added_) merged[signature] = timings;
    const json kept(merged);
    const json document{{"format", format_name}, {"host", host_}, {"checksum", checksum_text(kept)}, {"layers", kept}};
    status = write(file_, document.dump(1, ' ', false, json::error_handler_t::replace) + "\n");
    for (auto& [signature, timings] : merged) layers_.try_emplace(signature, std::move(timings));
  }
  if (status)
    added_.clear();
  else
    log("tuning: what was measured is not kept: " + status.error().message);
}

}  // namespace residua::engine
