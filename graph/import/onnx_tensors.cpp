#include "graph/import/onnx_tensors.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "graph/import/model_folder.h"
#include "graph/input_limits.h"
#include "graph/text.h"

namespace residua::graph::onnx {
namespace {

constexpr ElementTypeInfo element_types[] = {
    {1, "FLOAT", ElementType::float32, ElementType::float32},
    {2, "UINT8", ElementType::uint8, ElementType::uint8},
    {3, "INT8", ElementType::int8, ElementType::int8},
    {6, "INT32", ElementType::int32, ElementType::int64},
    {7, "INT64", ElementType::int64, ElementType::int64},
    {9, "BOOL", ElementType::boolean, ElementType::boolean},
    {10, "FLOAT16", ElementType::float16, ElementType::float32},
    {11, "DOUBLE", ElementType::float64, ElementType::float32},
    {16, "BFLOAT16", ElementType::bfloat16, ElementType::float32},
};

constexpr std::size_t longest_quote = 120;

Error tensor_error(ErrorCode code, const TensorMessage& message, const std::string& reason) {
  std::string where = message.name.empty() ? "a tensor without a name" : "tensor " + graph::quoted(message.name);
  return {code, where + " (at byte " + std::to_string(message.position) + "): " + reason};
}

// An own buffer with `values` as elements of type Element.
template <class Element, class Value>
ConstantData buffer_of(const std::vector<Value>& values) {
  const std::size_t size = values.size() * sizeof(Element);
  // One byte at least: a constant is told by its pointer.
  const std::shared_ptr<std::byte[]> buffer(new std::byte[std::max<std::size_t>(size, 1)]);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto element = static_cast<Element>(values[i]);
    std::memcpy(buffer.get() + i * sizeof(Element), &element, sizeof(Element));
  }
  return {std::shared_ptr<const std::byte>(buffer, buffer.get()), size};
}

template <class Element, class Value>
Result<ConstantData> typed_bytes(const TensorMessage& message, std::size_t count) {
  auto values = typed_data<Value>(message, count);
  if (!values) return tensor_error(values.error().code, message, values.error().message);
  return buffer_of<Element>(*values);
}

// The field that holds the values where there is no raw_data, brought to the layout that raw_data would have.
Result<ConstantData> bytes_of_typed_fields(const TensorMessage& message, ElementType type, std::size_t count) {
  switch (type) {
    case ElementType::float32:
      return typed_bytes<float, float>(message, count);
    case ElementType::float64:
      return typed_bytes<double, double>(message, count);
    case ElementType::int64:
      return typed_bytes<std::int64_t, std::int64_t>(message, count);
    case ElementType::int32:
      return typed_bytes<std::int32_t, std::int32_t>(message, count);
    case ElementType::float16:
    case ElementType::bfloat16:
      return typed_bytes<std::uint16_t, std::int32_t>(message, count);
    case ElementType::uint8:
    case ElementType::int8:
    case ElementType::boolean:
      return typed_bytes<std::uint8_t, std::int32_t>(message, count);
  }
  throw InternalError("element type without a place in TensorProto");
}

}  // namespace

Result<ElementTypeInfo> element_type_info(std::int32_t code) {
  const auto* found = std::find_if(std::begin(element_types), std::end(element_types),
                                   [&](const ElementTypeInfo& info) { return info.code == code; });
  if (found != std::end(element_types)) return *found;
  std::string supported;
  for (const ElementTypeInfo& info : element_types) {
    supported += (supported.empty() ? "" : ", ") + std::string(info.name) + " (" + std::to_string(info.code) + ")";
  }
  return Error{ErrorCode::unsupported, "element type " + std::to_string(code) + ", expected one of " + supported};
}

Status TensorLoader::charge(std::size_t bytes) {
  // The smallest encoding (a bool in one varint byte) widened to int64, and once more rewritten by an operator (a
  // transposed weight), is 16 bytes a byte: more means that the same data is used over and over.
  constexpr std::size_t free_bytes = 4096;
  charged_bytes_ = saturating_sum(charged_bytes_, bytes);
  return check_ratio(Limit::conversion_ratio, charged_bytes_, free_bytes, file_.size + mapped_bytes_,
                     "converting the file's tensors: bytes for each byte of the file");
}

std::vector<std::string> TensorLoader::external_files() const {
  std::vector<std::string> paths;
  paths.reserve(external_files_.size());
  for (const auto& [path, bytes] : external_files_) paths.push_back(path);
  return paths;
}

