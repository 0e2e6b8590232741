// https://github.com/huggingface/safetensors: u64 length, a JSON header of that length, then the tensors' bytes.
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "graph/import/import.h"
#include "graph/import/name.h"
#include "graph/import/safetensors_header.h"
#include "graph/import/widen.h"
#include "graph/input_limits.h"

namespace residua::graph {
namespace {

constexpr std::size_t length_size = 8;

Error malformed(std::string message) { return {ErrorCode::malformed, std::move(message)}; }

// What the entry's bytes must be, from its own words.
Status check_size(const SafetensorsEntry& entry, std::uint64_t data_size) {
  const std::string range = std::to_string(entry.begin) + " to " + std::to_string(entry.end);
  if (entry.begin > entry.end || entry.end > data_size) {
    return malformed("tensor " + in_quotes(entry.name) + ": its bytes " + range + " do not lie within the file's " +
                     std::to_string(data_size) + " bytes of data");
  }
  RESIDUA_ASSIGN(const std::int64_t count, element_count(entry.shape));
  std::uint64_t size = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(count), size_of(entry.type), &size) ||
      size != entry.end - entry.begin) {
    return malformed("tensor " + in_quotes(entry.name) + ": its bytes " + range + " are " +
                     std::to_string(entry.end - entry.begin) + ", but " + std::string(name_of(entry.type)) + " " +
                     to_string(entry.shape) + " needs " + std::to_string(count) + " x " +
                     std::to_string(size_of(entry.type)));
  }
  return {};
}

// The format wants every byte of data to belong to exactly one tensor.
Status check_cover(const std::vector<SafetensorsEntry>& entries, std::uint64_t data_size) {
  std::vector<const SafetensorsEntry*> ordered;
  ordered.reserve(entries.size());
  for (const SafetensorsEntry& entry : entries) ordered.push_back(&entry);
  std::sort(ordered.begin(), ordered.end(), [](const SafetensorsEntry* a, const SafetensorsEntry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  std::uint64_t covered = 0;
  for (const SafetensorsEntry* entry : ordered) {
    if (entry->begin != covered) {
      return malformed(
          "tensor " + in_quotes(entry->name) + " begins at byte " + std::to_string(entry->begin) +
          " of the data, expected " + std::to_string(covered) +
          (entry->begin < covered ? ": it overlaps another tensor" : ": the bytes between belong to no tensor"));
    }
    covered = entry->end;
  }
  if (covered != data_size) {
    return malformed("the last " + std::to_string(data_size - covered) + " of " + std::to_string(data_size) +
                     " bytes of data belong to no tensor");
  }
  return {};
}

}  // namespace

Result<WeightFile> read_safetensors(const FileBytes& bytes) {
  if (bytes.size < length_size) {
    return malformed("safetensors: " + std::to_string(bytes.size) + " bytes are too few for the header's length");
  }
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data.get(), length_size);
  RESIDUA_RETURN_IF_ERROR(check_limit(Limit::header_bytes, header_size, "safetensors: bytes of the header"));
  if (header_size > bytes.size - length_size) {
    return malformed("safetensors: the header claims " + std::to_string(header_size) + " bytes, but the file has " +
                     std::to_string(bytes.size - length_size) + " left");
  }
  RESIDUA_ASSIGN(SafetensorsHeader header, parse_safetensors_header(bytes.span().subspan(length_size, header_size)));

  const std::size_t data_start = length_size + header_size;
  const std::uint64_t data_size = bytes.size - data_start;
  for (const SafetensorsEntry& entry : header.entries) RESIDUA_RETURN_IF_ERROR(check_size(entry, data_size));
  RESIDUA_RETURN_IF_ERROR(check_cover(header.entries, data_size));

  WeightFile file;
  file.metadata = std::move(header.metadata);
  for (SafetensorsEntry& entry : header.entries) {
    Tensor tensor{entry.name, entry.type, std::move(entry.shape),
                  bytes.piece(data_start + entry.begin, entry.end - entry.begin)};
    file.tensors.emplace(std::move(entry.name), widened(std::move(tensor)));
  }
  return file;
}

}  // namespace residua::graph
