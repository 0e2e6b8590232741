#include "tools/labelled_images.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <numeric>
#include <set>
#include <system_error>
#include <utility>

#include "tools/class_names.h"
#include "tools/command.h"
#include "tools/image_paths.h"
#include "tools/report.h"
#include "tools/sha256.h"

namespace residua::tool {
namespace {

namespace fs = std::filesystem;

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

// What texts mean as classes. The same text comes thousands of times, so answers are kept.
class ClassReader {
 public:
  explicit ClassReader(const std::vector<std::string>& labels) : labels_(labels) {}

  // Throws UsageError that starts with `where`.
  std::int32_t read(const std::string& text, const std::string& where) {
    const auto known = answers_.find(text);
    if (known != answers_.end()) return known->second;
    const auto numbers = [&] { return "a number from 0 to " + std::to_string(labels_.size() - 1); };
    std::int32_t answer = 0;
    if (const auto number = number_of(text)) {
      if (*number < 0 || *number >= static_cast<std::int64_t>(labels_.size()))
        throw UsageError(where + ": class " + text + " is beyond the model's: " + numbers() + " expected");
      answer = static_cast<std::int32_t>(*number);
    } else {
      const std::vector<std::int32_t> found = classes_called(labels_, text);
      if (found.size() != 1)
        throw UsageError(where + ": " + not_one_class(labels_, found, text) + "; " + numbers() +
                         ", or a label expected (--labels FILE gives the model labels)");
      answer = found[0];
    }
    answers_.emplace(text, answer);
    return answer;
  }

 private:
  const std::vector<std::string>& labels_;
  std::map<std::string, std::int32_t> answers_;
};

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  if (line.find('\t') == std::string::npos) {
    const std::size_t blank = line.find_last_of(' ');
    if (blank == std::string::npos) return {line};
    return {line.substr(0, line.find_last_not_of(' ', blank) + 1), line.substr(blank + 1)};
  }
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t tab = std::min(line.find('\t', begin), line.size());
    fields.push_back(line.substr(begin, tab - begin));
    begin = tab + 1;
  }
  return fields;
}

// Whether a first line names no image and no class. (Images may be listed without their suffixes.)
bool is_heading(const std::vector<std::string>& fields, const std::vector<std::string>& labels) {
  if (has_image_suffix(fields[0])) return false;
  return fields.size() < 2 || (!number_of(fields[1]) && classes_called(labels, fields[1]).empty());
}

LabelledImages empty_set(const std::string& source, const std::vector<std::string>& labels) {
  if (labels.empty()) throw ModelError("the model gives no classes");
  LabelledImages set;
  set.source = source;
  set.class_names = labels;
  return set;
}

// Classes that nothing has named yet.
void number_the_nameless(LabelledImages& set) {
  for (std::size_t i = 0; i < set.class_names.size(); ++i)
    if (set.class_names[i].empty()) set.class_names[i] = "class " + std::to_string(i);
}

std::vector<std::string> folders_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    const std::string name = entry->path().filename().string();
    // Hidden ones are other programs' (".ipynb_checkpoints").
    if (!name.starts_with('.') && entry->is_directory(ignored)) names.push_back(name);
  }
  if (error) throw UsageError(folder + ": cannot be listed: " + error.message());
  std::sort(names.begin(), names.end());
  return names;
}

