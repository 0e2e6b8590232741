// Weights as the graph wants them.
#pragma once

#include "graph/tensor.h"

namespace residua::graph {

// `constant` as float32 where it is of another floating-point type (new bytes), as it is where it is not (shared
// bytes).
inline Tensor widened(Tensor constant) {
  if (constant.type == ElementType::float32 || !is_floating_point(constant.type)) return constant;
  return make_float_constant(constant.name, constant.shape, read_floats(constant));
}

}  // namespace residua::graph
