// NumPy's .npy files of float32: the format of `residua run`.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <stdexcept>
#include <string>
#include <vector>

namespace residua::tool {

struct NpyArray {
  std::vector<std::int64_t> shape;  // C order; empty: a single value
  std::vector<float> values;        // the product of `shape`
};

// Says what was found, what was expected and, where it helps, at which byte; does not name the file.
class NpyError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Reads one array: format 1.0, 2.0 or 3.0, '<f4', C order, and nothing behind it. Memory grows with the bytes that are
// really there, whatever the header claims. Throws NpyError.
NpyArray read_npy(std::istream& stream);

// The bytes before the values of a float32 array of that shape in C order, format 1.0.
std::string npy_header(const std::vector<std::int64_t>& shape);

}  // namespace residua::tool
