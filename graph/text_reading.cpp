#include "graph/text_reading.h"

#include <cmath>

#include "graph/text.h"

namespace residua::graph {
namespace {

// splitmix64, as uniform numbers in [0, 1)
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  double next() {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t bits = state_;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return static_cast<double>((bits ^ (bits >> 31)) >> 11) * 0x1p-53;
  }

 private:
  std::uint64_t state_;
};

}  // namespace

Status Cursor::next_line() {
  skip_spaces();
  accept('\r');
  if (at_end()) return {};
  RESIDUA_RETURN_IF_ERROR(expect('\n'));
  ++line_;
  line_start_ = position_;
  return {};
}

std::string_view Cursor::word() {
  const std::size_t begin = position_;
  const auto belongs = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '+' || c == '-';
  };
  while (!at_end() && belongs(text_[position_])) ++position_;
  return text_.substr(begin, position_ - begin);
}

Result<std::string> Cursor::quoted_name() {
  RESIDUA_RETURN_IF_ERROR(expect('"'));
  RESIDUA_ASSIGN(std::string name, unescaped('"'));
  RESIDUA_RETURN_IF_ERROR(expect('"'));
  return name;
}

Result<std::string> Cursor::comment() {
  skip_spaces();
  if (!accept('#')) return std::string();
  accept(' ');
  return unescaped('\n');
}

Error Cursor::error(const std::string& what) const {
  const std::string found = at_line_end() ? "the end of the line" : quoted(text_.substr(position_, 1));
  return {ErrorCode::malformed, "graph text, line " + std::to_string(line_) + ", column " +
                                    std::to_string(position_ - line_start_ + 1) + ": " + what + "; found " + found};
}

Result<std::string> Cursor::unescaped(char end) {
  std::string name;
  while (!at_line_end() && peek() != end) {
    const char character = text_[position_++];
    if (character != '\\') {
      name += character;
    } else if (peek() == '"' || peek() == '\\') {
      name += text_[position_++];
    } else {
      unsigned byte = 0;
      const std::string_view digits = text_.substr(position_, 3);  // xHH
      const bool complete = digits.size() == 3 && digits[0] == 'x';
      if (!complete || std::from_chars(digits.data() + 1, digits.data() + 3, byte, 16).ptr != digits.data() + 3) {
        return error("expected \\\", \\\\ or \\xHH");
      }
      name += static_cast<char>(byte);
      position_ += digits.size();
    }
  }
  return name;
}

ConstantData own_bytes(std::vector<std::byte> bytes) {
  bytes.reserve(1);  // never null, so that a constant without elements is a constant too
  const std::size_t size = bytes.size();
  auto storage = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return {std::shared_ptr<const std::byte>(storage, storage->data()), size};
}

ConstantData random_values(const Tensor& tensor, std::uint64_t seed, std::size_t count, bool positive) {
  // Of a layer's weight so many values are summed up: dividing by their root keeps activations near one.
  double scale = 0.5;
  if (tensor.shape.size() >= 2 && tensor.shape[0] > 0 && count > 0) {
    scale = std::sqrt(3.0 * static_cast<double>(tensor.shape[0]) / static_cast<double>(count));
  }
  Random random(seed);
  std::vector<std::byte> bytes;
  bytes.reserve(count * size_of(tensor.type));
  for (std::size_t i = 0; i < count; ++i) {
    const double uniform = random.next();
    const double value = positive ? 0.5 + uniform : scale * (2 * uniform - 1);
    switch (tensor.type) {
      case ElementType::float32:
        append_bytes(bytes, static_cast<float>(value));
        break;
      case ElementType::float64:
        append_bytes(bytes, value);
        break;
      case ElementType::float16:
        append_bytes(bytes, float_to_half(static_cast<float>(value)));
        break;
      case ElementType::bfloat16:
        append_bytes(bytes, float_to_bfloat16(static_cast<float>(value)));
        break;
      default: {  // 0 and 1, little-endian, whatever the width
        const std::size_t end = bytes.size();
        bytes.resize(end + size_of(tensor.type));
        bytes[end] = uniform < 0.5 ? std::byte{0} : std::byte{1};
      }
    }
  }
  return own_bytes(std::move(bytes));
}

}  // namespace residua::graph
