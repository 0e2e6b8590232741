#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "graph/operators.h"
#include "graph/text.h"

namespace residua::graph {
namespace {

// The shortest text that reads back to the same value.
template <class Number>
std::string shortest(Number value) {
  if constexpr (std::is_floating_point_v<Number>) {
    if (std::isnan(value)) return "nan";  // whatever its sign and payload
  }
  char buffer[64];
  const std::to_chars_result result = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, result.ptr};
}

template <class Values, class Write>
std::string list(const Values& values, Write write) {
  std::string text = "[";
  for (const auto& value : values) {
    if (text.size() > 1) text += ", ";
    text += write(value);
  }
  return text + "]";
}

// A name with everything escaped that would end its line or change the look of a terminal.
std::string escaped(std::string_view name) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char character : name) {
    const auto byte = static_cast<unsigned char>(character);
    if (character == '"' || character == '\\') {
      text += '\\';
      text += character;
    } else if (byte < 0x20 || byte == 0x7f) {
      text += "\\x";
      text += digits[byte >> 4];
      text += digits[byte & 15];
    } else {
      text += character;
    }
  }
  return text;
}

std::string field_text(std::int64_t value) { return std::to_string(value); }
std::string field_text(double value) { return shortest(value); }
std::string field_text(bool value) { return value ? "true" : "false"; }
std::string field_text(Activation value) { return value == Activation::relu ? "relu" : "none"; }
std::string field_text(PadMode value) { return std::string(name_of(value)); }
std::string field_text(ElementType value) { return std::string(name_of(value)); }
std::string field_text(const Pair& value) { return list(value, shortest<std::int64_t>); }
std::string field_text(const Padding& value) {
  return list(std::array{value.top, value.left, value.bottom, value.right}, shortest<std::int64_t>);
}
std::string field_text(const std::vector<std::int64_t>& value) { return list(value, shortest<std::int64_t>); }

// " name=value" for every field.
template <class A>
std::vector<std::string> field_texts(const A& attributes) {
  std::vector<std::string> texts;
  A::fields(attributes, [&texts](std::string_view name, const auto& value) {
    std::string text;
    if constexpr (std::is_same_v<A, ReshapeAttributes>) {
      text = to_string(value);  // a shape, which may hold symbols
    } else {
      text = field_text(value);
    }
    texts.push_back(" " + std::string(name) + "=" + text);
  });
  return texts;
}

std::string attributes_text(const Attributes& attributes) {
  return std::visit(
      []<class A>(const A& given) {
        const std::vector<std::string> texts = field_texts(given);
        const std::vector<std::string> defaults = field_texts(A{});
        std::string text;
        for (std::size_t i = 0; i < texts.size(); ++i) {
          if (texts[i] != defaults[i]) text += texts[i];
        }
        return text;
      },
      attributes);
}

std::string values_text(const Tensor& tensor) {
  if (!is_floating_point(tensor.type)) return list(read_integers(tensor), shortest<std::int64_t>);
  if (tensor.type == ElementType::float64) {  // read_floats would round
    std::vector<double> values(tensor.constant.size / sizeof(double));
    if (!values.empty()) std::memcpy(values.data(), tensor.constant.bytes.get(), tensor.constant.size);
    return list(values, shortest<double>);
  }
  return list(read_floats(tensor), shortest<float>);
}

std::string hexadecimal(std::uint64_t value) {
  char buffer[16];
  const std::to_chars_result result = std::to_chars(buffer, buffer + sizeof buffer, value, 16);
  const std::string digits(buffer, result.ptr);
  return std::string(sizeof buffer - digits.size(), '0') + digits;
}

class Writer {
 public:
  Writer(const Graph& graph, const TextOptions& options)
      : graph_(graph), options_(options), numbers_(graph.tensors.size(), -1) {}

  std::string write() {
    text_ = "graph " + quoted(graph_.name) + "\n";
    for (const TensorId id : graph_.inputs) line("input ", reference(id) + declaration(id));
    for (const Node& node : graph_.nodes) write_node(node);
    for (const TensorId id : graph_.outputs) {
      introduce_constant(id);
      line("output", reference(id));
    }
    return std::move(text_);
  }

 private:
  bool exists(TensorId id) const { return id >= 0 && static_cast<std::size_t>(id) < graph_.tensors.size(); }

  void line(std::string_view keyword, const std::string& content) {
    text_ += keyword;
    text_ += ' ';
    text_ += content;
    text_ += '\n';
  }

