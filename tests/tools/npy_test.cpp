#include "tools/npy.h"

#include <doctest/doctest.h>

#include <cstring>
#include <sstream>
#include <string_view>

namespace residua::tool {
namespace {

std::string bytes_of(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// A file with this header text, as format `major`.0 has it.
std::string file_with(std::string_view header, std::string_view data, int major = 1) {
  std::string file = "\x93NUMPY";
  file += {static_cast<char>(major), '\0'};
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i) file += static_cast<char>((header.size() >> (8 * i)) & 0xFF);
  return file.append(header).append(data);
}

NpyArray read(const std::string& file) {
  std::istringstream stream(file);
  return read_npy(stream);
}

std::string error_of(const std::string& file) {
  try {
    read(file);
  } catch (const NpyError& error) {
    return error.what();
  }
  return "";
}

bool says(const std::string& file, const std::string& part) {
  const std::string message = error_of(file);
  CAPTURE(message);
  CAPTURE(part);
  return message.find(part) != std::string::npos;
}

const std::vector<float> six = {1, -2, 3.5F, 4e-30F, 5e30F, 6};

TEST_CASE("what is written is read back") {
  for (const std::vector<std::int64_t>& shape : std::vector<std::vector<std::int64_t>>{{6}, {2, 3}, {1, 2, 3, 1}}) {
    const NpyArray array = read(npy_header(shape) + bytes_of(six));
    CHECK(array.shape == shape);
    CHECK(array.values == six);
  }
  CHECK(read(npy_header({}) + bytes_of({7})).values == std::vector<float>{7});
  CHECK(read(npy_header({0, 5})).values.empty());
}

TEST_CASE("the header is the one that NumPy writes") {
  // numpy.save of zeros((2, 3), float32), NumPy 1.24: 128 bytes before the values.
  std::string expected("\x93NUMPY\x01\x00\x76\x00", 10);
  expected += "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  expected.resize(127, ' ');
  expected += '\n';
  const std::string header = npy_header({2, 3});
  CHECK(header.size() % 64 == 0);
  // NumPy leaves room for the first size to grow, so it may pad to one 64 more.
  CHECK(header.substr(10, 59) == expected.substr(10, 59));
  CHECK(header.back() == '\n');
  CHECK(read(expected + bytes_of(six)).shape == std::vector<std::int64_t>{2, 3});
}

TEST_CASE("formats 2.0 and 3.0, other key orders, spacing and quotes") {
  const std::string data = bytes_of(six);
  CHECK(read(file_with("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", data, 2)).values == six);
  CHECK(read(file_with("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", data, 3)).values == six);
  CHECK(read(file_with("{\"shape\":(6,),\"descr\":\"<f4\",\"fortran_order\":False}", data)).values == six);
  CHECK(read(file_with(" { 'shape' : ( 3 , 2 ) , 'fortran_order' : False , 'descr' : '<f4' } ", data)).values == six);
  // One dimension is the same in both orders.
  CHECK(read(file_with("{'descr': '<f4', 'fortran_order': True, 'shape': (6,)}", data)).values == six);
}

TEST_CASE("values that are something else are refused with what they are") {
  const std::string data = bytes_of(six);
  CHECK(says(file_with("{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}", data), "'<f8'"));
  CHECK(says(file_with("{'descr': '>f4', 'fortran_order': False, 'shape': (6,)}", data), "'<f4') expected"));
  CHECK(says(file_with("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,)}", data), "structured"));
  CHECK(says(file_with("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}", data), "Fortran"));
}

TEST_CASE("malformed headers are refused") {
  const auto malformed = [](std::string_view header) { return error_of(file_with(header, bytes_of(six))); };
  for (const std::string_view header : {
           "",
           "{",
           "}",
           "{}",
           "[]",
           "{'descr'",
           "{'descr':",
           "{'descr': '<f4",
           "{'descr': '<f4'}",
           "{'shape': (2, 3)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} x",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (-6,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (6.0,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': 6}",
           "{'descr': '<f4', 'fortran_order': 0, 'shape': (6,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'more': 1}",
           "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}",
       }) {
    CAPTURE(header);
    CHECK(malformed(header) != "");
  }
  CHECK(says("", "ends inside the format's mark: 0 of 8 bytes"));
  CHECK(says("\x89PNG\r\n\x1a\n data", "is not a .npy file"));
  CHECK(says(file_with("{}", "", 4), "format 4.0"));
  CHECK(says(std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12),
             "bytes of its header: 4294967295, more than the limit array_header_bytes=65536"));
}

TEST_CASE("a file cut anywhere is refused, and so is one that goes on") {
  const std::string file = npy_header({2, 3}) + bytes_of(six);
  for (std::size_t size = 0; size < file.size(); ++size) {
    CAPTURE(size);
    CHECK(error_of(file.substr(0, size)) != "");
  }
  CHECK(error_of(file) == "");
  CHECK(says(file.substr(0, file.size() - 1), "takes 6 values, 5 are there"));
  CHECK(says(file + "x", "goes on behind its last value"));
}

TEST_CASE("a shape that is claimed costs no memory until its bytes are there") {
  CHECK(says(npy_header({1'000'000, 1'000'000}) + bytes_of(six), "6 are there"));
  CHECK(says(npy_header({INT64_MAX, INT64_MAX}), "more than memory can hold"));
  CHECK(says(npy_header({INT64_MAX, 2}), "more than memory can hold"));
}

}  // namespace
}  // namespace residua::tool
