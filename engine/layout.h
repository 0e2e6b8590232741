// How tensors lie in memory.
//
// Four dimensions are NCHW in name and NHWC in memory; anything else is row-major.
//
//   [N, C, H, W]: element (n, c, h, w) at ((n * H + h) * W + w) * C + c
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "graph/tensor.h"

namespace residua::engine {

// Strides in elements, one a logical dimension. Shapes here are static.
std::vector<std::int64_t> activation_strides(const graph::Shape& shape);
std::vector<std::int64_t> row_major_strides(const graph::Shape& shape);

// Whether the two layouts of `shape` are the same bytes.
bool is_row_major(const graph::Shape& shape);

std::size_t float_count(const graph::Shape& shape);
std::size_t float_bytes(const graph::Shape& shape);

// Copies between memory in the activation layout and row-major logical order.
void to_row_major(const graph::Shape& shape, const float* activation, float* row_major);
void from_row_major(const graph::Shape& shape, const float* row_major, float* activation);

}  // namespace residua::engine
