#include "engine/model_card.h"

#include <array>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/json_reading.h"
#include "graph/architectures/resnet.h"
#include "graph/import/model_folder.h"

namespace residua::engine {
namespace {

using graph::Error;
using graph::ErrorCode;
using graph::Result;
using graph::Status;
using kernels::Interpolation;
using nlohmann::json;
namespace fs = std::filesystem;

}  // namespace

// A JSON value. nlohmann's destructor asks for memory where a list or an object is not empty, and ends the process
// where there is none; so this one takes the value apart from the inside first.
class Json {
 public:
  Json(json value) : value_(std::move(value)) {}
  Json(Json&&) = default;
  Json& operator=(Json&&) = delete;
  ~Json() { take_apart(value_, 0); }  // NOLINT(bugprone-exception-escape): ending the process is all that is left
  json& operator*() { return value_; }
  const json& operator*() const { return value_; }
  const json* operator->() const { return &value_; }

 private:
  // What lies deeper than any card is left to nlohmann, which does not recurse.
  static constexpr int most_levels = 16;
  static void take_apart(json& value, int level) {
    if (level == most_levels || !value.is_structured()) return;
    for (json& item : value) take_apart(item, level + 1);
    value.clear();
  }

  json value_;
};

namespace {

Error bad(const std::string& source, const std::string& key, const json& found, const std::string& expected) {
  std::string text = found.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > 80) text.replace(80, std::string::npos, "...");
  return {ErrorCode::malformed, source + ": \"" + key + "\" is " + text + ", expected " + expected};
}

}  // namespace

