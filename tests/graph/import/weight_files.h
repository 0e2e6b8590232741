// Weight files for tests: the golden ones, and small ones written byte by byte.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/import/import.h"
#include "tests/data.h"

namespace residua::tests {

// Exactly as long as `content`, so that a sanitizer sees every read beyond it.
inline graph::FileBytes file_of(std::string_view content) {
  const std::shared_ptr<std::byte[]> copy(new std::byte[content.size()]);
  if (!content.empty()) std::memcpy(copy.get(), content.data(), content.size());
  return {std::shared_ptr<const std::byte>(copy, copy.get()), content.size()};
}

inline std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::filesystem::path golden_weights() { return source_root() / "tests" / "golden" / "weights"; }
inline std::string golden(const std::string& name) { return content_of(golden_weights() / name); }

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

inline std::string safetensors(std::string_view header, std::string_view data = {}) {
  return raw(std::uint64_t{header.size()}) + std::string(header) + std::string(data);
}

// Pieces of a pickle.
namespace pickle {

inline std::string text(std::string_view value) {
  return "X" + raw(static_cast<std::uint32_t>(value.size())) + std::string(value);
}
inline std::string integer(std::int32_t value) { return "J" + raw(value); }
inline std::string global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}
inline std::string tuple(const std::vector<std::string>& items) {
  std::string bytes = "(";
  for (const std::string& item : items) bytes += item;
  return bytes + "t";
}
inline std::string dictionary(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string bytes = "}(";
  for (const auto& [key, value] : items) bytes += text(key) + value;
  return bytes + "u";
}
inline std::string whole(std::string_view body) { return "\x80\x02" + std::string(body) + "."; }

struct TensorPickle {
  std::string storage_class = "FloatStorage";
  std::string key = "0";
  std::int32_t elements = 4;
  std::int32_t offset = 0;
  std::vector<std::int32_t> sizes{4};
  std::vector<std::int32_t> strides{1};
  std::string view{};  // a pickled view; empty: none
};

inline std::string storage(const TensorPickle& tensor) {
  return tuple({text("storage"), global("torch", tensor.storage_class), text(tensor.key), text("cpu"),
                integer(tensor.elements), tensor.view.empty() ? "N" : tensor.view}) +
         "Q";
}

inline std::string tensor(const TensorPickle& tensor) {
  std::vector<std::string> sizes, strides;
  for (const std::int32_t size : tensor.sizes) sizes.push_back(integer(size));
  for (const std::int32_t stride : tensor.strides) strides.push_back(integer(stride));
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple({storage(tensor), integer(tensor.offset), tuple(sizes), tuple(strides), "\x89",
                global("collections", "OrderedDict") + ")R"}) +
         "R";
}

}  // namespace pickle

struct LegacyStorage {
  std::string key = "0";
  std::int64_t count = 4;
  std::string data;
};

inline std::string floats(const std::vector<float>& values) {
  std::string bytes;
  for (const float value : values) bytes += raw(value);
  return bytes;
}

// A legacy file around the pickled `object`.
inline std::string legacy_file(std::string_view object, const std::vector<LegacyStorage>& storages) {
  using namespace pickle;
  std::string bytes =
      whole(std::string_view("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12)) + whole("M\xe9\x03");
  bytes += whole(dictionary({{"protocol_version", "M\xe9\x03"}, {"little_endian", "\x88"}}));
  bytes += whole(object);
  std::string keys = "](";
  for (const LegacyStorage& storage : storages) keys += text(storage.key);
  bytes += whole(keys + "e");
  for (const LegacyStorage& storage : storages) bytes += raw(storage.count) + storage.data;
  return bytes;
}

template <class T>
std::string message_of(const graph::Result<T>& result) {
  return result.ok() ? "" : result.error().message;
}

inline bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace residua::tests

// The result failed, with that code and words in its message.
#define CHECK_FAILS(result, expected_code, words)                                   \
  do {                                                                              \
    const auto& failed_result = (result);                                           \
    REQUIRE_FALSE(failed_result.ok());                                              \
    CHECK(failed_result.error().code == residua::graph::ErrorCode::expected_code);  \
    const std::string failed_message = failed_result.error().message;               \
    CHECK_MESSAGE(residua::tests::contains(failed_message, words), failed_message); \
  } while (false)
