// The canonical text form of a graph: what golden tests compare and `residua inspect` prints.
//
//   graph "resnet18"
//   input  %0 "input" float32 [N, 3, ?, ?]
//   const  %1 "conv1.weight" float32 [64, 3, 7, 7] digest 1f0c9a...
//   node   %2 "relu" float32 [N, 64, ?, ?] = convolution(%0, %1) strides=[2, 2] padding=[3, 3, 3, 3]  # conv1
//   output %2
//
// A constant with values reads `const %1 "shape" int64 [2] values [0, -1]`. The comment behind a node is its name.
// Names are any bytes: quotes, backslashes and control characters are written \", \\ and \xHH.
//
// Tensors are renumbered in order of first appearance, unused ones left out, so equal networks give equal texts. A
// left-out optional input is written `_`. A constant shows shape and digest, or its values with
// TextOptions::constant_values_up_to.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace residua::graph {

struct TextOptions {
  // Write the values of constants of up to this many elements, so that the text can be read back with them. Larger ones
  // are written as a digest; parse_text fills those with seeded random values,
  // so that a text with digests does not come back with the same ones.
  std::size_t constant_values_up_to = 16;
  // false: `const` lines show the shape only, neither values nor digest, for texts that compare structure
  bool digests = true;
};

std::string to_text(const Graph& graph, const TextOptions& options = {});

// Reads what to_text writes (comments from '#' to the end of a line). A constant without values is filled with small
// random values seeded by its position and digest, the same on every run (those of a batch_norm's variance are
// positive). Types and shapes are taken as written: verify() judges them. Errors name the line and column.
Result<Graph> parse_text(std::string_view text);

// The same, with the data of each constant without values asked for: `index` counts these lines, `tensor` has its name,
// type and shape. An error ends the parsing.
using ConstantSource = std::function<Result<ConstantData>(std::size_t index, const Tensor& tensor)>;
Result<Graph> parse_text(std::string_view text, ConstantSource constants);

// The constants in the order of their lines in the text.
std::vector<TensorId> constants_in_order(const Graph& graph);

// FNV-1a's scheme, 64 bit, over type, shape and bytes of the constant's values, eight bytes a step: for recognising
// weights, not for security.
std::uint64_t digest(const Tensor& tensor);

// `name` in quotes, escaped as in the text form: for messages that show names from files.
std::string quoted(std::string_view name);

}  // namespace residua::graph