  // Numbers are given in order of appearance. Broken graphs are written too: the text is what shows the damage.
  std::string reference(TensorId id) {
    if (id == no_tensor) return "_";
    if (!exists(id)) return "%?";
    int& number = numbers_[static_cast<std::size_t>(id)];
    if (number < 0) number = next_number_++;
    return "%" + std::to_string(number);
  }

  std::string declaration(TensorId id) const {
    if (!exists(id)) return "";
    const Tensor& tensor = graph_.tensor(id);
    return " " + quoted(tensor.name) + " " + std::string(name_of(tensor.type)) + " " + to_string(tensor.shape);
  }

  // A constant's line stands before the first line that uses it.
  void introduce_constant(TensorId id) {
    if (!exists(id) || !graph_.tensor(id).is_constant() || numbers_[static_cast<std::size_t>(id)] >= 0) return;
    const Tensor& tensor = graph_.tensor(id);
    std::string content = reference(id) + declaration(id);
    if (options_.digests) {
      const std::size_t elements = tensor.constant.size / size_of(tensor.type);
      if (elements <= options_.constant_values_up_to && check_constant(tensor)) {
        content += " values " + values_text(tensor);
      } else {
        content += " digest " + hexadecimal(digest(tensor));
      }
    }
    line("const ", content);
  }

  void write_node(const Node& node) {
    std::size_t count = node.inputs.size();
    while (count > 0 && node.inputs[count - 1] == no_tensor) --count;  // says the same as leaving it off
    const std::span<const TensorId> inputs(node.inputs.data(), count);
    for (const TensorId id : inputs) introduce_constant(id);
    const std::string operands = list(inputs, [this](TensorId id) { return reference(id); });
    std::string content = reference(node.output) + declaration(node.output) + " = " +
                          std::string(info_of(node.op).name) + "(" + operands.substr(1, operands.size() - 2) + ")" +
                          attributes_text(node.attributes);
    if (!node.name.empty()) content += "  # " + escaped(node.name);
    line("node  ", content);
  }

  const Graph& graph_;
  const TextOptions& options_;
  std::vector<int> numbers_;
  int next_number_ = 0;
  std::string text_;
};

}  // namespace

std::string quoted(std::string_view name) { return "\"" + escaped(name) + "\""; }

std::string to_text(const Graph& graph, const TextOptions& options) { return Writer(graph, options).write(); }

std::vector<TensorId> constants_in_order(const Graph& graph) {
  std::vector<bool> seen(graph.tensors.size(), false);
  std::vector<TensorId> order;
  const auto visit = [&](TensorId id) {
    if (id < 0 || !graph.tensor(id).is_constant() || seen[static_cast<std::size_t>(id)]) return;
    seen[static_cast<std::size_t>(id)] = true;
    order.push_back(id);
  };
  for (const Node& node : graph.nodes) std::for_each(node.inputs.begin(), node.inputs.end(), visit);
  std::for_each(graph.outputs.begin(), graph.outputs.end(), visit);
  return order;
}

std::uint64_t digest(const Tensor& tensor) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  // A word's upper bits reach the lower half of the hash by the shift only: FNV's product carries upwards.
  const auto mix = [&hash](std::uint64_t word) {
    hash = (hash ^ word) * 0x100000001b3u;
    hash ^= hash >> 32;
  };
  for (const char character : name_of(tensor.type)) mix(static_cast<unsigned char>(character));
  for (const Dimension dimension : tensor.shape) mix(static_cast<std::uint64_t>(dimension));
  const auto mix_bytes = [&mix](std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      std::uint64_t word = 0;
      const std::size_t step = std::min(bytes.size(), sizeof word);
      std::memcpy(&word, bytes.data(), step);
      mix(word);
      bytes = bytes.subspan(step);
    }
  };
  if (!tensor.constant.row_scale) {
    mix_bytes(tensor.constant.span());
    return hash;
  }
  // Of the values, in pieces of whole words: as if they had been stored scaled.
  std::vector<float> piece(4096);
  const std::size_t count = tensor.constant.size / sizeof(float);
  for (std::size_t i = 0; i < count; i += piece.size()) {
    const std::span<float> values(piece.data(), std::min(piece.size(), count - i));
    read_floats(tensor, i, values);
    mix_bytes(std::as_bytes(values));
  }
  return hash;
}

}  // namespace residua::graph
