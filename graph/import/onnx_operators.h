// Which ONNX operators can be read, in which opsets, and how each becomes graph nodes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "graph/import/onnx_conversion.h"

namespace residua::graph::onnx {

inline constexpr std::int64_t first_opset = 7;
inline constexpr std::int64_t last_opset = 22;

// Converts one node and returns the tensor of its first output. The inputs' count and presence have been checked.
using Converter = Result<TensorId> (*)(Conversion& node);

struct Operator {
  std::string_view op_type;
  std::int64_t first_opset, last_opset;  // whose definition this row follows
  int required_inputs;                   // the first ones, which cannot be left out
  int max_inputs;                        // -1: any number
  Converter convert;
};

// nullptr where that opset has no such operator, or none that is supported.
const Operator* find_operator(std::string_view op_type, std::int64_t opset);

// "Add, AveragePool, ..."
std::string supported_operators();

// onnx_window_operators.cpp
Result<TensorId> convert_conv(Conversion& node);
Result<TensorId> convert_max_pool(Conversion& node);
Result<TensorId> convert_average_pool(Conversion& node);

// onnx_norm_operators.cpp
Result<TensorId> convert_batch_normalization(Conversion& node);
Result<TensorId> convert_instance_normalization(Conversion& node);
Result<TensorId> convert_group_normalization(Conversion& node);

// onnx_quantization_operators.cpp
Result<TensorId> convert_quantize_linear(Conversion& node);
Result<TensorId> convert_dequantize_linear(Conversion& node);

// onnx_matrix_operators.cpp
Result<TensorId> convert_gemm(Conversion& node);
Result<TensorId> convert_mat_mul(Conversion& node);

// onnx_layout_operators.cpp
Result<TensorId> convert_flatten(Conversion& node);
Result<TensorId> convert_reshape(Conversion& node);
Result<TensorId> convert_transpose(Conversion& node);
Result<TensorId> convert_concat(Conversion& node);
Result<TensorId> convert_split(Conversion& node);
Result<TensorId> convert_expand(Conversion& node);
Result<TensorId> convert_gather(Conversion& node);
Result<TensorId> convert_pad_with_attributes(Conversion& node);
Result<TensorId> convert_pad_with_inputs(Conversion& node);
Result<TensorId> convert_slice_with_attributes(Conversion& node);
Result<TensorId> convert_slice_with_inputs(Conversion& node);
Result<TensorId> convert_squeeze(Conversion& node);
Result<TensorId> convert_unsqueeze(Conversion& node);
Result<TensorId> convert_shape(Conversion& node);

}  // namespace residua::graph::onnx
