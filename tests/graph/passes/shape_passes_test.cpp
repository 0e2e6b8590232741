#include "pass_testing.h"

namespace residua::tests {
namespace {

using namespace residua::graph;

constexpr std::string_view fold_shapes = "fold_shape_arithmetic";

TEST_CASE("fold_shape_arithmetic: view(x.size(0), -1)") {
  check_pass(fold_shapes, R"(
input %0 "" float32 [N, 6, ?, ?]
node %1 "" int64 [] = shape_of(%0)
const %2 "" int64 [] values [0]
node %3 "" int64 [] = gather(%1, %2) axis=0
const %4 "" int64 [1] values [0]
node %5 "" int64 [] = unsqueeze(%3, %4)
const %6 "" int64 [1] values [-1]
node %7 "" int64 [] = concat(%5, %6) axis=0
node %8 "" float32 [] = reshape(%0, %7)
output %8
)",
             R"(
input %0 "" float32 [N, 6, ?, ?]
node %1 "" float32 [] = reshape(%0) shape=[0, -1]
output %1
)");
}

TEST_CASE("fold_shape_arithmetic: sizes by slice, cast and arithmetic") {
  // channels / 2 * 2 through int32; the height is not known and must be inferred
  check_pass(fold_shapes, R"(
input %0 "" float32 [N, 6, ?, 4]
node %1 "" int64 [] = shape_of(%0)
const %2 "" int64 [1] values [1]
const %3 "" int64 [1] values [2]
node %4 "" int64 [] = slice(%1, %2, %3)
node %5 "" int32 [] = cast(%4) to=int32
const %6 "" int32 [1] values [2]
node %7 "" int32 [] = divide(%5, %6)
node %8 "" int32 [] = multiply(%7, %6)
node %9 "" int64 [] = cast(%8) to=int64
node %10 "" int64 [] = slice(%1) starts=[0] ends=[1]
node %11 "" int64 [] = slice(%1) starts=[2] ends=[3]
node %12 "" int64 [] = slice(%1) starts=[-1] ends=[9223372036854775807]
node %13 "" int64 [] = concat(%10, %9, %11, %12) axis=0
node %14 "" float32 [] = reshape(%0, %13)
output %14
)",
             R"(
input %0 "" float32 [N, 6, ?, 4]
node %1 "" float32 [] = reshape(%0) shape=[0, 6, -1, 4]
output %1
)");
}

TEST_CASE("fold_shape_arithmetic: what exporters write for pads") {
  check_pass(fold_shapes, R"(
input %0 "" float32 [N, 4, 6, 6]
const %1 "" int64 [6] values [0, 0, 0, 0, 2, 2]
const %2 "" int64 [1] values [2]
node %3 "" int64 [] = constant_of_shape(%2) type=int64
node %4 "" int64 [] = concat(%1, %3) axis=0
node %5 "" int64 [] = reshape(%4) shape=[-1, 2]
const %6 "" int64 [1] values [-1]
const %7 "" int64 [1] values [-9223372036854775807]
const %8 "" int64 [1] values [0]
node %9 "" int64 [] = slice(%5, %6, %7, %8, %6)
node %10 "" int64 [] = transpose(%9) permutation=[1, 0]
node %11 "" int64 [] = reshape(%10) shape=[-1]
node %12 "" int64 [] = cast(%11) to=int64
node %13 "" float32 [] = pad(%0, %12)
output %13
)",
             R"(
input %0 "" float32 [N, 4, 6, 6]
node %1 "" float32 [] = pad(%0) before=[0, 2, 0, 0] after=[0, 2, 0, 0]
output %1
)");
}

TEST_CASE("fold_shape_arithmetic: operands that are constants become attributes") {
  check_pass(fold_shapes, R"(
input %0 "" float32 [N, 4, 6, 6]
const %1 "" int64 [2] values [2, 3]
const %2 "" int64 [1] values [-1]
const %3 "" int64 [2] values [0, 1]
const %4 "" int64 [2] values [9, 5]
const %5 "" int64 [2] values [1, 2]
node %6 "" float32 [] = slice(%0, %3, %4, %1, %5)
node %7 "" float32 [] = reduce_mean(%6, %1) keep_dimensions=false
node %8 "" float32 [] = unsqueeze(%7, %2)
node %9 "" float32 [] = unsqueeze(%8, %2)
node %10 "" float32 [] = squeeze(%9, %1)
output %10
)",
             R"(
input %0 "" float32 [N, 4, 6, 6]
node %6 "" float32 [] = slice(%0) starts=[0, 1] ends=[9, 5] axes=[2, 3] steps=[1, 2]
node %7 "" float32 [] = reduce_mean(%6) axes=[2, 3] keep_dimensions=false
node %8 "" float32 [] = unsqueeze(%7) axes=[-1]
node %9 "" float32 [] = unsqueeze(%8) axes=[-1]
node %10 "" float32 [] = squeeze(%9) axes=[2, 3]
output %10
)");
}

TEST_CASE("fold_shape_arithmetic: an output stays the output of a node, symbols and all") {
  check_unchanged(fold_shapes, R"(
input %0 "" float32 [N, 4, 6, 6]
node %1 "" int64 [] = shape_of(%0)
output %1
)");
  check_unchanged(fold_shapes, R"(
input %0 "" float32 [2, 4, 6, 6]
node %1 "" int64 [] = shape_of(%0)
output %1
)");
}

TEST_CASE("fold_shape_arithmetic: two sizes that are not known are left to the run") {
  check_unchanged(fold_shapes, R"(
input %0 "" float32 [N, 4, ?, ?]
node %1 "" int64 [] = shape_of(%0)
const %2 "" int64 [4] values [0, 1, 3, 2]
node %3 "" int64 [] = gather(%1, %2) axis=0
node %4 "" float32 [] = reshape(%0, %3)
output %4
)");
}

