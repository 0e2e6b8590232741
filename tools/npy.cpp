#include "tools/npy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <istream>
#include <optional>
#include <string_view>

#include "residua/residua.hpp"

namespace residua::tool {
namespace {

static_assert(std::endian::native == std::endian::little, "values are copied as they lie in the file");

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t values_at_a_time = std::size_t{1} << 22;  // 16 MiB: what a false header can cost

[[noreturn]] void fail(const std::string& message) { throw NpyError(message); }

// Reads up to `size` bytes; fewer only at the end of the file.
std::size_t read_up_to(std::istream& stream, char* bytes, std::size_t size) {
  stream.read(bytes, static_cast<std::streamsize>(size));
  if (stream.bad()) fail("cannot be read");
  return static_cast<std::size_t>(stream.gcount());
}

std::string read_exactly(std::istream& stream, std::size_t size, const std::string& what) {
  std::string bytes(size, '\0');
  const std::size_t found = read_up_to(stream, bytes.data(), size);
  if (found != size) {
    fail("ends inside " + what + ": " + std::to_string(found) + " of " + std::to_string(size) + " bytes are there");
  }
  return bytes;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (const std::int64_t size : shape) text += std::to_string(size) + (shape.size() == 1 ? "," : ", ");
  if (shape.size() > 1) text.resize(text.size() - 2);
  return text + ")";
}

// The header is a Python dictionary of three known keys: {'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  // The shape; the other two keys must be as read_npy promises.
  std::vector<std::int64_t> parse() {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr") {
        once(type_, key, type());
      } else if (key == "fortran_order") {
        once(fortran_order_, key, boolean());
      } else if (key == "shape") {
        once(shape_, key, tuple());
      } else {
        fail_here("unknown key '" + std::string(key) + "'");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_spaces();
    if (position_ != text_.size()) fail_here("text behind the dictionary");
    if (!type_ || !fortran_order_ || !shape_) fail("header without one of 'descr', 'fortran_order' and 'shape'");
    if (*type_ != "<f4") fail("holds values of type '" + *type_ + "': float32 ('<f4') expected");
    if (*fortran_order_ && shape_->size() > 1) fail("is in Fortran order: C order expected (numpy.ascontiguousarray)");
    return *shape_;
  }

 private:
  template <class T>
  void once(std::optional<T>& target, std::string_view key, T value) {
    if (target) fail_here("'" + std::string(key) + "' stands twice");
    target = std::move(value);
  }

  void skip_spaces() {
    while (position_ < text_.size() && std::string_view(" \t\r\n").find(text_[position_]) != std::string_view::npos)
      ++position_;
  }

  bool accept(char wanted) {
    skip_spaces();
    if (position_ == text_.size() || text_[position_] != wanted) return false;
    ++position_;
    return true;
  }

  void expect(char wanted) {
    if (!accept(wanted)) fail_here(std::string("'") + wanted + "' expected");
  }

  std::string_view quoted() {
    skip_spaces();
    if (position_ == text_.size() || (text_[position_] != '\'' && text_[position_] != '"')) {
      fail_here("a quoted word expected");
    }
    const std::size_t end = text_.find(text_[position_], position_ + 1);
    if (end == std::string_view::npos) fail_here("a quote without its end");
    const std::string_view word = text_.substr(position_ + 1, end - position_ - 1);
    position_ = end + 1;
    return word;
  }

  std::string type() {
    if (accept('[')) fail("holds a structured type: float32 ('<f4') expected");
    return std::string(quoted());
  }

  bool boolean() {
    skip_spaces();
    for (const auto& [word, value] : {std::pair{std::string_view("True"), true}, {std::string_view("False"), false}}) {
      if (!text_.substr(position_).starts_with(word)) continue;
      position_ += word.size();
      return value;
    }
    fail_here("True or False expected");
  }

  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> sizes;
    expect('(');
    while (!accept(')')) {
      skip_spaces();
      std::int64_t size = 0;
      const auto [end, error] = std::from_chars(text_.data() + position_, text_.data() + text_.size(), size);
      if (error != std::errc() || size < 0) fail_here("a size from 0 to 2^63 - 1 expected");
      sizes.push_back(size);
      position_ = static_cast<std::size_t>(end - text_.data());
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return sizes;
  }

