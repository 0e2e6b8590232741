// The index of a packed model file, piece by piece: numbers and texts with their length in front.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/result.h"

namespace residua::graph {

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie");

class IndexWriter {
 public:
  void number(std::uint64_t value) { append(&value, sizeof value); }
  void text(std::string_view value) {
    number(value.size());
    append(value.data(), value.size());
  }
  void factors(std::span<const double> values) {
    number(values.size());
    append(values.data(), values.size_bytes());
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  void append(const void* from, std::size_t size) {
    const auto* bytes = static_cast<const std::byte*>(from);
    bytes_.insert(bytes_.end(), bytes, bytes + size);
  }
  std::vector<std::byte> bytes_;
};

// Reads no byte beyond the end; what is cut short is an error that says where.
class IndexReader {
 public:
  explicit IndexReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  Result<std::uint64_t> number() {
    std::uint64_t value = 0;
    RESIDUA_ASSIGN(const auto raw, take(sizeof value));
    std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }
  // How many entries follow, each of at least `least` bytes.
  Result<std::uint64_t> count(std::size_t least) {
    RESIDUA_ASSIGN(const std::uint64_t value, number());
    if (value > (bytes_.size() - position_) / least) return cut_short(value);
    return value;
  }
  Result<std::string_view> text() {
    RESIDUA_ASSIGN(const std::uint64_t size, count(1));
    RESIDUA_ASSIGN(const auto raw, take(size));
    return std::string_view(reinterpret_cast<const char*>(raw.data()), raw.size());
  }
  Result<std::vector<double>> factors() {
    RESIDUA_ASSIGN(const std::uint64_t size, count(sizeof(double)));
    RESIDUA_ASSIGN(const auto raw, take(size * sizeof(double)));
    std::vector<double> values(size);
    if (size > 0) std::memcpy(values.data(), raw.data(), raw.size());
    return values;
  }
  bool at_end() const { return position_ == bytes_.size(); }

 private:
  Error cut_short(std::uint64_t wanted) const {
    return {ErrorCode::malformed, "the index asks for " + std::to_string(wanted) + " entries at its byte " +
                                      std::to_string(position_) + " of " + std::to_string(bytes_.size())};
  }
  Result<std::span<const std::byte>> take(std::size_t size) {
    if (size > bytes_.size() - position_) return cut_short(size);
    const auto piece = bytes_.subspan(position_, size);
    position_ += size;
    return piece;
  }
  std::span<const std::byte> bytes_;
  std::size_t position_ = 0;
};

}  // namespace residua::graph