Result<std::string> read_small_text(const fs::path& path) {
  std::error_code failure;
  if (!fs::is_regular_file(path, failure)) return Error{ErrorCode::io, path.string() + ": not a file that can be read"};
  const auto size = fs::file_size(path, failure);
  if (failure) return Error{ErrorCode::io, path.string() + ": " + failure.message()};
  RESIDUA_RETURN_IF_ERROR(graph::check_limit(graph::Limit::sidecar_bytes, size, path.string() + ": bytes"));
  std::ifstream file(path, std::ios::binary);
  std::string text(static_cast<std::size_t>(size), '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(size)))
    return Error{ErrorCode::io, path.string() + ": could not be read"};
  return text;
}

namespace {

// Empty: the model lies in none.
fs::path folder_of(const CardSources& sources) {
  return sources.model.has_parent_path() || sources.model.empty() ? sources.model.parent_path() : ".";
}

std::string sidecar_name(const CardSources& sources) {
  return sources.sidecar ? "the given sidecar" : sources.model.string() + ".json";
}

// The sidecar as an object; an empty one where there is none.
Result<Json> parse_sidecar(const CardSources& sources) {
  std::string text;
  if (sources.sidecar) {
    text = *sources.sidecar;
  } else {
    if (sources.model.empty()) return Json(json::object());
    const fs::path path = sidecar_name(sources);
    std::error_code failure;
    if (!fs::exists(path, failure)) return Json(json::object());
    const auto inside = graph::path_in_folder(folder_of(sources), path.filename().string());
    if (!inside) return Error{inside.error().code, path.string() + ": " + inside.error().message};
    RESIDUA_ASSIGN(text, read_small_text(path));
  }
  RESIDUA_ASSIGN(json read, read_json(text, graph::Limit::sidecar_bytes, sidecar_name(sources)));
  Json parsed(std::move(read));
  if (!parsed->is_object()) return Error{ErrorCode::malformed, sidecar_name(sources) + ": not a JSON object"};
  return parsed;
}

Result<std::shared_ptr<const Json>> sidecar_of(const CardSources& sources) {
  if (!sources.parsed_sidecar) {
    RESIDUA_ASSIGN(Json parsed, parse_sidecar(sources));
    sources.parsed_sidecar = std::make_shared<const Json>(std::move(parsed));
  }
  return sources.parsed_sidecar;
}

constexpr std::array card_keys{"input_size", "resize", "interpolation", "mean", "std", "labels"};

// Metadata values are texts; those that hold JSON ("[0.485, ...]", "224") are taken as what they hold.
Result<Json> object_of(const std::map<std::string, std::string>& metadata, const std::string& source) {
  Json object(json::object());
  for (const char* key : card_keys) {
    const auto found = metadata.find(key);
    if (found == metadata.end()) continue;
    auto read = read_json(found->second, graph::Limit::sidecar_bytes, source + ": \"" + key + "\"");
    if (!read && read.error().code != ErrorCode::malformed) return read.error();
    Json parsed(read ? std::move(read).value() : json(found->second));
    (*object)[key].swap(*parsed);
  }
  return object;
}

std::optional<std::int64_t> side(const json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  const auto number = value.get<std::int64_t>();
  return number >= 1 && number <= largest_image_side ? std::optional(number) : std::nullopt;
}

Status apply_input_size(const json& value, const std::string& source, ModelCard& card) {
  std::optional<std::int64_t> height, width;
  if (value.is_array() && (value.size() == 2 || value.size() == 3)) {  // [H, W], or timm's [3, H, W]
    height = side(value[value.size() - 2]);
    width = side(value[value.size() - 1]);
  } else {
    height = width = side(value);
  }
  if (!height || !width) return bad(source, "input_size", value, "a side in pixels, or [height, width]");
  card.input_height = *height;
  card.input_width = *width;
  return {};
}

Status apply_three(const json& value, const std::string& key, const std::string& source, bool positive,
                   float (&target)[3]) {
  bool fits = value.is_array() && value.size() == 3;
  for (std::size_t i = 0; fits && i < 3; ++i) {
    fits = value[i].is_number() && std::isfinite(value[i].get<float>()) && (!positive || value[i].get<float>() > 0);
    if (fits) target[i] = value[i].get<float>();
  }
  if (!fits) return bad(source, key, value, positive ? "three positive numbers" : "three numbers");
  return {};
}

// `folder` empty: there is none, because the model is in memory.
Status apply_labels(const json& value, const std::string& source, const fs::path& folder, ModelCard& card) {
  if (value.is_string() && folder.empty()) return bad(source, "labels", value, "a list: the model lies in no folder");
  if (value.is_string()) {
    // A model file from elsewhere must not make us read what lies outside its folder.
    const auto path = graph::path_in_folder(folder, value.get_ref<const std::string&>());
    if (!path && path.error().code == ErrorCode::io) return path.error();
    if (!path)
      return Error{path.error().code, source + ": \"labels\": " + path.error().message +
                                          "; expected a list, or the name of a file in the model's folder"};
    RESIDUA_ASSIGN(card.labels, read_labels(*path));
    return {};
  }
  if (!value.is_array()) return bad(source, "labels", value, "a list of texts, or a file name");
  card.labels.clear();
  for (const json& label : value) {
    if (!label.is_string()) return bad(source, "labels", label, "a text");
    card.labels.push_back(label.get<std::string>());
  }
  return {};
}

Status apply(const json& object, const std::string& source, const fs::path& folder, bool want_labels, ModelCard& card) {
  if (const auto it = object.find("input_size"); it != object.end())
    RESIDUA_RETURN_IF_ERROR(apply_input_size(*it, source, card));
  if (const auto it = object.find("resize"); it != object.end()) {
    const auto value = side(*it);
    if (!value) return bad(source, "resize", *it, "a side in pixels");
    card.resize = *value;
  }
  if (const auto it = object.find("interpolation"); it != object.end()) {
    // (nlohmann's own comparison with a text asks for memory, and ends the process where there is none.)
    const auto* const name = it->get_ptr<const std::string*>();
    if (name && *name == "bilinear")
      card.interpolation = Interpolation::bilinear;
    else if (name && *name == "bicubic")
      card.interpolation = Interpolation::bicubic;
    else
      return bad(source, "interpolation", *it, "\"bilinear\" or \"bicubic\"");
  }
  if (const auto it = object.find("mean"); it != object.end())
    RESIDUA_RETURN_IF_ERROR(apply_three(*it, "mean", source, false, card.mean));
  if (const auto it = object.find("std"); it != object.end())
    RESIDUA_RETURN_IF_ERROR(apply_three(*it, "std", source, true, card.standard_deviation));
  if (const auto it = object.find("labels"); it != object.end() && want_labels)
    RESIDUA_RETURN_IF_ERROR(apply_labels(*it, source, folder, card));
  return {};
}

// What the network itself implies: its architecture's input size, or the size its graph is fixed to.
void apply_preset(const graph::ImportedModel& imported, ModelCard& card) {
  card.architecture = imported.architecture;
  if (const auto known = graph::find_architecture(imported.architecture)) {
    card.input_height = card.input_width = known->input_size;
    card.resize = known->cifar_stem ? known->input_size : known->input_size * 256 / 224;
  }
  const graph::Shape& input = imported.graph.tensor(imported.graph.inputs.at(0)).shape;
  if (input.size() == 4 && graph::is_static(input[2]) && graph::is_static(input[3])) {
    card.input_height = input[2];
    card.input_width = input[3];
    const std::int64_t shorter = std::min(input[2], input[3]);
    // ImageNet's margin; small images (CIFAR) are taken whole.
    card.resize = shorter < 64 ? shorter : shorter * 256 / 224;
  }
}

}  // namespace

Result<std::vector<std::string>> read_labels(const fs::path& path) {
  RESIDUA_ASSIGN(const std::string text, read_small_text(path));
  std::vector<std::string> labels;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (const auto tab = line.rfind('\t'); tab != std::string::npos) line.erase(0, tab + 1);
    labels.push_back(std::move(line));
  }
  while (!labels.empty() && labels.back().empty()) labels.pop_back();
  if (labels.empty()) return Error{ErrorCode::malformed, path.string() + ": holds no label"};
  return labels;
}

