// Reading single fields of protobuf messages, strictly. Private to onnx_schema.cpp.
#pragma once

#include <cstdint>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <string_view>

#include "graph/import/onnx_schema.h"
#include "graph/input_limits.h"

namespace residua::graph::onnx {

using protozero::pbf_reader;
using protozero::pbf_wire_type;

// Leaves the parser together with protozero's own exceptions; neither leaves onnx_schema.cpp.
struct ParseFailure {
  ErrorCode code;
  std::string reason;
};

[[noreturn]] inline void fail(ErrorCode code, std::string reason) { throw ParseFailure{code, std::move(reason)}; }

inline void require_within(Limit limit, std::uint64_t found, std::string_view what) {
  if (found > value_of(limit)) fail(ErrorCode::limit, over_limit(limit, found, what).message);
}

// protozero checks bounds, but takes a field's wire type on trust.
inline void expect(const pbf_reader& reader, pbf_wire_type expected) {
  if (reader.wire_type() == expected) return;
  fail(ErrorCode::malformed, "field " + std::to_string(reader.tag()) + " has wire type " +
                                 std::to_string(static_cast<unsigned>(reader.wire_type())) + ", expected " +
                                 std::to_string(static_cast<unsigned>(expected)));
}

inline std::string_view read_view(pbf_reader& reader) {
  expect(reader, pbf_wire_type::length_delimited);
  const protozero::data_view view = reader.get_view();
  return {view.data(), view.size()};
}

inline std::string_view read_name(pbf_reader& reader) {
  const std::string_view name = read_view(reader);
  require_within(Limit::name_bytes, name.size(), "field " + std::to_string(reader.tag()) + ", a name: bytes");
  return name;
}

inline std::int64_t read_integer(pbf_reader& reader) {
  expect(reader, pbf_wire_type::varint);
  return reader.get_int64();
}

inline std::int32_t read_small_integer(pbf_reader& reader) {
  const std::int64_t value = read_integer(reader);
  if (value < INT32_MIN || value > INT32_MAX) {
    fail(ErrorCode::malformed,
         "field " + std::to_string(reader.tag()) + " holds " + std::to_string(value) + ", which is no 32-bit number");
  }
  return static_cast<std::int32_t>(value);
}

// protozero keeps 32 bits of a length: one of 2^32 bytes would pass for an empty one. Protobuf allows 31.
inline void require_length(const pbf_reader& reader) {
  if (reader.wire_type() != pbf_wire_type::length_delimited) return;
  const char* position = reader.data().data();
  const char* const end = position + reader.length();
  const std::uint64_t length = protozero::decode_varint(&position, end);
  if (length > static_cast<std::uint64_t>(end - position) || length > INT32_MAX)
    throw protozero::end_of_buffer_exception{};
}

// How a repeated number of type Value stands in the file, and which field of TensorProto holds such numbers.
template <class Value>
struct Encoding;
template <>
struct Encoding<float> {
  static constexpr std::uint32_t field = 4;
  static constexpr auto wire_type = pbf_wire_type::fixed32;
  static auto packed(pbf_reader& reader) { return reader.get_packed_float(); }
  static float single(pbf_reader& reader) { return reader.get_float(); }
};
template <>
struct Encoding<double> {
  static constexpr std::uint32_t field = 10;
  static constexpr auto wire_type = pbf_wire_type::fixed64;
  static auto packed(pbf_reader& reader) { return reader.get_packed_double(); }
  static double single(pbf_reader& reader) { return reader.get_double(); }
};
template <>
struct Encoding<std::int32_t> {
  static constexpr std::uint32_t field = 5;
  static constexpr auto wire_type = pbf_wire_type::varint;
  static auto packed(pbf_reader& reader) { return reader.get_packed_int32(); }
  static std::int32_t single(pbf_reader& reader) { return reader.get_int32(); }
};
template <>
struct Encoding<std::int64_t> {
  static constexpr std::uint32_t field = 7;
  static constexpr auto wire_type = pbf_wire_type::varint;
  static auto packed(pbf_reader& reader) { return reader.get_packed_int64(); }
  static std::int64_t single(pbf_reader& reader) { return reader.get_int64(); }
};

// Calls visit(value) for the current field, which may hold one value or a packed run of them.
template <class Value, class Visitor>
void each_value(pbf_reader& reader, Visitor&& visit) {
  if (reader.wire_type() == pbf_wire_type::length_delimited) {
    for (const Value value : Encoding<Value>::packed(reader)) visit(value);
  } else {
    expect(reader, Encoding<Value>::wire_type);
    visit(Encoding<Value>::single(reader));
  }
}

// Walks messages inside messages, knows where in the file it is and how much it has collected.
class MessageReader {
 public:
  explicit MessageReader(std::span<const std::byte> file) : file_(file) {}

  std::span<const std::byte> file() const { return file_; }

  // Names the field that the parser was at when it failed.
  Error error(ErrorCode code, const std::string& reason) const {
    return {code, "byte " + std::to_string(position_) + " (" + what_ + "): " + reason};
  }

  std::size_t position_of(std::string_view message) const {
    return static_cast<std::size_t>(reinterpret_cast<const std::byte*>(message.data()) - file_.data());
  }

  // Calls field(reader) for each field of a message; a false answer means it has not been read and is skipped.
  template <class Field>
  void each_field(const char* what, std::string_view message, Field&& field) {
    const char* outer_what = what_;
    const std::size_t outer_position = position_;
    what_ = what;
    pbf_reader reader(message.data(), message.size());
    while (reader) {
      position_ = position_of(message) + (message.size() - reader.length());
      reader.next();
      require_length(reader);
      if (!field(reader)) reader.skip();
    }
    // Not restored when an exception passes: error() wants the innermost message.
    what_ = outer_what;
    position_ = outer_position;
  }

  template <class T>
  void append(std::vector<T>& list, T value) {
    require_within(Limit::entries, ++entries_, "entries");
    list.push_back(std::move(value));
  }

  template <class T>
  void append_limited(std::vector<T>& list, T value, Limit limit, const char* things) {
    require_within(limit, list.size() + 1, things);
    append(list, std::move(value));
  }

 private:
  std::span<const std::byte> file_;
  const char* what_ = "model";
  std::size_t position_ = 0;  // of the current field
  std::size_t entries_ = 0;
};

}  // namespace residua::graph::onnx
