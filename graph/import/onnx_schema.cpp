#include "graph/import/onnx_schema.h"

#include "graph/import/onnx_wire.h"

namespace residua::graph::onnx {
namespace {

// Field numbers of onnx.proto.
namespace model_field {
enum : std::uint32_t { ir_version = 1, graph = 7, operator_set = 8, metadata = 14, function = 25 };
}
namespace graph_field {
enum : std::uint32_t { node = 1, name = 2, initializer = 5, input = 11, output = 12, sparse_initializer = 15 };
}
namespace node_field {
enum : std::uint32_t { input = 1, output = 2, name = 3, op_type = 4, attribute = 5, domain = 7 };
}
namespace attribute_field {
enum : std::uint32_t { name = 1, f = 2, i = 3, s = 4, t = 5, floats = 7, ints = 8, type = 20, reference = 21 };
}
namespace tensor_field {
enum : std::uint32_t {
  dims = 1,
  data_type = 2,
  segment = 3,
  name = 8,
  raw_data = 9,
  external_data = 13,
  data_location = 14
};
}
namespace value_info_field {
enum : std::uint32_t { name = 1, type = 2 };
}
namespace type_field {
enum : std::uint32_t { tensor = 1 };
}
namespace tensor_type_field {
enum : std::uint32_t { element_type = 1, shape = 2 };
}
namespace shape_field {
enum : std::uint32_t { dimension = 1 };
}
namespace dimension_field {
enum : std::uint32_t { value = 1, parameter = 2 };
}
namespace operator_set_field {
enum : std::uint32_t { domain = 1, version = 2 };
}
namespace function_field {
enum : std::uint32_t { name = 1, domain = 10 };
}
namespace entry_field {
enum : std::uint32_t { key = 1, value = 2 };
}

class Parser : private MessageReader {
 public:
  using MessageReader::error;
  using MessageReader::MessageReader;

  ModelMessage model() {
    ModelMessage model;
    const std::string_view all(reinterpret_cast<const char*>(file().data()), file().size());
    each_field("model", all, [&](pbf_reader& reader) {
      switch (reader.tag()) {
        case model_field::ir_version:
          model.ir_version = read_integer(reader);
          return true;
        case model_field::operator_set:
          append(model.operator_sets, operator_set(read_view(reader)));
          return true;
        case model_field::metadata:
          append(model.metadata, entry(read_view(reader)));
          return true;
        case model_field::function:
          append(model.functions, function(read_view(reader)));
          return true;
        case model_field::graph:
          if (model.graph) fail(ErrorCode::malformed, "there is more than one graph");
          model.graph = graph(read_view(reader));
          return true;
        default:
          return false;
      }
    });
    return model;
  }

  TensorMessage tensor(std::string_view message) {
    TensorMessage tensor;
    tensor.message = message;
    tensor.position = position_of(message);
    each_field("tensor", message, [&](pbf_reader& reader) {
      switch (reader.tag()) {
        case tensor_field::name:
          tensor.name = read_name(reader);
          return true;
        case tensor_field::data_type:
          tensor.data_type = read_small_integer(reader);
          return true;
        case tensor_field::segment:
          tensor.is_segment = true;
          return false;
        case tensor_field::raw_data:
          tensor.raw_data = read_view(reader);
          return true;
        case tensor_field::external_data:
          append(tensor.external_data, entry(read_view(reader)));
          return true;
        case tensor_field::data_location:
          tensor.is_external = read_integer(reader) != 0;
          return true;
        case tensor_field::dims:
          each_value<std::int64_t>(reader, [&](std::int64_t dimension) {
            append_limited(tensor.dims, dimension, Limit::rank, "dimensions");
          });
          return true;
        default:
          return false;
      }
    });
    return tensor;
  }

  template <class Value>
  std::vector<Value> typed_data(const TensorMessage& tensor, std::size_t count) {
    std::size_t found = 0;
    const auto each = [&](auto&& visit) {
      each_field("tensor", tensor.message, [&](pbf_reader& reader) {
        if (reader.tag() != Encoding<Value>::field) return false;
        each_value<Value>(reader, visit);
        return true;
      });
    };
    each([&](Value) { ++found; });
    if (found != count) {
      fail(ErrorCode::malformed,
           "it holds " + std::to_string(found) + " values, its shape asks for " + std::to_string(count));
    }
    std::vector<Value> values;
    values.reserve(count);
    each([&](Value value) { values.push_back(value); });
    return values;
  }

