#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "graph/input_limits.h"
#include "graph/operators.h"
#include "graph/text.h"
#include "graph/text_reading.h"

namespace residua::graph {
namespace {

// "[item, item]", each read by `item()`.
template <class Item>
Status read_list(Cursor& cursor, Item&& item) {
  RESIDUA_RETURN_IF_ERROR(cursor.expect('['));
  cursor.skip_spaces();
  if (cursor.accept(']')) return {};
  do {
    cursor.skip_spaces();
    RESIDUA_RETURN_IF_ERROR(item());
    cursor.skip_spaces();
  } while (cursor.accept(','));
  return cursor.expect(']');
}

Result<std::int64_t> read_integer_or_symbol(Cursor& cursor) {
  if (cursor.accept('?')) return unknown_dimension;
  if (cursor.accept('N')) return batch_dimension;
  return cursor.number<std::int64_t>();
}

Result<Shape> read_shape(Cursor& cursor) {
  Shape shape;
  RESIDUA_RETURN_IF_ERROR(read_list(cursor, [&]() -> Status {
    RESIDUA_ASSIGN(const Dimension dimension, read_integer_or_symbol(cursor));
    if (!is_static(dimension) && dimension != batch_dimension && dimension != unknown_dimension) {
      return cursor.error("expected a dimension: a count, N or ?");
    }
    shape.push_back(dimension);
    return {};
  }));
  return shape;
}

Result<ElementType> read_element_type(Cursor& cursor) {
  Result<ElementType> type = parse_element_type(cursor.word());
  if (!type) return cursor.error(type.error().message);
  return type;
}

// The value of one attribute field.
Status read_field(Cursor& cursor, std::int64_t& value) {
  RESIDUA_ASSIGN(value, cursor.number<std::int64_t>());
  return {};
}
Status read_field(Cursor& cursor, double& value) {
  RESIDUA_ASSIGN(value, cursor.number<double>());
  return {};
}
Status read_field(Cursor& cursor, bool& value) {
  const std::string_view word = cursor.word();
  if (word != "true" && word != "false") return cursor.error("expected true or false");
  value = word == "true";
  return {};
}
Status read_field(Cursor& cursor, Activation& value) {
  const std::string_view word = cursor.word();
  if (word != "relu" && word != "none") return cursor.error("expected relu or none");
  value = word == "relu" ? Activation::relu : Activation::none;
  return {};
}
Status read_field(Cursor& cursor, PadMode& value) {
  const std::string_view word = cursor.word();
  for (const PadMode mode : {PadMode::constant, PadMode::reflect, PadMode::edge}) {
    if (word != name_of(mode)) continue;
    value = mode;
    return {};
  }
  return cursor.error("expected constant, reflect or edge");
}
Status read_field(Cursor& cursor, ElementType& value) {
  RESIDUA_ASSIGN(value, read_element_type(cursor));
  return {};
}
Status read_field(Cursor& cursor, std::vector<std::int64_t>& values) {
  values.clear();
  return read_list(cursor, [&]() -> Status {
    RESIDUA_ASSIGN(values.emplace_back(), read_integer_or_symbol(cursor));
    return {};
  });
}
template <std::size_t Count>
Status read_integers(Cursor& cursor, std::array<std::int64_t*, Count> targets) {
  std::vector<std::int64_t> values;
  RESIDUA_RETURN_IF_ERROR(read_field(cursor, values));
  if (values.size() != Count) return cursor.error("expected " + std::to_string(Count) + " values");
  for (std::size_t i = 0; i < Count; ++i) *targets[i] = values[i];
  return {};
}
Status read_field(Cursor& cursor, Pair& pair) { return read_integers<2>(cursor, {&pair[0], &pair[1]}); }
Status read_field(Cursor& cursor, Padding& padding) {
  return read_integers<4>(cursor, {&padding.top, &padding.left, &padding.bottom, &padding.right});
}

// name=value
Status read_attribute(Cursor& cursor, Attributes& attributes, std::unordered_set<std::string>& seen) {
  const std::string name(cursor.word());
  if (name.empty()) return cursor.error("expected an attribute");
  if (!seen.insert(name).second) return cursor.error("attribute '" + name + "' stands twice");
  RESIDUA_RETURN_IF_ERROR(cursor.expect('='));
  bool known = false;
  Status status;
  std::visit(
      [&]<class A>(A& target) {
        A::fields(target, [&](std::string_view field, auto& value) {
          if (field != name) return;
          known = true;
          status = read_field(cursor, value);
        });
      },
      attributes);
  if (!known) return cursor.error("the op has no attribute '" + name + "'");
  return status;
}

template <class Stored>
Status append_integer(Cursor& cursor, std::vector<std::byte>& bytes, std::int64_t maximum) {
  RESIDUA_ASSIGN(const auto value, cursor.number<std::int64_t>());
  const auto stored = static_cast<Stored>(value);
  if (static_cast<std::int64_t>(stored) != value || value > maximum) {
    return cursor.error(std::to_string(value) + " does not fit the type");
  }
  append_bytes(bytes, stored);
  return {};
}

// One value of a constant, as it is stored.
Status append_element(Cursor& cursor, ElementType type, std::vector<std::byte>& bytes) {
  switch (type) {
    case ElementType::int64:
      return append_integer<std::int64_t>(cursor, bytes, INT64_MAX);
    case ElementType::int32:
      return append_integer<std::int32_t>(cursor, bytes, INT32_MAX);
    case ElementType::uint8:
      return append_integer<std::uint8_t>(cursor, bytes, UINT8_MAX);
    case ElementType::int8:
      return append_integer<std::int8_t>(cursor, bytes, INT8_MAX);
    case ElementType::boolean:
      return append_integer<std::uint8_t>(cursor, bytes, 1);
    case ElementType::float64: {
      RESIDUA_ASSIGN(const auto value, cursor.number<double>());
      append_bytes(bytes, value);
      return {};
    }
    default:
      break;
  }
  RESIDUA_ASSIGN(const auto value, cursor.number<float>());
  if (type == ElementType::float32) {
    append_bytes(bytes, value);
  } else {
    append_bytes(bytes, type == ElementType::float16 ? float_to_half(value) : float_to_bfloat16(value));
  }
  return {};
}

// A constant whose text gives no values.
struct Filling {
  TensorId tensor;
  std::uint64_t seed;
};

// One line at a time; nothing here nests.
class Parser {
 public:
  Parser(std::string_view text, ConstantSource constants) : cursor_(text), source_(std::move(constants)) {}

