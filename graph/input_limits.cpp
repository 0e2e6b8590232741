#include "graph/input_limits.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <utility>
#include <vector>

namespace residua::graph {
namespace {

constexpr std::uint64_t kib = 1 << 10, mib = kib << 10, gib = mib << 10;
constexpr std::uint64_t any = INT64_MAX;

// ResNet-152 has 517 nodes, 932 tensors and 240 MB. PyTorch stores without compression; weights re-packed by hand
// rarely shrink to less than half, pruned ones to a tenth.
constexpr std::array table{
    LimitInfo{Limit::file_bytes, "file_bytes", 16 * gib, any,
              "bytes of a model file, and of each file of external data"},
    LimitInfo{Limit::external_files, "external_files", 1000, 1'000'000, "files of external data of one ONNX model"},
    LimitInfo{Limit::nodes, "nodes", 20'000, 10'000'000, "nodes of a network"},
    LimitInfo{Limit::tensors, "tensors", 100'000, 10'000'000, "tensors that a model file holds"},
    LimitInfo{Limit::entries, "entries", 2'000'000, any,
              "nodes, attributes, names, dimensions and other items of an ONNX file together"},
    LimitInfo{Limit::rank, "rank", 8, 32, "dimensions of a tensor in a model file"},
    LimitInfo{Limit::name_bytes, "name_bytes", 4096, any, "bytes of a name in a model file"},
    LimitInfo{Limit::header_bytes, "header_bytes", 100'000'000, any,
              "bytes of a safetensors header, by default the format's own bound"},
    LimitInfo{Limit::array_header_bytes, "array_header_bytes", 64 * kib, any, "bytes of the header of a .npy file"},
    LimitInfo{Limit::pickle_bytes, "pickle_bytes", 64 * mib, any, "bytes of the pickle in a .pth file"},
    LimitInfo{Limit::pickle_values, "pickle_values", mib, UINT32_MAX,
              "values, memo, dict and stack entries of a pickle"},
    LimitInfo{Limit::pickle_depth, "pickle_depth", 1000, 1'000'000, "containers open at once in a pickle"},
    LimitInfo{Limit::pickle_instructions, "pickle_instructions", 16 * mib, any, "instructions of a pickle"},
    LimitInfo{Limit::zip_entries, "zip_entries", 200'000, any, "entries of a zip archive"},
    LimitInfo{Limit::zip_ratio, "zip_ratio", 16, 1'000'000,
              "bytes that a byte of a zip archive may unpack to, beyond the first 16 MiB"},
    LimitInfo{Limit::conversion_ratio, "conversion_ratio", 16, 1'000'000,
              "bytes in memory that a byte of weights may become by widening, transposing and expanding"},
    LimitInfo{Limit::tensor_elements, "tensor_elements", std::uint64_t{1} << 31, any,
              "elements of a tensor that is computed without a kernel of its own"},
    LimitInfo{Limit::random_elements, "random_elements", 256 * mib, any,
              "elements of constants without values, in a text"},
    LimitInfo{Limit::activation_elements, "activation_elements", std::uint64_t{1} << 36, std::uint64_t{1} << 40,
              "elements of all activations of one run"},
    LimitInfo{Limit::arena_bytes, "arena_bytes", 16 * gib, any, "bytes of the activations of one run"},
    LimitInfo{Limit::sidecar_bytes, "sidecar_bytes", 4 * mib, any,
              "bytes of a sidecar, a label file, or metadata that hold JSON"},
    LimitInfo{Limit::json_depth, "json_depth", 64, 10'000, "lists and objects within each other in JSON"},
    LimitInfo{Limit::tuning_bytes, "tuning_bytes", 16 * mib, any, "bytes of the file that keeps measured times"},
    LimitInfo{Limit::image_bytes, "image_bytes", gib, any, "bytes of an image file"},
    // 2^29 bytes of RGB. The largest cameras make 150 million pixels.
    LimitInfo{Limit::image_pixels, "image_pixels", 178'956'970, std::uint64_t{1} << 31, "pixels of an image"},
    // A progressive file may spend hundreds of bytes on going over all pixels again; encoders use about ten scans.
    LimitInfo{Limit::image_scans, "image_scans", 500, INT32_MAX, "scans of a JPEG file"},
    // The network's activations are some hundred times as large as the image.
    LimitInfo{Limit::resized_pixels, "resized_pixels", 16 * mib, std::uint64_t{1} << 31,
              "pixels of an image that `residua classify` takes whole or cuts several crops from"},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < table.size(); ++i)
    if (table[i].limit != static_cast<Limit>(i)) return false;
  return true;
}
static_assert(in_order());

std::array<std::atomic<std::uint64_t>, table.size()>& values() {
  static auto* const all = [] {
    static std::array<std::atomic<std::uint64_t>, table.size()> initial;
    for (std::size_t i = 0; i < table.size(); ++i) initial[i] = table[i].initial;
    return &initial;
  }();
  return *all;
}

Error invalid(std::string message) { return {ErrorCode::invalid_argument, std::move(message)}; }

Status check_value(const LimitInfo& info, std::uint64_t value) {
  if (value >= 1 && value <= info.highest) return {};
  return invalid("the limit " + std::string(info.name) + " cannot be " + std::to_string(value) + ", expected 1 to " +
                 std::to_string(info.highest));
}

}  // namespace

std::span<const LimitInfo> all_limits() { return table; }
const LimitInfo& info_of(Limit limit) { return table[static_cast<std::size_t>(limit)]; }
std::uint64_t value_of(Limit limit) {
  return values()[static_cast<std::size_t>(limit)].load(std::memory_order_relaxed);
}

Result<Limit> find_limit(std::string_view name) {
  for (const LimitInfo& info : table)
    if (info.name == name) return info.limit;
  std::string known;
  for (const LimitInfo& info : table) known += (known.empty() ? "" : ", ") + std::string(info.name);
  return invalid("there is no limit '" + std::string(name) + "'; there are " + known);
}

Status set_limit(std::string_view name, std::uint64_t value) {
  RESIDUA_ASSIGN(const Limit limit, find_limit(name));
  RESIDUA_RETURN_IF_ERROR(check_value(info_of(limit), value));
  values()[static_cast<std::size_t>(limit)] = value;
  return {};
}

Status set_limits(std::string_view text) {
  std::vector<std::pair<Limit, std::uint64_t>> wanted;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    const std::size_t equals = std::min(item.find('='), item.size());
    std::uint64_t value = 0;
    const std::string_view digits = item.substr(std::min(equals + 1, item.size()));
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size())
      return invalid("'" + std::string(item) + "' is no limit, expected NAME=NUMBER");
    RESIDUA_ASSIGN(const Limit limit, find_limit(item.substr(0, equals)));
    RESIDUA_RETURN_IF_ERROR(check_value(info_of(limit), value));
    wanted.emplace_back(limit, value);
  }
  for (const auto& [limit, value] : wanted) values()[static_cast<std::size_t>(limit)] = value;
  return {};
}

Error over_limit(Limit limit, std::uint64_t found, std::string_view where) {
  const std::string name(info_of(limit).name);
  std::string message = std::string(where) + ": " + std::to_string(found) + ", more than the limit " + name + "=" +
                        std::to_string(value_of(limit)) + " (" + std::string(info_of(limit).bounded) + "); ";
  message += found <= info_of(limit).highest ? "RESIDUA_LIMITS=" + name + "=" + std::to_string(found) + " raises it"
                                             : "it cannot be raised so far";
  return {ErrorCode::limit, std::move(message)};
}

Status check_limit(Limit limit, std::uint64_t found, std::string_view where) {
  if (found <= value_of(limit)) return {};
  return over_limit(limit, found, where);
}

Status check_ratio(Limit limit, std::uint64_t taken, std::uint64_t free, std::uint64_t held, std::string_view where) {
  const std::uint64_t beyond = taken > free ? taken - free : 0, each = std::max<std::uint64_t>(held, 1);
  return check_limit(limit, beyond / each + (beyond % each > 0 ? 1 : 0), where);
}

std::uint64_t saturating_sum(std::uint64_t a, std::uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

}  // namespace residua::graph
