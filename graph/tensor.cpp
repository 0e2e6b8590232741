#include "graph/tensor.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "graph/text.h"

namespace residua::graph {
namespace {

static_assert(std::endian::native == std::endian::little, "constants are little-endian and read as they lie");

struct ElementTypeInfo {
  std::string_view name;
  std::size_t size;
  bool floating_point;
};

// In the order of ElementType.
constexpr std::array<ElementTypeInfo, 9> element_types{{
    {"float32", 4, true},
    {"float64", 8, true},
    {"float16", 2, true},
    {"bfloat16", 2, true},
    {"int64", 8, false},
    {"int32", 4, false},
    {"uint8", 1, false},
    {"int8", 1, false},
    {"boolean", 1, false},
}};
static_assert(element_types[static_cast<std::size_t>(ElementType::boolean)].name == "boolean");

const ElementTypeInfo& info_of(ElementType type) { return element_types.at(static_cast<std::size_t>(type)); }

std::string describe(const Tensor& tensor) {
  return "constant " + quoted(tensor.name) + " of type " + std::string(name_of(tensor.type)) + " " +
         to_string(tensor.shape);
}

// Fills `elements` with those from element `first` on, read as Stored wherever they lie and turned into Elements.
template <class Stored, class Element, class Convert>
void read_elements(const ConstantData& data, std::size_t first, std::span<Element> elements, Convert convert) {
  const std::byte* bytes = data.bytes.get() + first * sizeof(Stored);
  for (Element& element : elements) {
    Stored stored;
    std::memcpy(&stored, bytes, sizeof stored);
    bytes += sizeof stored;
    element = convert(stored);
  }
}

template <class Stored, class Convert>
std::vector<std::int64_t> read_all_integers(const ConstantData& data, Convert convert) {
  std::vector<std::int64_t> integers(data.size / sizeof(Stored));
  read_elements<Stored>(data, 0, std::span(integers), convert);
  return integers;
}

// `values` are those from element `first` on.
void scale_rows(const Tensor& tensor, std::size_t first, std::span<float> values) {
  const std::vector<double>& scale = *tensor.constant.row_scale;
  const std::size_t row_length = tensor.constant.size / sizeof(float) / std::max<std::size_t>(scale.size(), 1);
  while (!values.empty()) {
    const std::size_t row = first / row_length;
    const std::size_t count = std::min(values.size(), (row + 1) * row_length - first);
    const double factor = scale[row];
    for (float& value : values.first(count)) value = static_cast<float>(static_cast<double>(value) * factor);
    values = values.subspan(count);
    first += count;
  }
}

template <class Element>
ConstantData own(const std::vector<Element>& values) {
  // Never null, so that a constant without elements is a constant too.
  auto storage = std::make_shared<std::vector<Element>>(values);
  storage->reserve(1);
  const std::byte* bytes = reinterpret_cast<const std::byte*>(storage->data());
  return {std::shared_ptr<const std::byte>(std::move(storage), bytes), values.size() * sizeof(Element)};
}

template <class Element>
Tensor make_constant(std::string name, ElementType type, Shape shape, const std::vector<Element>& values) {
  Tensor tensor{std::move(name), type, std::move(shape), own(values)};
  if (const Status status = check_constant(tensor); !status) throw InternalError(status.error().message);
  return tensor;
}

void require_fitting_constant(const Tensor& tensor) {
  if (const Status status = check_constant(tensor); !status) throw InternalError(status.error().message);
}

}  // namespace

std::string_view name_of(ElementType type) { return info_of(type).name; }

Result<ElementType> parse_element_type(std::string_view name) {
  for (std::size_t i = 0; i < element_types.size(); ++i) {
    if (element_types[i].name == name) return static_cast<ElementType>(i);
  }
  return Error{ErrorCode::malformed, "unknown element type '" + std::string(name) + "'"};
}

std::size_t size_of(ElementType type) { return info_of(type).size; }

bool is_floating_point(ElementType type) { return info_of(type).floating_point; }

bool is_static(const Shape& shape) {
  for (const Dimension dimension : shape) {
    if (!is_static(dimension)) return false;
  }
  return true;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (const Dimension dimension : shape) {
    if (text.size() > 1) text += ", ";
    if (dimension == batch_dimension) {
      text += 'N';
    } else if (dimension == unknown_dimension) {
      text += '?';
    } else {
      text += std::to_string(dimension);
    }
  }
  return text + "]";
}

Result<std::int64_t> element_count(const Shape& shape) {
  // Zeros are left out of the product, so that strides of an empty tensor can't overflow either.
  std::int64_t product = 1;
  bool empty = false;
  for (const Dimension dimension : shape) {
    if (dimension < 0) {
      return Error{ErrorCode::mismatch, "shape " + to_string(shape) + " has no element count: it is not static"};
    }
    if (dimension == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(product, dimension, &product)) {
      return Error{ErrorCode::limit, "shape " + to_string(shape) + " has more elements than 64 bits can count"};
    }
  }
  return empty ? 0 : product;
}

Tensor make_float_constant(std::string name, Shape shape, const std::vector<float>& values) {
  return make_constant(std::move(name), ElementType::float32, std::move(shape), values);
}

Tensor make_integer_constant(std::string name, Shape shape, const std::vector<std::int64_t>& values) {
  return make_constant(std::move(name), ElementType::int64, std::move(shape), values);
}

Status check_constant(const Tensor& tensor) {
  if (!tensor.is_constant()) return Error{ErrorCode::malformed, describe(tensor) + " holds no data"};
  const Result<std::int64_t> count = element_count(tensor.shape);
  if (!count) return Error{count.error().code, describe(tensor) + ": " + count.error().message};
  std::size_t expected = 0;
  if (__builtin_mul_overflow(*count, size_of(tensor.type), &expected)) {
    return Error{ErrorCode::limit, describe(tensor) + " is larger than memory can be"};
  }
  if (tensor.constant.size != expected) {
    return Error{ErrorCode::malformed, describe(tensor) + " holds " + std::to_string(tensor.constant.size) +
                                           " bytes; expected " + std::to_string(expected)};
  }
  const auto& scale = tensor.constant.row_scale;
  if (!scale) return {};
  if (tensor.type != ElementType::float32 || tensor.shape.empty() ||
      scale->size() != static_cast<std::size_t>(tensor.shape[0])) {
    return Error{ErrorCode::malformed, describe(tensor) + " has " + std::to_string(scale->size()) +
                                           " row factors; expected one a row of a float32 constant"};
  }
  return {};
}

std::vector<float> read_floats(const Tensor& tensor) {
  std::vector<float> values(tensor.constant.size / size_of(tensor.type));
  read_floats(tensor, 0, values);
  return values;
}

void read_floats(const Tensor& tensor, std::size_t first, std::span<float> values) {
  require_fitting_constant(tensor);
  const ConstantData& data = tensor.constant;
  const std::size_t count = data.size / size_of(tensor.type);
  if (first > count || values.size() > count - first) throw InternalError(describe(tensor) + " read beyond its end");
  switch (tensor.type) {
    case ElementType::float32:
      if (!values.empty()) std::memcpy(values.data(), data.bytes.get() + first * sizeof(float), values.size_bytes());
      if (data.row_scale) scale_rows(tensor, first, values);
      return;
    case ElementType::float64:
      return read_elements<double>(data, first, values, [](double value) { return static_cast<float>(value); });
    case ElementType::float16:
      return read_elements<std::uint16_t>(data, first, values, half_to_float);
    case ElementType::bfloat16:
      return read_elements<std::uint16_t>(data, first, values, bfloat16_to_float);
    default:
      throw InternalError(describe(tensor) + " read as floating point");
  }
}

std::span<const float> floats_in_place(const Tensor& tensor) {
  require_fitting_constant(tensor);
  const ConstantData& data = tensor.constant;
  const bool is_aligned = reinterpret_cast<std::uintptr_t>(data.bytes.get()) % alignof(float) == 0;
  if (tensor.type != ElementType::float32 || data.row_scale || !is_aligned) return {};
  return {reinterpret_cast<const float*>(data.bytes.get()), data.size / sizeof(float)};
}

std::vector<std::int64_t> read_integers(const Tensor& tensor) {
  require_fitting_constant(tensor);
  const auto widen = [](auto value) { return static_cast<std::int64_t>(value); };
  const ConstantData& data = tensor.constant;
  switch (tensor.type) {
    case ElementType::int64:
      return read_all_integers<std::int64_t>(data, widen);
    case ElementType::int32:
      return read_all_integers<std::int32_t>(data, widen);
    case ElementType::uint8:
      return read_all_integers<std::uint8_t>(data, widen);
    case ElementType::int8:
      return read_all_integers<std::int8_t>(data, widen);
    case ElementType::boolean:
      return read_all_integers<std::uint8_t>(data, [](std::uint8_t value) { return value != 0 ? 1 : 0; });
    default:
      throw InternalError(describe(tensor) + " read as integers");
  }
}

float half_to_float(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fu;
  const std::uint32_t fraction = bits & 0x3ffu;
  if (exponent == 0) {  // zero and subnormal: a multiple of 2^-24
    const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
    return sign ? -magnitude : magnitude;
  }
  const std::uint32_t widened = exponent == 0x1f ? 0xffu : exponent + (127 - 15);
  return std::bit_cast<float>(sign | (widened << 23) | (fraction << 13));
}

float bfloat16_to_float(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

std::uint16_t float_to_half(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  std::uint32_t half = 0;
  if (magnitude > 0x7f800000u) {
    half = 0x7e00u;  // NaN
  } else if (magnitude >= 0x477ff000u) {
    half = 0x7c00u;  // from 65520 on: infinity
  } else if (magnitude < 0x38800000u) {
    half = static_cast<std::uint32_t>(std::lrint(std::ldexp(std::fabs(value), 24)));  // below 2^-14: subnormal
  } else {
    const std::uint32_t rebiased = magnitude - ((127u - 15u) << 23);
    half = (rebiased + 0xfffu + ((rebiased >> 13) & 1u)) >> 13;
  }
  return static_cast<std::uint16_t>(sign | half);
}

std::uint16_t float_to_bfloat16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace residua::graph