  Result<Graph> parse() {
    bool titled = false;
    while (!cursor_.at_end()) {
      cursor_.skip_spaces();
      if (!cursor_.at_line_end() && cursor_.peek() != '#') {
        const std::string_view keyword = cursor_.word();
        cursor_.skip_spaces();
        if (titled == (keyword == "graph")) {
          return cursor_.error(titled ? "a second graph begins" : "expected the line 'graph \"name\"' first");
        }
        titled = true;
        RESIDUA_RETURN_IF_ERROR(parse_line(keyword));
      }
      RESIDUA_RETURN_IF_ERROR(cursor_.comment());
      RESIDUA_RETURN_IF_ERROR(cursor_.next_line());
    }
    if (!titled) return cursor_.error("expected the line 'graph \"name\"'");
    RESIDUA_RETURN_IF_ERROR(fill_constants());
    return std::move(graph_);
  }

 private:
  Status parse_line(std::string_view keyword) {
    if (keyword == "graph") {
      RESIDUA_ASSIGN(graph_.name, cursor_.quoted_name());
      return {};
    }
    if (keyword == "input") {
      RESIDUA_ASSIGN(const TensorId id, define_tensor());
      graph_.inputs.push_back(id);
      return {};
    }
    if (keyword == "const") return parse_constant();
    if (keyword == "node") return parse_node();
    if (keyword == "output") {
      RESIDUA_ASSIGN(const TensorId id, use_tensor());
      graph_.outputs.push_back(id);
      return {};
    }
    return cursor_.error("expected graph, input, const, node or output, not '" + std::string(keyword) + "'");
  }

  Result<std::int64_t> read_reference() {
    RESIDUA_RETURN_IF_ERROR(cursor_.expect('%'));
    return cursor_.number<std::int64_t>();
  }

  // %number of a tensor that a line above defines
  Result<TensorId> use_tensor() {
    RESIDUA_ASSIGN(const std::int64_t number, read_reference());
    const auto found = ids_.find(number);
    if (found == ids_.end()) return cursor_.error("no line above defines %" + std::to_string(number));
    return found->second;
  }

  Status within(Limit limit, std::uint64_t found, std::string_view what) const {
    if (found <= value_of(limit)) return {};
    return Error{ErrorCode::limit, cursor_.error(over_limit(limit, found, what).message).message};
  }

  // %number "name" type shape
  Result<TensorId> define_tensor() {
    RESIDUA_RETURN_IF_ERROR(within(Limit::tensors, graph_.tensors.size() + 1, "tensors"));
    RESIDUA_ASSIGN(const std::int64_t number, read_reference());
    const TensorId id = graph_.add({});
    if (!ids_.emplace(number, id).second) return cursor_.error("%" + std::to_string(number) + " is defined twice");
    Tensor& tensor = graph_.tensor(id);
    cursor_.skip_spaces();
    RESIDUA_ASSIGN(tensor.name, cursor_.quoted_name());
    cursor_.skip_spaces();
    RESIDUA_ASSIGN(tensor.type, read_element_type(cursor_));
    cursor_.skip_spaces();
    RESIDUA_ASSIGN(tensor.shape, read_shape(cursor_));
    cursor_.skip_spaces();
    return id;
  }