 private:
  std::pair<std::string_view, std::string_view> entry(std::string_view message) {
    std::pair<std::string_view, std::string_view> entry;
    each_field("key and value", message, [&](pbf_reader& reader) {
      switch (reader.tag()) {
        case entry_field::key:
          entry.first = read_name(reader);
          return true;
        case entry_field::value:
          entry.second = read_view(reader);
          return true;
        default:
          return false;
      }
    });
    return entry;
  }

  OperatorSet operator_set(std::string_view message) {
    OperatorSet set;
    each_field("opset_import", message, [&](pbf_reader& reader) {
      switch (reader.tag()) {
        case operator_set_field::domain:
          set.domain = read_name(reader);
          return true;
        case operator_set_field::version:
          set.version = read_integer(reader);
          return true;
        default:
          return false;
      }
    });
    return set;
  }

  FunctionMessage function(std::string_view message) {
    FunctionMessage function;
    each_field("function", message, [&](pbf_reader& reader) {
      switch (reader.tag()) {
        case function_field::name:
          function.name = read_name(reader);
          return true;
        case function_field::domain:
          function.domain = read_name(reader);
          return true;
        default:
          return false;
      }
    });
    return function;
  }

  GraphMessage graph(std::string_view message) {
    GraphMessage graph;
    each_field("graph", message, [&](pbf_reader& reader) {
      switch (reader.tag()) {
        case graph_field::name:
          graph.name = read_name(reader);
          return true;
        case graph_field::node:
          append_limited(graph.nodes, node(read_view(reader)), Limit::nodes, "nodes");
          return true;
        case graph_field::initializer:
          append_limited(graph.initializers, tensor(read_view(reader)), Limit::tensors, "initializers");
          return true;
        case graph_field::input:
          append(graph.inputs, value_info(read_view(reader)));
          return true;
        case graph_field::output:
          append(graph.outputs, value_info(read_view(reader)));
          return true;
        case graph_field::sparse_initializer:
          graph.has_sparse_initializers = true;
          return false;
        default:
          return false;
      }
    });
    return graph;
  }

  NodeMessage node(std::string_view message) {
    NodeMessage node;
    node.position = position_of(message);
    each_field("node", message, [&](pbf_reader& reader) {
      switch (reader.tag()) {
        case node_field::input:
          append(node.inputs, read_name(reader));
          return true;
        case node_field::output:
          append(node.outputs, read_name(reader));
          return true;
        case node_field::name:
          node.name = read_name(reader);
          return true;
        case node_field::op_type:
          node.op_type = read_name(reader);
          return true;
        case node_field::attribute:
          append(node.attributes, attribute(read_view(reader)));
          return true;
        case node_field::domain:
          node.domain = read_name(reader);
          return true;
        default:
          return false;
      }
    });
    return node;
  }

  AttributeMessage attribute(std::string_view message) {
    AttributeMessage attribute;
    each_field("attribute", message, [&](pbf_reader& reader) {
      switch (reader.tag()) {
        case attribute_field::name:
          attribute.name = read_name(reader);
          return true;
        case attribute_field::type:
          attribute.type = read_small_integer(reader);
          return true;
        case attribute_field::reference:
          attribute.is_reference = true;
          return false;
        case attribute_field::f:
          expect(reader, pbf_wire_type::fixed32);
          attribute.number = reader.get_float();
          return true;
        case attribute_field::i:
          attribute.integer = read_integer(reader);
          return true;
        case attribute_field::s:
          attribute.text = read_view(reader);
          return true;
        case attribute_field::t:
          attribute.tensor = read_view(reader);
          return true;
        case attribute_field::floats:
          each_value<float>(reader, [&](float value) { append(attribute.numbers, value); });
          return true;
        case attribute_field::ints:
          each_value<std::int64_t>(reader, [&](std::int64_t value) { append(attribute.integers, value); });
          return true;
        default:
          return false;
      }
    });
    return attribute;
  }

