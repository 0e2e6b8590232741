#include "graph/import/safetensors_header.h"

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "graph/import/name.h"
#include "graph/input_limits.h"

namespace residua::graph {
namespace {

struct TypeName {
  std::string_view name;
  ElementType type;
};
constexpr std::array type_names{
    TypeName{"F32", ElementType::float32},   TypeName{"F16", ElementType::float16},
    TypeName{"BF16", ElementType::bfloat16}, TypeName{"F64", ElementType::float64},
    TypeName{"I64", ElementType::int64},     TypeName{"I32", ElementType::int32},
    TypeName{"I8", ElementType::int8},       TypeName{"U8", ElementType::uint8},
    TypeName{"BOOL", ElementType::boolean},
};

// Takes the parser's events one by one, so that no tree of JSON values is ever built from a hostile header.
class HeaderEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool start_object(std::size_t) override {
    switch (place_) {
      case Place::file:
        place_ = Place::root;
        return true;
      case Place::tensor_value:
        place_ = Place::tensor;
        return true;
      case Place::metadata_value:
        place_ = Place::metadata;
        return true;
      default:
        return unexpected("an object");
    }
  }

  bool key(string_t& name) override {
    if (place_ == Place::root) {
      if (!names_.insert(name).second) return fail(in_quotes(name) + " stands there twice");
      if (name == "__metadata__") {
        place_ = Place::metadata_value;
        return true;
      }
      if (const Status status = check_tensor_name(name); !status)
        return fail(status.error().message, status.error().code);
      if (const Status status = check_limit(Limit::tensors, header_.entries.size() + 1, "tensors"); !status)
        return fail(status.error().message, ErrorCode::limit);
      header_.entries.emplace_back().name = name;
      seen_ = {};
      place_ = Place::tensor_value;
      return true;
    }
    if (place_ == Place::metadata) {
      if (header_.metadata.contains(name)) return fail("__metadata__ holds " + in_quotes(name) + " twice");
      metadata_key_ = name;
      place_ = Place::metadata_text;
      return true;
    }
    static constexpr std::array<std::pair<std::string_view, Place>, 3> fields{
        {{"dtype", Place::type}, {"shape", Place::shape_value}, {"data_offsets", Place::offsets_value}}};
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (name != fields[i].first) continue;
      if (std::exchange(seen_[i], true)) return fail(here() + " holds " + in_quotes(name) + " twice");
      place_ = fields[i].second;
      return true;
    }
    return fail(here() + " holds the unknown key " + in_quotes(name));
  }

  bool end_object() override {
    switch (place_) {
      case Place::tensor:
        if (!seen_[0] || !seen_[1] || !seen_[2]) return fail(here() + " lacks one of dtype, shape and data_offsets");
        if (offsets_ != 2)
          return fail(here() + ": data_offsets has " + std::to_string(offsets_) + " numbers, expected 2");
        offsets_ = 0;
        place_ = Place::root;
        return true;
      case Place::metadata:
        place_ = Place::root;
        return true;
      default:
        place_ = Place::end;
        return true;
    }
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::shape_value)
      place_ = Place::shape;
    else if (place_ == Place::offsets_value)
      place_ = Place::offsets;
    else
      return unexpected("an array");
    return true;
  }

  bool end_array() override {
    place_ = Place::tensor;
    return true;
  }

  bool string(string_t& text) override {
    if (place_ == Place::metadata_text) {
      header_.metadata.emplace(std::move(metadata_key_), std::move(text));
      place_ = Place::metadata;
      return true;
    }
    if (place_ != Place::type) return unexpected("a string");
    place_ = Place::tensor;
    for (const TypeName& known : type_names) {
      if (known.name != text) continue;
      header_.entries.back().type = known.type;
      return true;
    }
    return fail(here() + " has the element type " + in_quotes(text) + ", which is not supported",
                ErrorCode::unsupported);
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::shape && place_ != Place::offsets) return unexpected("a number");
    SafetensorsEntry& entry = header_.entries.back();  // both places lie inside a tensor
    if (place_ == Place::shape) {
      if (value > static_cast<std::uint64_t>(INT64_MAX)) return unexpected("a dimension beyond 64 bits");
      if (const Status status = check_limit(Limit::rank, entry.shape.size() + 1, here() + ": dimensions"); !status)
        return fail(status.error().message, ErrorCode::limit);
      entry.shape.push_back(static_cast<std::int64_t>(value));
      return true;
    }
    if (offsets_ == 0) entry.begin = value;
    if (offsets_ == 1) entry.end = value;
    if (++offsets_ > 2) return fail(here() + ": data_offsets has more than 2 numbers");
    return true;
  }

  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return unexpected("a number that is no count"); }
  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool binary(binary_t&) override { return unexpected("binary data"); }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    return fail("it is not valid JSON at its byte " + std::to_string(position));
  }

  Result<SafetensorsHeader> result() && {
    if (error_) return *std::move(error_);
    return std::move(header_);
  }

 private:
  enum class Place {
    file,
    root,
    tensor_value,
    tensor,
    type,
    shape_value,
    shape,
    offsets_value,
    offsets,
    metadata_value,
    metadata,
    metadata_text,
    end
  };

  bool fail(std::string message, ErrorCode code = ErrorCode::malformed) {
    if (!error_) error_ = Error{code, "safetensors header: " + std::move(message)};
    return false;
  }
  bool unexpected(std::string_view found) {
    return fail(here() + " holds " + std::string(found) + " where none is expected");
  }
  std::string here() const {
    switch (place_) {
      case Place::file:
      case Place::root:
      case Place::end:
        return "the file";
      case Place::metadata_value:
      case Place::metadata:
      case Place::metadata_text:
        return "__metadata__ (a map of strings)";
      default:
        return "tensor " + in_quotes(header_.entries.back().name);
    }
  }

  Place place_ = Place::file;
  SafetensorsHeader header_;
  std::set<std::string> names_;
  std::array<bool, 3> seen_{};  // dtype, shape, data_offsets of the tensor at hand
  std::size_t offsets_ = 0;
  std::string metadata_key_;
  std::optional<Error> error_;
};

}  // namespace

Result<SafetensorsHeader> parse_safetensors_header(std::span<const std::byte> text) {
  HeaderEvents events;
  const auto* first = reinterpret_cast<const char*>(text.data());
  nlohmann::json::sax_parse(first, first + text.size(), &events);
  return std::move(events).result();
}

}  // namespace residua::graph