TEST_CASE("fold_shape_arithmetic: a network whose sizes contradict each other is left as it is") {
  // Only arithmetic tells that 4 x 9 elements are to be 5 of each image.
  check_unchanged(fold_shapes, R"(
input %0 "" float32 [2, 4, 3, 3]
node %1 "" int64 [] = shape_of(%0)
const %2 "" int64 [1] values [1]
node %3 "" int64 [] = gather(%1, %2) axis=0
node %4 "" int64 [] = add(%3, %2)
const %5 "" int64 [1] values [2]
node %6 "" int64 [] = concat(%5, %4) axis=0
node %7 "" float32 [] = reshape(%0, %6)
const %8 "" float32 [3, 7] digest 1
node %9 "" float32 [] = fully_connected(%7, %8)
output %9
)");
}

TEST_CASE("fold_shape_arithmetic: no symbol is mistaken for a number of a file") {
  // -2^63 and 1 - 2^63 in a file are just numbers.
  check_pass(fold_shapes, R"(
input %0 "" float32 [N, 4]
const %1 "" int64 [1] values [-9223372036854775808]
const %2 "" int64 [1] values [9223372036854775807]
const %3 "" int64 [1] values [1]
const %4 "" int64 [1] values [0]
node %5 "" int64 [] = add(%1, %4)
node %6 "" float32 [] = slice(%0, %5, %2, %3)
output %6
)",
             R"(
input %0 "" float32 [N, 4]
node %1 "" float32 [] = slice(%0) starts=[-9223372036854775808] ends=[9223372036854775807] axes=[1]
output %1
)");
}

TEST_CASE("fold_constants: constants meet") {
  const std::string before = R"(
input %0 "" float32 [N, 4, 3, 3]
const %1 "" float32 [4] values [1, 2, 3, 4]
const %2 "" float32 [] values [2]
node %3 "" float32 [] = multiply(%1, %2)
node %4 "" float32 [] = reshape(%3) shape=[4, 1, 1]
node %5 "" float32 [] = cast(%4) to=float16
node %6 "" float32 [] = cast(%5) to=float32
node %7 "" float32 [] = add(%0, %6)
output %7
)";
  check_pass("fold_constants", before, R"(
input %0 "" float32 [N, 4, 3, 3]
const %1 "" float32 [4, 1, 1] digest 1
node %2 "" float32 [] = add(%0, %1)
output %2
)");
  const Graph folded = run_pass("fold_constants", graph_of(before));
  CHECK(read_floats(folded.tensor(folded.nodes[0].inputs[1])) == std::vector<float>{2, 4, 6, 8});
}

TEST_CASE("fold_constants: every element type") {
  for (const std::string type : {"float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "int8"}) {
    CAPTURE(type);
    const Graph folded = run_pass("fold_constants", graph_of("input %0 \"\" " + type + " [3]\nconst %1 \"\" " + type +
                                                             " [3] values [1, 5, 100]\nnode %2 \"\" " + type +
                                                             " [] = add(%1, %1)\nnode %3 \"\" " + type +
                                                             " [] = slice(%2) starts=[0] ends=[2]\nnode %4 \"\" " +
                                                             type + " [] = concat(%3, %0) axis=0\noutput %4\n"));
    REQUIRE(folded.nodes.size() == 1);
    const Value value = value_of(folded.tensor(folded.nodes[0].inputs[0]));
    if (value.elements.index() == 0) {
      CHECK(value.floats() == std::vector<float>{2, 10});
    } else {
      CHECK(value.integers() == std::vector<std::int64_t>{2, 10});
    }
  }
}

TEST_CASE("fold_constants: bounds and failures") {
  SUBCASE("what would fill memory stays") {
    check_unchanged("fold_constants", R"(
input %0 "" float32 [1]
const %1 "" int64 [2] values [30000, 30000]
node %2 "" float32 [] = constant_of_shape(%1)
node %3 "" float32 [] = slice(%2) starts=[0, 0] ends=[1, 1]
node %4 "" float32 [] = add(%0, %3)
output %4
)");
  }
  SUBCASE("an index out of range stays") {
    check_unchanged("fold_constants", R"(
input %0 "" float32 [1]
const %1 "" float32 [2] values [1, 2]
const %2 "" int64 [1] values [7]
node %3 "" float32 [] = gather(%1, %2) axis=0
node %4 "" float32 [] = add(%0, %3)
output %4
)");
  }
  SUBCASE("a graph output stays a node's") {
    check_unchanged("fold_constants", R"(
input %0 "" float32 [1]
const %1 "" float32 [2] values [1, 2]
node %2 "" float32 [] = relu(%1)
output %2
)");
  }
  SUBCASE("repeated doubling ends") {
    std::string text = "input %0 \"\" float32 [1]\nconst %1 \"\" float32 [4096] digest 1\n";
    for (int i = 2; i < 22; ++i) {
      const std::string previous = "%" + std::to_string(i - 1);
      text += "node %" + std::to_string(i) + " \"\" float32 [] = concat(" + previous + ", " + previous + ") axis=0\n";
    }
    text += "node %30 \"\" float32 [] = concat(%0, %21) axis=0\noutput %30\n";
    std::size_t bytes = 0;
    for (const Tensor& tensor : run_pass("fold_constants", graph_of(text)).tensors) bytes += tensor.constant.size;
    CHECK(bytes <= (std::size_t{1} << 16) * 4);
  }
}

}  // namespace
}  // namespace residua::tests