  [[noreturn]] void fail_here(const std::string& message) {
    fail("malformed header: " + message + " at character " + std::to_string(position_));
  }

  std::string_view text_;
  std::size_t position_ = 0;
  std::optional<std::string> type_;
  std::optional<bool> fortran_order_;
  std::optional<std::vector<std::int64_t>> shape_;
};

std::size_t header_size(std::istream& stream) {
  const std::string start = read_exactly(stream, magic.size() + 2, "the format's mark");
  if (!start.starts_with(magic)) fail("is not a .npy file: \"\\x93NUMPY\" expected at its start");
  const int major = static_cast<unsigned char>(start[magic.size()]);
  const int minor = static_cast<unsigned char>(start[magic.size() + 1]);
  if (major < 1 || major > 3 || minor != 0) {
    fail("has .npy format " + std::to_string(major) + "." + std::to_string(minor) + ": 1.0, 2.0 or 3.0 expected");
  }
  std::size_t size = 0;
  const std::string field = read_exactly(stream, major == 1 ? 2 : 4, "the header's size");
  for (auto byte = field.rbegin(); byte != field.rend(); ++byte) size = size * 256 + static_cast<unsigned char>(*byte);
  try {
    check_limit("array_header_bytes", size, "bytes of its header");
  } catch (const Error& error) {
    fail(error.what());
  }
  return size;
}

}  // namespace

NpyArray read_npy(std::istream& stream) {
  const std::string header = read_exactly(stream, header_size(stream), "the header");
  NpyArray array;
  array.shape = HeaderParser(header).parse();

  std::size_t count = 1;
  bool overflow = false;
  for (const std::int64_t size : array.shape) overflow |= __builtin_mul_overflow(count, size, &count);
  // A size of 0 makes the product 0, whatever overflowed before it: NumPy reads that as an empty array, as is done
  // here.
  if (std::find(array.shape.begin(), array.shape.end(), 0) != array.shape.end()) {
    count = 0;
  } else if (overflow || count > array.values.max_size()) {
    fail("claims a shape of " + shape_text(array.shape) + ", more than memory can hold");
  }

  while (array.values.size() < count) {
    const std::size_t done = array.values.size();
    const std::size_t wanted = std::min(count - done, values_at_a_time);
    array.values.resize(done + wanted);
    const std::size_t found =
        read_up_to(stream, static_cast<char*>(static_cast<void*>(array.values.data() + done)), wanted * sizeof(float));
    if (found != wanted * sizeof(float)) {
      fail("is cut short: shape " + shape_text(array.shape) + " takes " + std::to_string(count) + " values, " +
           std::to_string(done + found / sizeof(float)) + " are there");
    }
  }
  std::array<char, 1> behind{};
  if (read_up_to(stream, behind.data(), behind.size()) != 0) {
    fail("goes on behind its last value: shape " + shape_text(array.shape) + " takes " + std::to_string(count) +
         " values");
  }
  return array;
}

std::string npy_header(const std::vector<std::int64_t>& shape) {
  std::string dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape_text(shape) + ", }";
  // Padded so that the values start at a multiple of 64 bytes, as the format asks.
  const std::size_t before = magic.size() + 4;
  const std::size_t unpadded = before + dictionary.size() + 1;
  dictionary.append((64 - unpadded % 64) % 64, ' ');
  dictionary += '\n';
  std::string header(magic);
  header += {'\x01', '\x00'};
  header += static_cast<char>(dictionary.size() & 0xFF);
  header += static_cast<char>(dictionary.size() >> 8);
  return header + dictionary;
}

}  // namespace residua::tool
