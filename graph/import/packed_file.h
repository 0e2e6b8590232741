// Packed model files: a network that is optimised already, its constants, and these packed for one engine.
//
//   header   64 bytes: magic, version, sizes, checksums of the index and of the header itself
//   index    texts, the network as text, tables of constants and blobs
//   blobs    packed constants, then the constants themselves, each at a multiple of 64 bytes
//
// Numbers are little-endian. Header, index and small pieces are checked whenever a file is read. The checksums of large
// constants and blobs are compared when they are first used (engine/packed_weights.h), or all at once where that is
// asked for: it reads everything from disk, and most of it a start never needs.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>

#include "graph/import/import.h"

namespace residua::graph {

inline constexpr std::string_view packed_file_magic = "\x93RESIDUA";
inline constexpr std::uint32_t packed_file_version = 1;
inline constexpr std::size_t packed_header_size = 64;
inline constexpr std::size_t packed_alignment = 64;
inline constexpr std::size_t packed_small_piece = 64 << 10;

// Whether `text` starts as a packed model file does.
inline bool is_packed_file(std::string_view text) { return text.starts_with(packed_file_magic); }

// `verify`: compare all checksums.
Result<ImportedModel> read_packed_file(const FileBytes& bytes, bool verify);

// Hands a packed model file to `write` from front to end. `model.graph` is the optimised network; blobs of other
// constants than its own are left out.
using ByteSink = std::function<Status(std::span<const std::byte>)>;
Status write_packed_file(const ImportedModel& model, const ByteSink& write);

// For recognising damage, not for security. Words of eight bytes, the last one filled up with zeros.
std::uint64_t checksum_of(std::span<const std::byte> bytes);

// The fields of the header, which stand in the file in this order behind magic and version.
struct PackedHeader {
  std::uint64_t file_size = 0;
  std::uint64_t index_size = 0;
  std::uint64_t index_checksum = 0;
};
std::array<std::byte, packed_header_size> header_bytes(const PackedHeader& header);

}  // namespace residua::graph