// The class of each folder.
std::vector<std::int32_t> classes_of(const std::vector<std::string>& folders, const std::string& folder,
                                     const std::vector<std::string>& labels) {
  const auto is_a_class = [&](const std::string& name) {
    return number_of(name) || !classes_called(labels, name).empty();
  };
  std::vector<std::string> strangers;
  std::remove_copy_if(folders.begin(), folders.end(), std::back_inserter(strangers), is_a_class);
  std::vector<std::int32_t> classes;
  if (strangers.empty()) {
    ClassReader reader(labels);
    for (const std::string& name : folders) classes.push_back(reader.read(name, folder + "/" + name));
    return classes;
  }
  const bool all_strange = strangers.size() == folders.size();
  if (!all_strange || folders.size() != labels.size())
    throw UsageError(folder + ": the folder '" + printable(strangers[0]) + "' is no label and no number of a class" +
                     (all_strange ? ", and " + std::to_string(folders.size()) + " folders are not the model's " +
                                        std::to_string(labels.size()) + " classes in order"
                                  : ", as others are") +
                     ": give --labels-file, or --labels");
  classes.resize(folders.size());
  std::iota(classes.begin(), classes.end(), 0);
  return classes;
}

}  // namespace

LabelledImages read_labels_file(const std::string& file, const std::string& folder,
                                const std::vector<std::string>& labels) {
  LabelledImages set = empty_set(file, labels);
  std::error_code failed;
  if (!fs::is_directory(folder, failed)) throw UsageError(folder + ": no such folder");
  if (fs::is_directory(file, failed)) throw UsageError(file + ": this is a folder; a labels file expected");
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw UsageError(file + ": cannot be opened");
  ClassReader reader(labels);
  std::set<std::string> seen;
  std::string line;
  for (std::size_t number = 1; std::getline(stream, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    const std::vector<std::string> fields = fields_of(line);
    if (number == 1 && is_heading(fields, labels)) continue;
    const std::string where = file + ":" + std::to_string(number);
    if (fields.size() < 2 || fields[0].empty() || fields[1].empty())
      throw UsageError(where + ": a file and its class expected, with a tab between them");
    const fs::path path = fs::path(folder) / fields[0];
    if (!seen.insert(path.lexically_normal().string()).second)
      throw UsageError(where + ": " + printable(fields[0]) + " is there a second time");
    const std::int32_t truth = reader.read(fields[1], where);
    std::string& name = set.class_names[static_cast<std::size_t>(truth)];
    if (name.empty() && fields.size() > 2) name = fields[2];
    set.images.push_back({fields[0], path.string(), truth});
  }
  if (stream.bad()) throw UsageError(file + ": cannot be read");
  if (set.images.empty()) throw UsageError(file + ": names no image");
  number_the_nameless(set);
  return set;
}

LabelledImages read_class_folders(const std::string& folder, const std::vector<std::string>& labels) {
  LabelledImages set = empty_set(folder, labels);
  const std::vector<std::string> folders = folders_in(folder);
  if (folders.empty())
    throw UsageError(folder + ": no folder in it: one for each class expected, or --labels-file FILE");
  const std::vector<std::int32_t> classes = classes_of(folders, folder, labels);
  for (std::size_t i = 0; i < folders.size(); ++i) {
    ImagePaths inside({(fs::path(folder) / folders[i]).string()}, -1);
    std::string& name = set.class_names[static_cast<std::size_t>(classes[i])];
    if (name.empty()) name = folders[i];
    while (const auto image = inside.next({})) {
      // A class without images has nothing to answer.
      if (!image->error.empty() && image->path == (fs::path(folder) / folders[i]).string()) continue;
      set.images.push_back({fs::path(image->path).lexically_relative(folder).string(), image->path, classes[i]});
    }
  }
  if (set.images.empty()) throw UsageError(folder + ": no image in its folders (.jpg, .png, .webp)");
  number_the_nameless(set);
  return set;
}

std::optional<std::uint64_t> bytes_of(const LabelledImage& image) {
  std::error_code failed;
  const std::uintmax_t bytes = fs::file_size(image.path, failed);
  return failed ? std::nullopt : std::optional<std::uint64_t>(bytes);
}

std::string digest_of(const LabelledImages& set) {
  Sha256 sum;
  for (const LabelledImage& image : set.images) {
    sum.add(image.name);
    sum.add(std::string_view("\0", 1));
    sum.add(std::to_string(image.truth) + "\n");
  }
  return sum.finish();
}

}  // namespace residua::tool