  ValueInfoMessage value_info(std::string_view message) {
    ValueInfoMessage info;
    each_field("value info", message, [&](pbf_reader& reader) {
      switch (reader.tag()) {
        case value_info_field::name:
          info.name = read_name(reader);
          return true;
        case value_info_field::type:
          type(read_view(reader), info);
          return true;
        default:
          return false;
      }
    });
    return info;
  }

  void type(std::string_view message, ValueInfoMessage& info) {
    each_field("type", message, [&](pbf_reader& reader) {
      if (reader.tag() != type_field::tensor) return false;
      info.is_tensor = true;
      each_field("tensor type", read_view(reader), [&](pbf_reader& inner) {
        switch (inner.tag()) {
          case tensor_type_field::element_type:
            info.element_type = read_small_integer(inner);
            return true;
          case tensor_type_field::shape:
            info.shape = shape(read_view(inner));
            return true;
          default:
            return false;
        }
      });
      return true;
    });
  }

  std::vector<DimensionMessage> shape(std::string_view message) {
    std::vector<DimensionMessage> dimensions;
    each_field("shape", message, [&](pbf_reader& reader) {
      if (reader.tag() != shape_field::dimension) return false;
      DimensionMessage dimension;
      each_field("dimension", read_view(reader), [&](pbf_reader& inner) {
        switch (inner.tag()) {
          case dimension_field::value:
            dimension.value = read_integer(inner);
            return true;
          case dimension_field::parameter:
            dimension.parameter = read_name(inner);
            return true;
          default:
            return false;
        }
      });
      append(dimensions, dimension);
      return true;
    });
    return dimensions;
  }
};

// Runs `parse` on a parser; whatever it throws becomes an error.
template <class T, class Parse>
Result<T> guarded(std::span<const std::byte> file, Parse&& parse) {
  Parser parser(file);
  try {
    return parse(parser);
  } catch (const ParseFailure& failure) {
    return parser.error(failure.code, failure.reason);
  } catch (const protozero::end_of_buffer_exception&) {
    return parser.error(ErrorCode::malformed,
                        "a field runs past the end of its message (truncated or not an ONNX file)");
  } catch (const protozero::varint_too_long_exception&) {
    return parser.error(ErrorCode::malformed, "a variable-length number is longer than 10 bytes");
  } catch (const protozero::unknown_pbf_wire_type_exception&) {
    return parser.error(ErrorCode::malformed, "a field has an unknown wire type (damaged or not an ONNX file)");
  } catch (const protozero::invalid_tag_exception&) {
    return parser.error(ErrorCode::malformed, "a field number is out of range (damaged or not an ONNX file)");
  } catch (const protozero::exception&) {
    return parser.error(ErrorCode::malformed, "a packed field has a length that is no multiple of its element's size");
  }
}

}  // namespace

Result<ModelMessage> parse_model(std::span<const std::byte> file) {
  return guarded<ModelMessage>(file, [](Parser& parser) { return parser.model(); });
}

Result<TensorMessage> parse_tensor(std::span<const std::byte> file, std::string_view message) {
  return guarded<TensorMessage>(file, [&](Parser& parser) { return parser.tensor(message); });
}

template <class Value>
Result<std::vector<Value>> typed_data(const TensorMessage& tensor, std::size_t count) {
  // A parser of the tensor alone, moved so that its positions are the file's.
  const auto* begin = reinterpret_cast<const std::byte*>(tensor.message.data()) - tensor.position;
  return guarded<std::vector<Value>>({begin, tensor.position + tensor.message.size()},
                                     [&](Parser& parser) { return parser.typed_data<Value>(tensor, count); });
}
template Result<std::vector<float>> typed_data(const TensorMessage&, std::size_t);
template Result<std::vector<double>> typed_data(const TensorMessage&, std::size_t);
template Result<std::vector<std::int32_t>> typed_data(const TensorMessage&, std::size_t);
template Result<std::vector<std::int64_t>> typed_data(const TensorMessage&, std::size_t);

}  // namespace residua::graph::onnx
