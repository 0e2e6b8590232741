#include "graph/operators.h"

#include <array>

namespace residua::graph {
namespace {

constexpr int any_number = -1;

// In the order of Op.
const std::array<OperatorInfo, 33>& operators() {
  static const std::array<OperatorInfo, 33> table{{
      {Op::convolution, "convolution", 2, 4, ConvolutionAttributes{}},
      {Op::fully_connected, "fully_connected", 2, 3, NoAttributes{}},
      {Op::max_pool, "max_pool", 1, 1, PoolAttributes{}},
      {Op::average_pool, "average_pool", 1, 1, PoolAttributes{}},
      {Op::global_average_pool, "global_average_pool", 1, 1, NoAttributes{}},
      {Op::batch_norm, "batch_norm", 5, 5, BatchNormAttributes{}},
      {Op::group_norm, "group_norm", 3, 3, GroupNormAttributes{}},
      {Op::channel_gate, "channel_gate", 2, 3, ChannelGateAttributes{}},
      {Op::relu, "relu", 1, 1, NoAttributes{}},
      {Op::sigmoid, "sigmoid", 1, 1, NoAttributes{}},
      {Op::clip, "clip", 1, 1, ClipAttributes{}},
      {Op::quantize, "quantize", 1, 1, QuantizeAttributes{}},
      {Op::softmax, "softmax", 1, 1, AxisAttributes{}},
      {Op::add, "add", 2, 2, NoAttributes{}},
      {Op::subtract, "subtract", 2, 2, NoAttributes{}},
      {Op::multiply, "multiply", 2, 2, NoAttributes{}},
      {Op::divide, "divide", 2, 2, NoAttributes{}},
      {Op::pad, "pad", 1, 2, PadAttributes{}},
      {Op::slice, "slice", 1, 5, SliceAttributes{}},
      {Op::concat, "concat", 1, any_number, AxisAttributes{}},
      {Op::flatten, "flatten", 1, 1, AxisAttributes{}},
      {Op::reshape, "reshape", 1, 2, ReshapeAttributes{}},
      {Op::transpose, "transpose", 1, 1, TransposeAttributes{}},
      {Op::expand, "expand", 1, 2, ReshapeAttributes{}},
      {Op::matmul, "matmul", 2, 2, NoAttributes{}},
      {Op::reduce_mean, "reduce_mean", 1, 2, ReduceAttributes{}},
      {Op::squeeze, "squeeze", 1, 2, AxesAttributes{}},
      {Op::unsqueeze, "unsqueeze", 1, 2, AxesAttributes{}},
      {Op::identity, "identity", 1, 1, NoAttributes{}},
      {Op::cast, "cast", 1, 1, CastAttributes{}},
      {Op::shape_of, "shape_of", 1, 1, NoAttributes{}},
      {Op::gather, "gather", 2, 2, AxisAttributes{}},
      {Op::constant_of_shape, "constant_of_shape", 1, 1, ConstantOfShapeAttributes{}},
  }};
  return table;
}

}  // namespace

std::string_view name_of(PadMode mode) {
  constexpr std::string_view names[] = {"constant", "reflect", "edge"};
  return names[static_cast<std::size_t>(mode)];
}

const OperatorInfo& info_of(Op op) {
  const auto index = static_cast<std::size_t>(op);
  if (index >= operators().size() || operators()[index].op != op) throw InternalError("an op outside the table");
  return operators()[index];
}

const OperatorInfo* find_operator(std::string_view name) {
  for (const OperatorInfo& info : operators()) {
    if (info.name == name) return &info;
  }
  return nullptr;
}

}  // namespace residua::graph
