// The messages of an ONNX file that an import needs, as plain structs.
//
// Strings and data are views into the file's bytes; they live as long as those. Nothing here knows what an operator or
// an element type means. Subgraphs are never entered, so the depth of nesting is fixed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/result.h"

namespace residua::graph::onnx {

struct TensorMessage {
  std::string_view name;
  std::int32_t data_type = 0;  // TensorProto.DataType
  std::vector<std::int64_t> dims;
  std::optional<std::string_view> raw_data;
  bool is_external = false;
  std::vector<std::pair<std::string_view, std::string_view>> external_data;  // key, value
  bool is_segment = false;
  std::string_view message;  // the encoded message: what typed_data reads
  std::size_t position = 0;  // of the message in the file, in bytes
};

enum class AttributeType : std::int32_t {
  undefined = 0,
  number = 1,
  integer = 2,
  text = 3,
  tensor = 4,
  numbers = 6,
  integers = 7,
};

struct AttributeMessage {
  std::string_view name;
  std::int32_t type = 0;  // an AttributeType, or the number of a type that no supported operator has
  float number = 0;
  std::int64_t integer = 0;
  std::string_view text;
  std::optional<std::string_view> tensor;  // for parse_tensor
  std::vector<float> numbers;
  std::vector<std::int64_t> integers;
  bool is_reference = false;  // stands for an attribute of the function it is in
};

struct NodeMessage {
  std::string_view name, op_type, domain;
  std::vector<std::string_view> inputs, outputs;  // "" is one that is left out
  std::vector<AttributeMessage> attributes;
  std::size_t position = 0;
};

struct DimensionMessage {
  std::optional<std::int64_t> value;
  std::string_view parameter;
};

struct ValueInfoMessage {
  std::string_view name;
  bool is_tensor = false;
  std::int32_t element_type = 0;
  std::optional<std::vector<DimensionMessage>> shape;
};

struct GraphMessage {
  std::string_view name;
  std::vector<NodeMessage> nodes;
  std::vector<TensorMessage> initializers;
  std::vector<ValueInfoMessage> inputs, outputs;
  bool has_sparse_initializers = false;
};

struct OperatorSet {
  std::string_view domain;
  std::int64_t version = 0;
};

struct FunctionMessage {
  std::string_view name, domain;
};

struct ModelMessage {
  std::int64_t ir_version = 0;
  std::vector<OperatorSet> operator_sets;
  std::optional<GraphMessage> graph;
  std::vector<std::pair<std::string_view, std::string_view>> metadata;
  std::vector<FunctionMessage> functions;
};

// Errors name the message and its byte offset.
Result<ModelMessage> parse_model(std::span<const std::byte> file);

// A tensor inside an attribute. `file` is the whole file, `message` a view into it.
Result<TensorMessage> parse_tensor(std::span<const std::byte> file, std::string_view message);

// The values of float_data, int32_data, int64_data or double_data, packed or not; Value chooses the field. There must
// be exactly `count` of them, which is checked before anything is allocated.
template <class Value>  // float, std::int32_t, std::int64_t, double
Result<std::vector<Value>> typed_data(const TensorMessage& tensor, std::size_t count);

}  // namespace residua::graph::onnx
