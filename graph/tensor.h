// Element types, shapes and constant data: what the graph says about a tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/result.h"

namespace residua::graph {

enum class ElementType : std::uint8_t { float32, float64, float16, bfloat16, int64, int32, uint8, int8, boolean };

std::string_view name_of(ElementType type);
Result<ElementType> parse_element_type(std::string_view name);
std::size_t size_of(ElementType type);
bool is_floating_point(ElementType type);

// A dimension is a count >= 0, or one of two symbols that get their value when a plan is made.
using Dimension = std::int64_t;
inline constexpr Dimension batch_dimension = INT64_MIN;        // "N": the images of one run, known by no file
inline constexpr Dimension unknown_dimension = INT64_MIN + 1;  // "?": an image's height or width, or what follows

inline bool is_static(Dimension dimension) { return dimension >= 0; }

using Shape = std::vector<Dimension>;

bool is_static(const Shape& shape);
// "[N, 3, 224, 224]"
std::string to_string(const Shape& shape);
// The product of all dimensions; an error where one is symbolic or the product leaves int64.
Result<std::int64_t> element_count(const Shape& shape);

class FileMapping;

// Bytes of a constant: a piece of a mapped file or of a buffer, kept alive by the shared pointer. Little-endian, dense,
// row-major in the tensor's logical shape, and not necessarily aligned (files promise nothing). They need not be the
// values yet, so read them through read_floats / read_integers.
struct ConstantData {
  std::shared_ptr<const std::byte> bytes;
  std::size_t size = 0;
  // The mapping that the bytes are a piece of (and keep alive); nullptr: they lie in memory of their own.
  const FileMapping* file = nullptr;
  // float32 only, one factor for each index of dimension 0: a value is the stored float times its row's factor, rounded
  // once. So a layer takes in what follows it without a copy of its weights. nullptr: the values are as stored.
  std::shared_ptr<const std::vector<double>> row_scale = nullptr;

  explicit operator bool() const { return bytes != nullptr; }
  std::span<const std::byte> span() const { return {bytes.get(), size}; }
};

struct Tensor {
  std::string name;
  ElementType type = ElementType::float32;
  Shape shape;
  ConstantData constant;  // empty for a tensor that a node or the caller fills

  bool is_constant() const { return static_cast<bool>(constant); }
};

Tensor make_float_constant(std::string name, Shape shape, const std::vector<float>& values);
Tensor make_integer_constant(std::string name, Shape shape, const std::vector<std::int64_t>& values);

// The values of a constant of any floating-point type, widened (or, from float64, rounded) to float.
// The tensor must be a constant whose size fits its shape: verify() sees to that; otherwise InternalError.
std::vector<float> read_floats(const Tensor& tensor);
// As many of them as `values` has room for, from element `first` on; all must be there.
void read_floats(const Tensor& tensor, std::size_t first, std::span<float> values);
// The values of a constant where they lie, if they lie in memory just as read_floats would give them: float32, aligned,
// unscaled. Empty otherwise.
std::span<const float> floats_in_place(const Tensor& tensor);
// The values of a constant of an integer or boolean type.
std::vector<std::int64_t> read_integers(const Tensor& tensor);
// That a constant's shape is static, its bytes are as many as shape and type ask for, and its row factors as many as
// its rows; says what was found otherwise.
Status check_constant(const Tensor& tensor);

float half_to_float(std::uint16_t bits);
float bfloat16_to_float(std::uint16_t bits);
// Rounded to nearest, ties to even; NaN stays NaN.
std::uint16_t float_to_half(float value);
std::uint16_t float_to_bfloat16(float value);

}  // namespace residua::graph
