// What the text parser stands on: a cursor over the text, and constants made of what it reads. Private to the graph
// core.
#pragma once

#include <charconv>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "graph/tensor.h"

namespace residua::graph {

// Reads tokens of the text and knows where it stands.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  bool at_end() const { return position_ == text_.size(); }
  bool at_line_end() const { return at_end() || text_[position_] == '\n' || text_[position_] == '\r'; }
  char peek() const { return at_end() ? '\0' : text_[position_]; }

  void skip_spaces() {
    while (peek() == ' ' || peek() == '\t') ++position_;
  }

  bool accept(char expected) {
    if (at_end() || text_[position_] != expected) return false;
    ++position_;
    return true;
  }

  Status expect(char expected) {
    if (accept(expected)) return {};
    return error("expected '" + std::string(1, expected) + "'");
  }

  // To the first character of the next line. Nothing but the end of the line may be left on this one.
  Status next_line();

  // Letters, digits, '_', and what numbers have besides: '.', '+', '-'.
  std::string_view word();

  template <class Number>
  Result<Number> number(int base = 10) {
    const std::size_t begin = position_;
    const std::string_view token = word();
    Number value{};
    std::from_chars_result result{};
    if constexpr (std::is_floating_point_v<Number>) {
      result = std::from_chars(token.data(), token.data() + token.size(), value);
    } else {
      result = std::from_chars(token.data(), token.data() + token.size(), value, base);
    }
    if (result.ec == std::errc{} && result.ptr == token.data() + token.size()) return value;
    position_ = begin;
    return error(result.ec == std::errc::result_out_of_range ? "the number is out of range" : "expected a number");
  }

  Result<std::string> quoted_name();

  // A comment, if there is one: the characters behind "# ", to the end of the line.
  Result<std::string> comment();

  // The error at the place where the cursor stands.
  Error error(const std::string& what) const;

 private:
  // Up to the line's end or an unescaped `end`; '\n' for none.
  Result<std::string> unescaped(char end);

  std::string_view text_;
  std::size_t position_ = 0;
  std::size_t line_ = 1;
  std::size_t line_start_ = 0;
};

template <class Stored>
void append_bytes(std::vector<std::byte>& bytes, Stored value) {
  const std::size_t end = bytes.size();
  bytes.resize(end + sizeof value);
  std::memcpy(bytes.data() + end, &value, sizeof value);
}

// Data of its own, never null.
ConstantData own_bytes(std::vector<std::byte> bytes);

// Random values for `tensor`, whose shape holds `count` elements: the same for the same seed on every run, small, for a
// weight the smaller the more of them a layer sums up; or all positive. Integers are 0 or 1.
ConstantData random_values(const Tensor& tensor, std::uint64_t seed, std::size_t count, bool positive);

}  // namespace residua::graph
