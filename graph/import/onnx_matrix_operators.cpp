// Matrix products.
#include <vector>

#include "graph/import/onnx_operators.h"

namespace residua::graph::onnx {
namespace {

struct Matrix {
  bool is_transposed;  // stored [O, K] already
  double scale;
};

// The weight as fully_connected wants it: [O, K], scaled. Where the file holds just that, its bytes stay in use.
Result<TensorId> fully_connected_weight(Conversion& node, const Matrix& matrix) {
  const TensorId id = node.input(1);
  if (matrix.is_transposed && matrix.scale == 1) return id;
  const Shape shape = node.tensor(id).shape;
  if (auto charged = node.loader().charge(node.tensor(id).constant.size); !charged) {
    return node.error(charged.error().code, charged.error().message);
  }
  std::vector<float> values = read_floats(node.tensor(id));
  if (matrix.scale != 1) {
    for (float& value : values) value = static_cast<float>(static_cast<double>(value) * matrix.scale);
  }
  if (matrix.is_transposed) return node.add_constant(make_float_constant(node.tensor(id).name, shape, values));
  const auto rows = static_cast<std::size_t>(shape[0]), columns = static_cast<std::size_t>(shape[1]);
  std::vector<float> transposed(values.size());
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; column < columns; ++column) {
      transposed[column * rows + row] = values[row * columns + column];
    }
  }
  return node.add_constant(make_float_constant(node.tensor(id).name, {shape[1], shape[0]}, transposed));
}

// The bias as [O], from whatever broadcasts to [N, O] without depending on N.
Result<TensorId> fully_connected_bias(Conversion& node, Dimension outputs, double scale) {
  if (!node.has_input(2) || scale == 0) return no_tensor;
  const TensorId id = node.input(2);
  const Tensor& bias = node.tensor(id);
  const Shape shape = bias.shape;
  const bool is_row = shape == Shape{outputs} || shape == Shape{1, outputs};
  const bool is_scalar = shape.empty() || shape == Shape{1} || shape == Shape{1, 1};
  if (!bias.is_constant() || !is_floating_point(bias.type) || (!is_row && !is_scalar)) {
    return node.error(ErrorCode::unsupported, node.describe("bias", 2) + " has shape " + to_string(shape) +
                                                  (bias.is_constant() ? "" : " and is computed") +
                                                  ", expected a constant of shape " + to_string(Shape{outputs}) + ", " +
                                                  to_string(Shape{1, outputs}) + " or one element");
  }
  if (is_row && scale == 1) {
    if (shape.size() == 1) return id;
    Tensor flat = bias;
    flat.shape = {outputs};
    return node.add_constant(std::move(flat));
  }
  if (auto charged = node.loader().charge(static_cast<std::size_t>(outputs) * sizeof(float)); !charged) {
    return node.error(charged.error().code, charged.error().message);
  }
  std::vector<float> values = read_floats(bias);
  if (is_scalar) values.assign(static_cast<std::size_t>(outputs), values[0]);
  for (float& value : values) value = static_cast<float>(static_cast<double>(value) * scale);
  return node.add_constant(make_float_constant(bias.name, {outputs}, values));
}

}  // namespace

Result<TensorId> convert_gemm(Conversion& node) {
  RESIDUA_ASSIGN(const double alpha, node.number("alpha", 1));
  RESIDUA_ASSIGN(const double beta, node.number("beta", 1));
  RESIDUA_ASSIGN(const bool transposed_input, node.flag("transA", false));
  RESIDUA_ASSIGN(const bool transposed_weight, node.flag("transB", false));
  if (transposed_input) return node.error(ErrorCode::unsupported, "transA is 1, expected 0");
  const Tensor& weight = node.tensor(node.input(1));
  if (!weight.is_constant() || weight.shape.size() != 2 || !is_floating_point(weight.type)) {
    return node.error(ErrorCode::unsupported, node.describe("weight", 1) + " has shape " + to_string(weight.shape) +
                                                  (weight.is_constant() ? "" : " and is computed") +
                                                  ", expected a constant of rank 2");
  }
  const Dimension outputs = weight.shape[transposed_weight ? 0 : 1];
  RESIDUA_ASSIGN(const TensorId prepared, fully_connected_weight(node, {transposed_weight, alpha}));
  RESIDUA_ASSIGN(const TensorId bias, fully_connected_bias(node, outputs, beta));
  return node.emit(Op::fully_connected, {node.input(0), prepared, bias});
}

Result<TensorId> convert_mat_mul(Conversion& node) {
  if (node.shape(1).size() != 2) {
    return node.error(ErrorCode::unsupported,
                      node.describe("right side", 1) + " has shape " + to_string(node.shape(1)) + ", expected rank 2");
  }
  return node.emit(Op::matmul, node.inputs());
}

}  // namespace residua::graph::onnx
