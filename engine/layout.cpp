#include "engine/layout.h"

namespace residua::engine {
namespace {

// Calls move(position in row-major order, position in memory) for every element.
template <class Move>
void for_each_element(const graph::Shape& shape, const Move& move) {
  if (is_row_major(shape)) {
    const std::size_t count = float_count(shape);
    for (std::size_t i = 0; i < count; ++i) move(i, i);
    return;
  }
  const std::vector<std::int64_t> strides = activation_strides(shape);
  std::size_t row_major = 0;
  for (std::int64_t n = 0; n < shape[0]; ++n)
    for (std::int64_t c = 0; c < shape[1]; ++c)
      for (std::int64_t h = 0; h < shape[2]; ++h)
        for (std::int64_t w = 0; w < shape[3]; ++w)
          move(row_major++,
               static_cast<std::size_t>(n * strides[0] + c * strides[1] + h * strides[2] + w * strides[3]));
}

}  // namespace

std::vector<std::int64_t> row_major_strides(const graph::Shape& shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

std::vector<std::int64_t> activation_strides(const graph::Shape& shape) {
  if (shape.size() != 4) return row_major_strides(shape);
  const std::int64_t channels = shape[1], height = shape[2], width = shape[3];
  return {channels * height * width, 1, width * channels, channels};
}

bool is_row_major(const graph::Shape& shape) { return shape.size() != 4 || shape[1] == 1 || shape[2] * shape[3] == 1; }

std::size_t float_count(const graph::Shape& shape) {
  const auto count = graph::element_count(shape);
  if (!count) throw graph::InternalError("a planned tensor has the shape " + graph::to_string(shape));
  return static_cast<std::size_t>(*count);
}

std::size_t float_bytes(const graph::Shape& shape) { return float_count(shape) * sizeof(float); }

void to_row_major(const graph::Shape& shape, const float* activation, float* row_major) {
  for_each_element(shape,
                   [&](std::size_t logical, std::size_t physical) { row_major[logical] = activation[physical]; });
}

void from_row_major(const graph::Shape& shape, const float* row_major, float* activation) {
  for_each_element(shape,
                   [&](std::size_t logical, std::size_t physical) { activation[physical] = row_major[logical]; });
}

}  // namespace residua::engine
