// What a file is, from its first bytes.
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "graph/import/import.h"
#include "graph/import/packed_file.h"

namespace residua::graph {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t head_size = 512;  // enough to call a file text
constexpr std::string_view pytorch_magic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv;  // LONG1, 10 bytes

bool is_safetensors(std::string_view bytes) {
  if (bytes.size() < 9 || bytes[8] != '{') return false;
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof(header));
  // Of a header beyond the limit the importer says so; only what no file could hold is something else.
  return header >= 2 && header <= std::uint64_t{1} << 48;
}

bool is_pickle(std::string_view bytes) {
  return bytes.size() > 2 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5;
}

// The magic number is the file's first value; newer protocols put a frame's header before it.
bool is_pth_legacy(std::string_view bytes) {
  return is_pickle(bytes) && bytes.substr(0, 32).find(pytorch_magic) != std::string_view::npos;
}

std::optional<std::uint64_t> take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return {};
}

// A field of ModelProto: its number and kind. 1 ir_version, 5 model_version are numbers; 2, 3, 4, 6 texts; 7 the graph;
// 8, 14, 20, 25 further messages.
bool is_model_field(std::uint64_t tag) {
  static constexpr std::array<std::uint64_t, 11> tags{1 << 3,      2 << 3 | 2,  3 << 3 | 2, 4 << 3 | 2,
                                                      5 << 3,      6 << 3 | 2,  7 << 3 | 2, 8 << 3 | 2,
                                                      14 << 3 | 2, 20 << 3 | 2, 25 << 3 | 2};
  return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

// TensorFlow's SavedModel is protobuf too: version 1, then MetaGraphDef, which starts with a message of its own.
bool is_saved_model(std::string_view bytes) {
  if (!bytes.starts_with("\x08\x01\x12"sv)) return false;
  bytes.remove_prefix(3);
  return take_varint(bytes).has_value() && bytes.starts_with('\x0a');
}

// The first two fields are ones that a ModelProto has. Whatever is wrong further on, the importer can say better.
bool is_onnx(std::string_view bytes) {
  for (int field = 0; field < 2; ++field) {
    if (bytes.empty()) return field > 0;
    const auto tag = take_varint(bytes);
    if (!tag || !is_model_field(*tag)) return false;
    const auto value = take_varint(bytes);
    if (!value) return false;
    if (*tag == 1 << 3 && (*value == 0 || *value > 1000)) return false;  // no such ir_version
    if ((*tag & 7) == 0) continue;
    if (*value >= bytes.size()) return field > 0 || *tag == (7 << 3 | 2);
    bytes.remove_prefix(static_cast<std::size_t>(*value));
  }
  return true;
}

struct Lookalike {
  std::size_t offset;
  std::string_view magic;
  std::string_view what;
};

constexpr std::array lookalikes{
    Lookalike{0, "\x1f\x8b"sv, "a gzip archive: unpack it first"},
    Lookalike{0, "BZh"sv, "a bzip2 archive: unpack it first"},
    Lookalike{0,
              "\xfd"
              "7zXZ"sv,
              "an xz archive: unpack it first"},
    Lookalike{0, "\x28\xb5\x2f\xfd"sv, "a zstd archive: unpack it first"},
    Lookalike{0, "PK\5\6"sv, "an empty zip archive"},
    Lookalike{0, "\x89HDF"sv, "an HDF5 file (Keras, MATLAB)"},
    Lookalike{0, "\x93NUMPY"sv, "a NumPy array"},
    Lookalike{0, "GGUF"sv, "a GGUF file"},
    Lookalike{4, "TFL3"sv, "a TensorFlow Lite model"},
    Lookalike{257, "ustar"sv,
              "a tar archive, perhaps of PyTorch before 0.1.10: load and save it again with a newer one"},
    Lookalike{0, "\x89PNG"sv, "an image (PNG)"},
    Lookalike{0, "\xff\xd8\xff"sv, "an image (JPEG)"},
    Lookalike{0, "GIF8"sv, "an image (GIF)"},
    Lookalike{8, "WEBP"sv, "an image (WebP)"},
    Lookalike{0, "%PDF"sv, "a PDF document"},
    Lookalike{0,
              "\x7f"
              "ELF"sv,
              "a program (ELF)"},
    Lookalike{0, "version https://git-lfs"sv, "a Git LFS pointer: fetch the file itself with `git lfs pull`"},
};

bool is_text(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char character) {
    return static_cast<unsigned char>(character) >= 0x20 ? character != 0x7f
                                                         : "\t\n\r\f"sv.find(character) != std::string_view::npos;
  });
}

std::string lower(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lowered;
}

std::string first_bytes(std::string_view bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text = "unknown: it starts with the bytes";
  for (const char character : bytes.substr(0, 8)) {
    const auto byte = static_cast<unsigned char>(character);
    text += {' ', digits[byte >> 4], digits[byte & 15]};
  }
  return text;
}

std::string looks_like(std::string_view bytes) {
  if (bytes.empty()) return "an empty file";
  for (const Lookalike& each : lookalikes) {
    if (bytes.size() >= each.offset && bytes.substr(each.offset).starts_with(each.magic)) return std::string(each.what);
  }
  if (is_saved_model(bytes)) return "a TensorFlow SavedModel";
  if (is_pickle(bytes)) return "a Python pickle that PyTorch did not write";
  const std::string_view head = bytes.substr(0, head_size);
  if (!is_text(head)) return first_bytes(bytes);
  const std::string start = lower(head.substr(std::min(head.find_first_not_of(" \t\r\n"), head.size())));
  if (start.starts_with("<!doctype html") || start.starts_with("<html")) {
    return "a web page (HTML): perhaps the download link led to a page about the file";
  }
  if (start.starts_with('{') || start.starts_with('[')) return "a JSON text";
  return "a text file";
}

}  // namespace

Result<FileFormat> recognise(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (is_packed_file(text)) return FileFormat::packed;
  if (text.starts_with("PK\3\4")) return FileFormat::pth_zip;
  if (is_pth_legacy(text)) return FileFormat::pth_legacy;
  if (is_safetensors(text)) return FileFormat::safetensors;
  // Letters pass for protobuf tags, but no model is without a control character (ir_version's tag is one).
  if (is_onnx(text) && !is_saved_model(text) && !is_text(text.substr(0, head_size))) return FileFormat::onnx;
  return Error{ErrorCode::unsupported,
               "this is no model file that Residua reads (.onnx, .safetensors, .pth, .residua); it looks like " +
                   looks_like(text)};
}

}  // namespace residua::graph