Result<Tensor> TensorLoader::load(const TensorMessage& message) {
  const auto type = element_type_info(message.data_type);
  if (!type) return tensor_error(type.error().code, message, type.error().message);
  if (message.is_segment) return tensor_error(ErrorCode::unsupported, message, "it is stored in segments");

  Tensor tensor{std::string(message.name), type->in_file, message.dims, {}};
  for (const std::int64_t dimension : message.dims) {
    if (dimension < 0) {
      return tensor_error(ErrorCode::malformed, message, "dimension " + std::to_string(dimension) + " is negative");
    }
  }
  const auto count = element_count(tensor.shape);
  std::size_t size = 0;
  if (!count || __builtin_mul_overflow(*count, size_of(type->in_file), &size)) {
    return tensor_error(ErrorCode::malformed, message, "its shape " + to_string(tensor.shape) + " is too large");
  }

  if (message.is_external || message.raw_data) {
    RESIDUA_ASSIGN(tensor.constant, bytes_of(message, size));
  } else {
    // The values are counted first; a count that the file does not hold allocates nothing.
    RESIDUA_ASSIGN(tensor.constant, bytes_of_typed_fields(message, type->in_file, static_cast<std::size_t>(*count)));
  }
  if (type->in_file == type->in_graph) return tensor;

  if (auto charged = charge(static_cast<std::size_t>(*count) * size_of(type->in_graph)); !charged) {
    return tensor_error(charged.error().code, message, charged.error().message);
  }
  return is_floating_point(type->in_file) ? make_float_constant(tensor.name, tensor.shape, read_floats(tensor))
                                          : make_integer_constant(tensor.name, tensor.shape, read_integers(tensor));
}

Result<ConstantData> TensorLoader::bytes_of(const TensorMessage& message, std::size_t expected) {
  if (message.is_external) return external_bytes(message, expected);
  const std::string_view raw = *message.raw_data;
  if (raw.size() != expected) {
    return tensor_error(ErrorCode::malformed, message,
                        "raw_data holds " + std::to_string(raw.size()) + " bytes, its shape " +
                            to_string(message.dims) + " asks for " + std::to_string(expected));
  }
  const auto offset = static_cast<std::size_t>(reinterpret_cast<const std::byte*>(raw.data()) - file_.data.get());
  return file_.piece(offset, raw.size());
}

Result<ConstantData> TensorLoader::external_bytes(const TensorMessage& message, std::size_t expected) {
  std::string_view location;
  std::size_t offset = 0, length = expected;
  const auto parse = [](std::string_view text, std::size_t& number) {
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    return code == std::errc{} && end == text.data() + text.size();
  };
  for (const auto& [key, value] : message.external_data) {
    if (key == "location") {
      location = value;
    } else if ((key == "offset" && !parse(value, offset)) || (key == "length" && !parse(value, length))) {
      return tensor_error(ErrorCode::malformed, message,
                          "external data: " + std::string(key) + " is " +
                              graph::quoted(value.substr(0, longest_quote)) + ", expected a byte count");
    }
  }
  if (length != expected) {
    return tensor_error(ErrorCode::malformed, message,
                        "external data: length is " + std::to_string(length) + ", its shape " +
                            to_string(message.dims) + " asks for " + std::to_string(expected));
  }
  const auto file = map_external(location);
  if (!file) return tensor_error(file.error().code, message, "external data: " + file.error().message);
  const std::size_t file_size = (*file)->size;
  if (offset > file_size || length > file_size - offset) {
    return tensor_error(ErrorCode::malformed, message,
                        "external data: bytes " + std::to_string(offset) + " + " + std::to_string(length) +
                            " lie outside " + graph::quoted(location) + " of " + std::to_string(file_size) + " bytes");
  }
  return (*file)->piece(offset, length);
}

Result<const FileBytes*> TensorLoader::map_external(std::string_view location) {
  if (folder_.empty()) {
    return Error{ErrorCode::unsupported, graph::quoted(location.substr(0, longest_quote)) +
                                             " is refused: the model comes from memory and has no folder"};
  }
  const auto found = path_in_folder(folder_, location);
  if (!found) return Error{found.error().code, "location " + found.error().message};
  const std::filesystem::path& path = *found;
  if (const auto known = external_files_.find(path.string()); known != external_files_.end()) return &known->second;
  RESIDUA_RETURN_IF_ERROR(check_limit(Limit::external_files, external_files_.size() + 1, "files of external data"));
  RESIDUA_ASSIGN(FileBytes bytes, map_file(path));
  mapped_bytes_ += bytes.size;
  return &external_files_.emplace(path.string(), std::move(bytes)).first->second;
}

}  // namespace residua::graph::onnx