  Status parse_constant() {
    RESIDUA_ASSIGN(const TensorId id, define_tensor());
    Tensor& tensor = graph_.tensor(id);
    const Result<std::int64_t> count = element_count(tensor.shape);
    if (!count) return cursor_.error(count.error().message);
    const std::string_view word = cursor_.word();
    cursor_.skip_spaces();
    std::uint64_t written_digest = 0;
    if (word == "values") {
      std::vector<std::byte> bytes;
      RESIDUA_RETURN_IF_ERROR(read_list(cursor_, [&] { return append_element(cursor_, tensor.type, bytes); }));
      const std::size_t given = bytes.size() / size_of(tensor.type);
      if (given != static_cast<std::uint64_t>(*count)) {
        return cursor_.error("expected " + std::to_string(*count) + " values, not " + std::to_string(given));
      }
      tensor.constant = own_bytes(std::move(bytes));
      return {};
    }
    if (word == "digest") {
      RESIDUA_ASSIGN(written_digest, cursor_.number<std::uint64_t>(16));
    } else if (!word.empty()) {
      return cursor_.error("expected values or digest, not '" + std::string(word) + "'");
    }
    if (source_) {
      RESIDUA_ASSIGN(tensor.constant, source_(constants_++, tensor));
      return {};
    }
    if (__builtin_add_overflow(filled_elements_, *count, &filled_elements_)) filled_elements_ = INT64_MAX;
    RESIDUA_RETURN_IF_ERROR(within(Limit::random_elements, static_cast<std::uint64_t>(filled_elements_),
                                   "the constants without values: elements"));
    fillings_.push_back({id, written_digest + fillings_.size()});
    return {};
  }

  // %number "name" type shape = op(operands) attributes # name
  Status parse_node() {
    RESIDUA_RETURN_IF_ERROR(within(Limit::nodes, graph_.nodes.size() + 1, "nodes"));
    RESIDUA_ASSIGN(const TensorId output, define_tensor());
    RESIDUA_RETURN_IF_ERROR(cursor_.expect('='));
    cursor_.skip_spaces();
    const std::string_view name = cursor_.word();
    const OperatorInfo* info = find_operator(name);
    if (!info) return cursor_.error("unknown op '" + std::string(name) + "'");
    Node node{info->op, {}, {}, output, info->default_attributes};
    RESIDUA_RETURN_IF_ERROR(parse_operands(node));
    std::unordered_set<std::string> seen;
    for (cursor_.skip_spaces(); !cursor_.at_line_end() && cursor_.peek() != '#'; cursor_.skip_spaces()) {
      RESIDUA_RETURN_IF_ERROR(read_attribute(cursor_, node.attributes, seen));
    }
    RESIDUA_ASSIGN(node.name, cursor_.comment());
    // A node can't read its own output, which is defined from the next line on.
    if (std::count(node.inputs.begin(), node.inputs.end(), output) > 0) {
      return cursor_.error("the node reads its own output");
    }
    graph_.nodes.push_back(std::move(node));
    return {};
  }

  Status parse_operands(Node& node) {
    RESIDUA_RETURN_IF_ERROR(cursor_.expect('('));
    cursor_.skip_spaces();
    if (cursor_.accept(')')) return {};
    do {
      cursor_.skip_spaces();
      TensorId id = no_tensor;
      if (!cursor_.accept('_')) {
        RESIDUA_ASSIGN(id, use_tensor());
      }
      node.inputs.push_back(id);
      cursor_.skip_spaces();
    } while (cursor_.accept(','));
    return cursor_.expect(')');
  }

  Status fill_constants() {
    constexpr std::size_t variance_input = 4;
    std::unordered_set<TensorId> variances;
    for (const Node& node : graph_.nodes) {
      if (node.op == Op::batch_norm) variances.insert(node.input(variance_input));
    }
    for (const Filling& filling : fillings_) {
      Tensor& tensor = graph_.tensor(filling.tensor);
      RESIDUA_ASSIGN(const std::int64_t count, element_count(tensor.shape));
      const bool positive = variances.contains(filling.tensor);
      tensor.constant = random_values(tensor, filling.seed, static_cast<std::size_t>(count), positive);
    }
    return {};
  }

  Cursor cursor_;
  ConstantSource source_;
  std::size_t constants_ = 0;  // asked for
  Graph graph_;
  std::unordered_map<std::int64_t, TensorId> ids_;
  std::vector<Filling> fillings_;
  std::int64_t filled_elements_ = 0;
};

}  // namespace

Result<Graph> parse_text(std::string_view text) { return Parser(text, {}).parse(); }

Result<Graph> parse_text(std::string_view text, ConstantSource constants) {
  return Parser(text, std::move(constants)).parse();
}

}  // namespace residua::graph
