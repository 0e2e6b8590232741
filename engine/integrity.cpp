#include "engine/integrity.h"

#include <algorithm>
#include <string_view>

#include "engine/digest.h"
#include "graph/import/model_folder.h"

namespace residua::engine {
namespace {

namespace fs = std::filesystem;
using graph::Error;
using graph::ErrorCode;
using graph::Result;
using graph::Status;

constexpr std::size_t digest_digits = 64;
constexpr const char* in_memory = "the model";

bool is_digest(std::string_view text) {
  return text.size() == digest_digits && text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

std::string lower_case(std::string text) {
  for (char& letter : text)
    if (letter >= 'A' && letter <= 'F') letter = static_cast<char>(letter - 'A' + 'a');
  return text;
}

Error differs(const std::string& name, const std::string& found, const std::string& expected) {
  return {ErrorCode::malformed,
          name + ": is damaged or not the file meant: its SHA-256 digest is " + found + ", expected " + expected};
}

// The lines of sha256sum: digest, a blank, a blank or '*', name. A digest alone is the model's.
Status read_list(std::string_view text, const fs::path& list, const std::string& model, FileDigests& digests) {
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const std::string_view digest = line.substr(0, digest_digits), rest = line.substr(digest.size());
    const bool named = rest.size() > 2 && rest[0] == ' ' && (rest[1] == ' ' || rest[1] == '*');
    if (!is_digest(digest) || (!named && !rest.empty()))
      return Error{ErrorCode::malformed,
                   list.string() + ", line " + std::to_string(number) +
                       ": expected a SHA-256 digest of 64 hexadecimal digits, two blanks and a name"};
    std::string name = named ? fs::path(rest.substr(2)).lexically_normal().string() : model;
    if (!digests.emplace(name, lower_case(std::string(digest))).second)
      return Error{ErrorCode::malformed, list.string() + ": " + name + " stands there twice"};
  }
  if (digests.contains(model)) return {};
  return Error{ErrorCode::malformed, list.string() + ": holds no digest of " + model};
}

// A digest that the sidecar gives, in small letters; "": none.
Result<std::string> sidecar_digest(const CardSources& sources, const std::string& key) {
  RESIDUA_ASSIGN(std::string text, sidecar_text(sources, key));
  if (!text.empty() && !is_digest(text))
    return Error{ErrorCode::malformed, "the sidecar's \"" + key + "\" is '" + text.substr(0, digest_digits) +
                                           "', expected 64 hexadecimal digits"};
  return lower_case(std::move(text));
}

fs::path folder_of(const fs::path& model) { return model.has_parent_path() ? model.parent_path() : "."; }

}  // namespace

Result<FileDigests> file_digests(const CardSources& sources) {
  FileDigests digests;
  const std::string model = sources.model.empty() ? in_memory : sources.model.filename().string();
  const fs::path list = sources.model.string() + ".sha256";
  std::error_code failure;
  if (!sources.model.empty() && fs::exists(list, failure)) {
    const auto inside = graph::path_in_folder(folder_of(sources.model), list.filename().string());
    if (!inside) return Error{inside.error().code, list.string() + ": " + inside.error().message};
    RESIDUA_ASSIGN(const std::string text, read_small_text(list));
    RESIDUA_RETURN_IF_ERROR(read_list(text, list, model, digests));
  }
  RESIDUA_ASSIGN(const std::string of_sidecar, sidecar_digest(sources, "sha256"));
  if (of_sidecar.empty()) return digests;
  const auto [place, is_new] = digests.emplace(model, of_sidecar);
  if (!is_new && place->second != of_sidecar)
    return Error{ErrorCode::malformed, list.string() + " and the sidecar give different digests of " + model};
  return digests;
}

Status check_files(const FileDigests& digests, const fs::path& model) {
  for (const auto& [name, expected] : digests) {
    const bool is_model = name == model.filename();  // which may be a link to anywhere: the caller chose it
    const auto path = is_model ? Result<fs::path>(model) : graph::path_in_folder(folder_of(model), name);
    if (!path) return Error{path.error().code, model.string() + ".sha256: " + path.error().message};
    RESIDUA_ASSIGN(const graph::FileBytes bytes, graph::map_file(*path));
    const std::string found = sha256_of(bytes.span());
    if (found != expected) return differs(path->string(), found, expected);
  }
  return {};
}

Status check_bytes(const FileDigests& digests, std::span<const std::byte> bytes) {
  for (const auto& [name, expected] : digests)
    if (const std::string found = sha256_of(bytes); found != expected) return differs(name, found, expected);
  return {};
}

Status check_weights(const CardSources& sources, const graph::Graph& network) {
  RESIDUA_ASSIGN(const std::string expected, sidecar_digest(sources, "weights_sha256"));
  if (expected.empty()) return {};
  const std::string found = weights_digest(network);
  if (found == expected) return {};
  return Error{ErrorCode::malformed, "the weights are damaged or not those meant: their SHA-256 digest is " + found +
                                         ", the sidecar's \"weights_sha256\" says " + expected};
}

Status check_all_are_listed(const FileDigests& digests, const fs::path& model, const graph::ImportedModel& imported) {
  if (digests.empty()) return {};
  for (const std::string& other : imported.other_files) {
    const bool listed = std::any_of(digests.begin(), digests.end(), [&](const auto& entry) {
      const auto path = graph::path_in_folder(folder_of(model), entry.first);
      return path && path->string() == other;
    });
    if (!listed)
      return Error{ErrorCode::malformed, model.string() + ": its weights lie in " + other +
                                             " as well, of which there is no digest in " + model.string() + ".sha256"};
  }
  return {};
}

}  // namespace residua::engine
