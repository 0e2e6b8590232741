// ONNX files made in memory, message by message, for tests of what exporters do not write.
#pragma once

#include <cstdint>
#include <cstring>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "graph/import/import.h"

namespace residua::tests::onnx {

using Dims = std::vector<std::int64_t>;
enum Type : std::int32_t { float32 = 1, uint8 = 2, int32 = 6, int64 = 7, text = 8, float16 = 10 };

template <class Value>
std::string raw(const std::vector<Value>& values) {
  std::string bytes(values.size() * sizeof(Value), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

inline std::string tensor(std::string_view name, std::int32_t type, const Dims& dims, const std::string& raw_data) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  writer.add_packed_int64(1, dims.begin(), dims.end());
  writer.add_int32(2, type);
  writer.add_string(8, name.data(), name.size());
  writer.add_bytes(9, raw_data);
  return bytes;
}

// A float32 tensor of zeros.
inline std::string zeros(std::string_view name, const Dims& dims) {
  std::int64_t count = 1;
  for (const std::int64_t dimension : dims) count *= dimension;
  return tensor(name, float32, dims, raw(std::vector<float>(static_cast<std::size_t>(count))));
}

inline std::string external_tensor(std::string_view name, const Dims& dims,
                                   const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  writer.add_packed_int64(1, dims.begin(), dims.end());
  writer.add_int32(2, float32);
  writer.add_string(8, name.data(), name.size());
  for (const auto& [key, value] : entries) {
    protozero::pbf_writer entry(writer, 13);
    entry.add_string(1, key);
    entry.add_string(2, value);
  }
  writer.add_int32(14, 1);
  return bytes;
}

inline std::string integer_attribute(std::string_view name, std::int64_t value) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  writer.add_string(1, name.data(), name.size());
  writer.add_int64(3, value);
  writer.add_int32(20, 2);
  return bytes;
}

inline std::string number_attribute(std::string_view name, float value) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  writer.add_string(1, name.data(), name.size());
  writer.add_float(2, value);
  writer.add_int32(20, 1);
  return bytes;
}

inline std::string text_attribute(std::string_view name, const std::string& value) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  writer.add_string(1, name.data(), name.size());
  writer.add_bytes(4, value);
  writer.add_int32(20, 3);
  return bytes;
}

inline std::string integers_attribute(std::string_view name, const Dims& values) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  writer.add_string(1, name.data(), name.size());
  for (const std::int64_t value : values) writer.add_int64(8, value);
  writer.add_int32(20, 7);
  return bytes;
}

inline std::string tensor_attribute(std::string_view name, const std::string& tensor) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  writer.add_string(1, name.data(), name.size());
  writer.add_message(5, tensor);
  writer.add_int32(20, 4);
  return bytes;
}

struct NodeOptions {
  std::string name{}, domain{};
};

inline std::string node(const std::string& op_type, const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs, const std::vector<std::string>& attributes = {},
                        const NodeOptions& options = {}) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  for (const auto& input : inputs) writer.add_string(1, input);
  for (const auto& output : outputs) writer.add_string(2, output);
  if (!options.name.empty()) writer.add_string(3, options.name);
  writer.add_string(4, op_type);
  for (const auto& attribute : attributes) writer.add_message(5, attribute);
  if (!options.domain.empty()) writer.add_string(7, options.domain);
  return bytes;
}

inline constexpr std::int64_t symbol = -1;   // a dimension with a dim_param
inline constexpr std::int64_t nothing = -2;  // a dimension without anything

inline std::string value_info(const std::string& name, std::int32_t type, const Dims& dims) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  writer.add_string(1, name);
  protozero::pbf_writer type_writer(writer, 2);
  protozero::pbf_writer tensor_writer(type_writer, 1);
  tensor_writer.add_int32(1, type);
  protozero::pbf_writer shape_writer(tensor_writer, 2);
  for (const std::int64_t value : dims) {
    std::string content;
    protozero::pbf_writer dimension(content);
    if (value == symbol) {
      dimension.add_string(2, "some");
    } else if (value != nothing) {
      dimension.add_int64(1, value);
    }
    shape_writer.add_message(1, content);
  }
  return bytes;
}

// A model from "x" to "y"; every part can be replaced.
struct Model {
  std::vector<std::string> nodes;
  std::vector<std::string> initializers{};
  std::int64_t opset = 17;
  std::int64_t ir_version = 8;
  std::string opset_domain{};
  std::vector<std::string> inputs{value_info("x", float32, {symbol, 3, 8, 8})};
  std::vector<std::string> outputs{"y"};
  std::vector<std::pair<std::string, std::string>> functions{};  // name, domain

  std::string bytes() const {
    std::string graph;
    {
      protozero::pbf_writer writer(graph);
      for (const auto& item : nodes) writer.add_message(1, item);
      writer.add_string(2, "test");
      for (const auto& item : initializers) writer.add_message(5, item);
      for (const auto& item : inputs) writer.add_message(11, item);
      for (const auto& item : outputs) writer.add_message(12, value_info(item, float32, {symbol}));
    }
    std::string model;
    protozero::pbf_writer writer(model);
    writer.add_int64(1, ir_version);
    writer.add_message(7, graph);
    {
      protozero::pbf_writer set(writer, 8);
      set.add_string(1, opset_domain);
      set.add_int64(2, opset);
    }
    for (const auto& [name, domain] : functions) {
      protozero::pbf_writer function(writer, 25);
      function.add_string(1, name);
      function.add_string(10, domain);
    }
    return model;
  }
};

// A copy of exactly that size, so that a read beyond the end is seen.
inline graph::FileBytes in_memory(std::string_view bytes) {
  const std::shared_ptr<std::byte[]> buffer(new std::byte[bytes.size()]);
  std::memcpy(buffer.get(), bytes.data(), bytes.size());
  return {std::shared_ptr<const std::byte>(buffer, buffer.get()), bytes.size()};
}

inline graph::Result<graph::ImportedModel> import(const Model& model, const std::filesystem::path& folder = {}) {
  return graph::import_onnx(in_memory(model.bytes()), folder);
}

// "" where the model is imported.
inline std::string error_of(const Model& model, const std::filesystem::path& folder = {}) {
  const auto imported = import(model, folder);
  return imported ? "" : imported.error().message;
}

}  // namespace residua::tests::onnx