Result<std::string> sidecar_text(const CardSources& sources, const std::string& key) {
  RESIDUA_ASSIGN(const std::shared_ptr<const Json> read, sidecar_of(sources));
  const json& sidecar = **read;
  const auto it = sidecar.find(key);
  if (it == sidecar.end()) return std::string();
  if (!it->is_string()) return bad(sidecar_name(sources), key, *it, "a text");
  return it->get<std::string>();
}

Result<ModelCard> read_model_card(const graph::ImportedModel& imported, const CardSources& sources) {
  ModelCard card;
  apply_preset(imported, card);
  RESIDUA_ASSIGN(const std::shared_ptr<const Json> read, sidecar_of(sources));
  const json& sidecar = **read;
  const bool given = !sources.labels.empty();
  const fs::path folder = folder_of(sources);
  const std::string name = sources.model.empty() ? "the model" : sources.model.string();
  RESIDUA_ASSIGN(const Json metadata, object_of(imported.metadata, name + " (metadata)"));
  RESIDUA_RETURN_IF_ERROR(apply(*metadata, name + " (metadata)", folder, !given && !sidecar.contains("labels"), card));
  RESIDUA_RETURN_IF_ERROR(apply(sidecar, sidecar_name(sources), folder, !given, card));
  if (given) {
    RESIDUA_ASSIGN(card.labels, read_labels(sources.labels));
  }
  if (card.resize < std::min(card.input_height, card.input_width) && !sidecar.contains("resize") &&
      !imported.metadata.contains("resize"))
    card.resize = std::min(card.input_height, card.input_width);
  return card;
}

std::map<std::string, std::string> metadata_of(const ModelCard& card) {
  const auto text = [](json built) {
    const Json value(std::move(built));
    return value->dump(-1, ' ', false, json::error_handler_t::replace);
  };
  std::map<std::string, std::string> metadata{
      {"input_size", text({card.input_height, card.input_width})},
      {"resize", text(card.resize)},
      {"interpolation", card.interpolation == Interpolation::bicubic ? "bicubic" : "bilinear"},
      {"mean", text(card.mean)},
      {"std", text(card.standard_deviation)},
  };
  if (!card.labels.empty()) metadata["labels"] = text(card.labels);
  return metadata;
}

}  // namespace residua::engine
