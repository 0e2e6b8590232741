#include "tools/weights_catalogue.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>
#include <utility>

#include "residua/residua.hpp"
#include "tools/command.h"
#include "tools/model_file.h"
#include "tools/report.h"

namespace residua::tool {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t fewest_digits = 8, all_digits = 64;

std::string read_whole(const fs::path& file) {
  std::error_code failed;
  if (!fs::is_regular_file(file, failed)) throw ModelError(file.string() + ": no such file");
  if (const auto size = fs::file_size(file, failed); !failed) {
    try {
      check_limit("sidecar_bytes", size, file.string() + ": bytes");
    } catch (const Error& error) {
      throw ModelError(error.what());
    }
  }
  std::ifstream stream(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) throw ModelError(file.string() + ": cannot be read");
  return text;
}

// A path from the catalogue's folder on, as one from here.
std::string path_from(const fs::path& catalogue, const std::string& path) {
  return (catalogue.parent_path() / path).lexically_normal().string();
}

json lines_of(const std::string& text) {
  json lines = json::array();
  std::string line;
  for (std::istringstream stream(text); std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// Reads the entries of one catalogue, each with its place for messages.
class EntryReader {
 public:
  // `label_files`: those that earlier entries have named.
  EntryReader(const fs::path& catalogue, const json& entry, std::size_t number,
              std::map<std::string, json>& label_files)
      : catalogue_(catalogue),
        entry_(entry),
        label_files_(label_files),
        where_(catalogue.string() + ": entry " + std::to_string(number + 1) + " of \"weights\"") {}

  WeightSet read() {
    if (!entry_.is_object()) throw ModelError(where_ + ": an object expected");
    WeightSet set;
    set.name = text("name", true);
    where_ += " (" + printable(set.name) + ")";
    set.alias = text("alias", false);
    const std::string url = text("url", true);
    const bool remote = url.find("://") != std::string::npos;
    if (remote && !url.starts_with("https://") && !url.starts_with("http://"))
      refuse("url", "https://..., http://... or a path");
    set.source = remote ? url : path_from(catalogue_, url);
    set.file = url.substr(url.rfind('/') + 1);
    // It becomes a file in our folder, so it may be nothing else.
    if (set.file.empty() || set.file.starts_with('.') || set.file.find_first_of("?#%\\") != std::string::npos)
      refuse("url", "an address that ends in a file's name");
    set.sha256 = lower_case(text("sha256", true));
    if (set.sha256.size() < fewest_digits || set.sha256.size() > all_digits ||
        set.sha256.find_first_not_of("0123456789abcdef") != std::string::npos)
      refuse("sha256", "8 to 64 hexadecimal digits");
    set.megabytes = number("megabytes");
    set.published_top1 = number("top1");
    set.preset = preset();
    return set;
  }

 private:
  [[noreturn]] void refuse(const char* key, const std::string& expected) const {
    const auto found = entry_.find(key);
    throw ModelError(where_ + ": \"" + key + "\" is " +
                     (found == entry_.end()
                          ? "missing"
                          : printable(found->dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 80))) +
                     ", expected " + expected);
  }

  std::string text(const char* key, bool required) const {
    const auto found = entry_.find(key);
    if (found == entry_.end() && !required) return "";
    if (found == entry_.end() || !found->is_string() || found->get_ref<const std::string&>().empty())
      refuse(key, "a text");
    return found->get<std::string>();
  }

  double number(const char* key) const {
    const auto found = entry_.find(key);
    if (found == entry_.end()) return 0;
    if (!found->is_number()) refuse(key, "a number");
    return found->get<double>();
  }

  // As a sidecar that holds the labels themselves: it is used far from the catalogue.
  std::string preset() const {
    const auto found = entry_.find("preset");
    if (found == entry_.end()) return "{}";
    if (!found->is_object()) refuse("preset", "an object: what MODEL.json would hold");
    json sidecar = *found;
    if (const auto labels = sidecar.find("labels"); labels != sidecar.end() && labels->is_string()) {
      const std::string file = path_from(catalogue_, *labels);
      if (!label_files_.contains(file)) label_files_.emplace(file, lines_of(read_whole(file)));
      *labels = label_files_.at(file);
    }
    return sidecar.dump(-1, ' ', false, json::error_handler_t::replace);
  }

  const fs::path& catalogue_;
  const json& entry_;
  std::map<std::string, json>& label_files_;
  std::string where_;
};

}  // namespace

std::string WeightSet::kept_name() const {
  const std::string digits = sha256.substr(0, fewest_digits);
  if (file.find(digits) != std::string::npos) return file;
  const fs::path path(file);
  return path.stem().string() + "-" + digits + path.extension().string();
}

std::vector<WeightSet> read_catalogue(const fs::path& file) {
  json catalogue;
  try {
    catalogue = json::parse(read_whole(file));
  } catch (const json::exception& error) {
    throw ModelError(file.string() + ": no JSON: " + printable(error.what()));
  }
  const auto entries = catalogue.is_object() ? catalogue.find("weights") : catalogue.end();
  if (!catalogue.is_object() || entries == catalogue.end() || !entries->is_array())
    throw ModelError(file.string() + ": an object with a list \"weights\" expected");
  std::vector<WeightSet> sets;
  sets.reserve(entries->size());
  std::map<std::string, json> label_files;
  for (std::size_t i = 0; i < entries->size(); ++i)
    sets.push_back(EntryReader(file, (*entries)[i], i, label_files).read());
  return sets;
}

std::vector<WeightSet> known_weights(const std::string& catalogue) {
  std::vector<WeightSet> sets;
  std::string own = catalogue;
  if (const char* named = std::getenv("RESIDUA_CATALOGUE"); own.empty() && named != nullptr) own = named;
  if (!own.empty()) sets = read_catalogue(own);
  if (const auto bundled = bundled_file("weights.json"))
    for (WeightSet& set : read_catalogue(*bundled)) sets.push_back(std::move(set));
  return sets;
}

std::optional<WeightSet> find_weights(const std::vector<WeightSet>& sets, const std::string& name) {
  const auto found = std::find_if(sets.begin(), sets.end(), [&](const WeightSet& set) { return set.is_called(name); });
  return found == sets.end() ? std::nullopt : std::optional(*found);
}

fs::path weights_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return fs::path(value != nullptr ? value : "");
  };
  // Relative paths do not count, says the XDG base directory specification.
  if (const fs::path cache = variable("XDG_CACHE_HOME"); cache.is_absolute()) return cache / "residua" / "weights";
  if (const fs::path home = variable("HOME"); home.is_absolute()) return home / ".cache" / "residua" / "weights";
  throw ModelError("no folder for weights: neither XDG_CACHE_HOME nor HOME is set to an absolute path");
}

}  // namespace residua::tool
