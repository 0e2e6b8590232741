#include "pass_testing.h"

namespace residua::tests {
namespace {

using namespace residua::graph;

TEST_CASE("remove_noops") {
  const std::string after = R"(
input %0 "" float32 [N, 4, 3, ?]
node %1 "" float32 [] = sigmoid(%0)
output %1
)";
  for (const std::string line : {
           "identity(%0)",
           "cast(%0)",
           "pad(%0) before=[0, 0, 0, 0] after=[0, 0, 0, 0]",
           "slice(%0) starts=[0, 0] ends=[4, 9223372036854775807] axes=[1, -1]",
           "slice(%0) starts=[-4] ends=[9] axes=[1]",
           "concat(%0) axis=0",
           "transpose(%0) permutation=[0, 1, 2, 3]",
           "reshape(%0) shape=[0, 4, 3, -1]",
           "reshape(%0) shape=[N, 0, 3, 0]",
           "add(%0, %8)",
           "add(%8, %0)",
           "subtract(%0, %8)",
           "multiply(%0, %9)",
           "multiply(%9, %0)",
           "divide(%0, %9)",
           "clip(%0)",
       }) {
    CAPTURE(line);
    check_pass("remove_noops", R"(
input %0 "" float32 [N, 4, 3, ?]
const %8 "" float32 [4, 1, 1] values [0, 0, 0, 0]
const %9 "" float32 [] values [1]
node %1 "" float32 [] = )" + line + R"(
node %2 "" float32 [] = sigmoid(%1)
output %2
)",
               after);
  }
}

TEST_CASE("remove_noops leaves what does something") {
  for (const std::string line : {
           "cast(%0) to=float16",
           "pad(%0) before=[0, 0, 0, 1] after=[0, 0, 0, 0]",
           "slice(%0) starts=[0] ends=[9] axes=[0]",
           "slice(%0) starts=[-1] ends=[-9] axes=[1] steps=[-1]",
           "slice(%0) starts=[0] ends=[9223372036854775807] axes=[3] steps=[2]",
           "concat(%0, %0) axis=0",
           "transpose(%0) permutation=[0, 1, 3, 2]",
           "reshape(%0) shape=[0, 3, 4, -1]",
           "add(%0, %8)",
           "subtract(%7, %0)",
           "divide(%9, %0)",
           "multiply(%0, %6)",
           "multiply(%0, %0)",
           "clip(%0) minimum=0",
           "clip(%0) maximum=6",
           "relu(%0)",
       }) {
    CAPTURE(line);
    const Graph original = graph_of(R"(
input %0 "" float32 [N, 4, 3, ?]
const %6 "" float32 [5, 1, 1, 1, 1] values [1, 1, 1, 1, 1]
const %7 "" float32 [] values [0]
const %8 "" float32 [4, 1, 1] values [0, 0, 0, 1]
const %9 "" float32 [] values [1]
node %1 "" float32 [] = )" + line + R"(
node %2 "" float32 [] = sigmoid(%1)
output %2
)");
    const Graph result = run_pass("remove_noops", original);
    CHECK(result.nodes.size() == 2);
    check_equivalent(result, original);
  }
}

TEST_CASE("remove_noops: outputs keep their names and are made by nodes") {
  const Graph renamed = run_pass("remove_noops", graph_of(R"(
input %0 "x" float32 [N, 4]
node %1 "inner" float32 [] = sigmoid(%0)
node %2 "logits" float32 [] = identity(%1)
output %2
)"));
  CHECK(renamed.nodes.size() == 1);
  CHECK(renamed.tensor(renamed.outputs[0]).name == "logits");
  check_unchanged("remove_noops", R"(
input %0 "x" float32 [N, 4]
node %1 "y" float32 [] = identity(%0)
output %1
)");
  check_unchanged("remove_noops", R"(
input %0 "x" float32 [N, 4]
node %1 "y" float32 [] = sigmoid(%0)
node %2 "z" float32 [] = identity(%1)
output %1
output %2
)");
}

TEST_CASE("remove_noops: relu after relu") {
  check_pass("remove_noops", R"(
input %0 "" float32 [N, 4]
node %1 "" float32 [] = relu(%0)
node %2 "" float32 [] = relu(%1)
node %3 "" float32 [] = add(%1, %2)
output %3
)",
             R"(
input %0 "" float32 [N, 4]
node %1 "" float32 [] = relu(%0)
node %3 "" float32 [] = add(%1, %1)
output %3
)");
}

TEST_CASE("remove_dead") {
  check_pass("remove_dead", R"(
input %0 "" float32 [N, 4]
const %9 "" float32 [4] digest 3
node %1 "" float32 [] = relu(%0)
node %2 "" float32 [] = add(%1, %9)
node %3 "" float32 [] = sigmoid(%2)
node %4 "" float32 [] = relu(%0)
output %4
)",
             R"(
input %0 "" float32 [N, 4]
node %4 "" float32 [] = relu(%0)
output %4
)");
  const Graph result = run_pass("remove_dead", graph_of(R"(
input %0 "" float32 [N, 4]
input %1 "unread" float32 [N, 4]
const %9 "" float32 [4] digest 3
node %2 "" float32 [] = add(%0, %9)
node %4 "" float32 [] = relu(%0)
output %4
)"));
  CHECK(result.inputs.size() == 2);  // callers count inputs
  CHECK(result.tensors.size() == 3);
}

TEST_CASE("canonical_reshape: chains") {
  const std::string name = "canonical_reshape";
  check_pass(name, R"(
input %0 "" float32 [N, 4, 3, 2]
node %1 "" float32 [] = reshape(%0) shape=[0, 2, 12]
node %2 "" float32 [] = unsqueeze(%1) axes=[2]
node %3 "" float32 [] = squeeze(%2) axes=[2]
node %4 "" float32 [] = reshape(%3) shape=[0, 6, 4]
output %4
)",
             R"(
input %0 "" float32 [N, 4, 3, 2]
node %1 "" float32 [] = reshape(%0) shape=[0, 6, 4]
output %1
)");
  check_pass(name, R"(
input %0 "" float32 [N, 4, ?, ?]
node %1 "" float32 [] = flatten(%0)
node %2 "" float32 [] = reshape(%1) shape=[0, -1]
output %2
)",
             R"(
input %0 "" float32 [N, 4, ?, ?]
node %1 "" float32 [] = flatten(%0)
output %1
)");
  check_pass(name, R"(
input %0 "" float32 [N, 4, ?, ?]
node %1 "" float32 [] = transpose(%0) permutation=[0, 2, 3, 1]
node %2 "" float32 [] = transpose(%1) permutation=[0, 2, 1, 3]
output %2
)",
             R"(
input %0 "" float32 [N, 4, ?, ?]
node %1 "" float32 [] = transpose(%0) permutation=[0, 3, 2, 1]
output %1
)");
}

TEST_CASE("canonical_reshape: [N, rest] is a flatten") {
  const std::string after = R"(
input %0 "" float32 [N, 4, 1, 1]
node %1 "" float32 [] = flatten(%0)
output %1
)";
  for (const std::string line :
       {"reshape(%0) shape=[0, -1]", "reshape(%0) shape=[-1, 4]", "reshape(%0) shape=[N, 4]", "squeeze(%0) axes=[2, 3]",
        "squeeze(%0) axes=[-1, -2]", "squeeze(%0)", "flatten(%0) axis=-3", "flatten(%0)"}) {
    CAPTURE(line);
    check_pass("canonical_reshape",
               "input %0 \"\" float32 [N, 4, 1, 1]\nnode %1 \"\" float32 [] = " + line + "\noutput %1\n", after);
  }
  check_pass("canonical_reshape", R"(
input %0 "" float32 [N, 4, 1, 1]
node %1 "" float32 [] = transpose(%0) permutation=[0, 2, 3, 1]
node %2 "" float32 [] = squeeze(%1) axes=[1, 2]
output %2
)",
             after);
}

TEST_CASE("canonical_reshape leaves open what symbols leave open") {
  check_unchanged("canonical_reshape", R"(
input %0 "" float32 [?, 4]
node %1 "" float32 [] = reshape(%0) shape=[-1, 2]
output %1
)");
  check_unchanged("canonical_reshape", R"(
input %0 "" float32 [?, 4, ?]
node %1 "" float32 [] = unsqueeze(%0) axes=[0]
output %1
)");
  check_unchanged("canonical_reshape", R"(
input %0 "" float32 [N, 4, ?, ?]
node %1 "" float32 [] = transpose(%0) permutation=[0, 2, 3, 1]
output %1
)");
  check_unchanged("canonical_reshape", R"(
input %0 "" float32 [N, 8]
node %1 "" float32 [] = reshape(%0) shape=[-1, 4]
output %1
)");
}

TEST_CASE("merge_slices") {
  check_pass("merge_slices", R"(
input %0 "" float32 [N, 4, 6, 6]
node %1 "" float32 [] = slice(%0) starts=[0] ends=[9223372036854775807] axes=[3] steps=[2]
node %2 "" float32 [] = slice(%1) starts=[1] ends=[9223372036854775807] axes=[-2] steps=[2]
output %2
)",
             R"(
input %0 "" float32 [N, 4, 6, 6]
node %1 "" float32 [] = slice(%0) starts=[1, 0] ends=[9223372036854775807, 9223372036854775807] axes=[2, 3] steps=[2, 2]
output %1
)");
  check_unchanged("merge_slices", R"(
input %0 "" float32 [N, 4, 6, 6]
node %1 "" float32 [] = slice(%0) starts=[1] ends=[9] axes=[3]
node %2 "" float32 [] = slice(%1) starts=[1] ends=[9] axes=[3]
output %2
)");
}

// Channels 0, 1 and 2 of %0: %13 and %15 scaled and shifted, %11 as it is; and `rest`.
std::string channels_apart(const std::string& rest) {
  return R"(
input %0 "" float32 [N, 3, 5, 6]
const %1 "" int64 [] values [0]
const %2 "" int64 [] values [1]
const %3 "" int64 [] values [-1]
const %4 "" float32 [] values [0.5]
const %5 "" float32 [1, 1, 1] values [-0.25]
node %6 "" float32 [] = gather(%0, %1) axis=1
node %7 "" float32 [] = reshape(%6) shape=[0, 1, 5, 6]
node %8 "" float32 [] = gather(%0, %2) axis=-3
node %9 "" float32 [] = reshape(%8) shape=[0, 1, 5, 6]
node %10 "" float32 [] = gather(%0, %3) axis=1
node %11 "" float32 [] = reshape(%10) shape=[0, 1, 5, 6]
node %12 "" float32 [] = multiply(%7, %4)
node %13 "" float32 [] = add(%12, %5)
node %14 "" float32 [] = add(%9, %4)
node %15 "" float32 [] = divide(%14, %4)
)" + rest;
}

TEST_CASE("merge_channels") {
  check_pass("merge_channels", channels_apart(R"(
node %16 "" float32 [] = concat(%13, %15, %11) axis=1
output %16
)"),
             R"(
input %0 "" float32 [N, 3, 5, 6]
const %1 "" float32 [3] values [0.5, 2, 1]
const %2 "" float32 [3] values [-0.25, 1, 0]
const %3 "" float32 [3] values [0, 0, 0]
const %4 "" float32 [3] values [1, 1, 1]
node %5 "" float32 [] = batch_norm(%0, %1, %2, %3, %4) epsilon=0
output %5
)");
}

TEST_CASE("merge_channels keeps what is read elsewhere") {
  const Graph original = graph_of(channels_apart(R"(
node %16 "" float32 [] = concat(%13, %15, %11) axis=-3
node %17 "" float32 [] = sigmoid(%13)
output %16
output %17
output %7
)"));
  const Graph result = run_pass("merge_channels", original);
  CHECK(count_of(result, Op::batch_norm) == 1);
  CHECK(count_of(result, Op::gather) == 1);
  check_equivalent(result, original);
}

TEST_CASE("merge_channels leaves other orders, parts, axes and sources") {
  for (const std::string line : {
           "concat(%13, %11, %15) axis=1",
           "concat(%13, %15) axis=1",
           "concat(%13, %15, %11, %11) axis=1",
           "concat(%13, %13, %11) axis=1",
           "concat(%13, %15, %11) axis=0",
           "concat(%13, %15, %11) axis=2",
       }) {
    CAPTURE(line);
    check_unchanged("merge_channels", channels_apart("node %16 \"\" float32 [] = " + line + "\noutput %16\n"));
  }
  // A step that is no scale and shift; a factor with a NaN; a channel of another tensor.
  for (const std::string lines : {
           "node %16 \"\" float32 [] = sigmoid(%11)\n",
           "const %17 \"\" float32 [] values [nan]\nnode %16 \"\" float32 [] = multiply(%11, %17)\n",
           "input %17 \"\" float32 [N, 1, 5, 6]\nnode %16 \"\" float32 [] = multiply(%17, %4)\n",
           "node %17 \"\" float32 [] = sigmoid(%0)\nnode %18 \"\" float32 [] = gather(%17, %3) axis=1\n"
           "node %16 \"\" float32 [] = reshape(%18) shape=[0, 1, 5, 6]\n",
       }) {
    CAPTURE(lines);
    check_unchanged("merge_channels",
                    channels_apart(lines + "node %19 \"\" float32 [] = concat(%13, %15, %16) axis=1\noutput %19\n"));
  }
  // The rows of an image are no channels; two of three channels are not all; other types have no norm.
  struct Pair {
    std::string shape, type, axis, apart;
  };
  for (const Pair& pair :
       {Pair{"[N, 2, 2, 6]", "float32", "2", "[0, 1, 2, 6]"}, Pair{"[N, 3, 5, 6]", "float32", "1", "[0, 1, 5, 6]"},
        Pair{"[N, 2, 5, 6]", "int64", "1", "[0, 1, 5, 6]"}, Pair{"[N, 2, 5, 6]", "float16", "1", "[0, 1, 5, 6]"},
        Pair{"[N, 2, 5, 6]", "float64", "1", "[0, 1, 5, 6]"}}) {
    CAPTURE(pair.shape);
    CAPTURE(pair.type);
    const std::string node = "\" " + pair.type + " [] = ";
    check_unchanged("merge_channels", "input %0 \"\" float32 " + pair.shape + "\nnode %1 \"" + node +
                                          (pair.type == "float32" ? "sigmoid(%0)" : "cast(%0) to=" + pair.type) +
                                          "\nconst %2 \"\" int64 [] values [0]\nconst %3 \"\" int64 [] values [1]" +
                                          "\nnode %4 \"" + node + "gather(%1, %2) axis=" + pair.axis + "\nnode %5 \"" +
                                          node + "reshape(%4) shape=" + pair.apart + "\nnode %6 \"" + node +
                                          "gather(%1, %3) axis=" + pair.axis + "\nnode %7 \"" + node +
                                          "reshape(%6) shape=" + pair.apart + "\nnode %8 \"" + node +
                                          "concat(%5, %7) axis=1\noutput %8\n");
  }
}

TEST_CASE("canonical_input_layout") {
  const std::string before = R"(
input %0 "" float32 [N, ?, 5, 3]
node %1 "" float32 [] = transpose(%0) permutation=[0, 3, 1, 2]
const %2 "" float32 [4, 3, 3, 3] digest 1
node %3 "" float32 [] = convolution(%1, %2)
output %3
)";
  const std::string after = R"(
input %0 "" float32 [N, 3, ?, 5]
const %1 "" float32 [4, 3, 3, 3] digest 1
node %2 "" float32 [] = convolution(%0, %1)
output %2
)";
  const Graph original = graph_of(before);
  const Graph result = run_pass("canonical_input_layout", original);
  CHECK(structure_of(result) == structure_of(graph_of(after)));
  CHECK(to_text(run_pass("canonical_input_layout", result)) == to_text(result));

  // The same image in the other order gives the same output.
  const std::vector<Value> channels_last = random_inputs(original, 6);
  const Node transpose{Op::transpose, "t", {}, no_tensor, TransposeAttributes{{0, 3, 1, 2}}};
  const Value* image = &channels_last[0];
  const std::vector<Value> channels_first{interpret_node(transpose, {&image, 1}).value()};
  CHECK(outputs_of(result, channels_first)[0].floats() == outputs_of(original, channels_last)[0].floats());
}

TEST_CASE("canonical_input_layout leaves other transposes") {
  const auto text = [](const std::string& shape, const std::string& permutation, const std::string& reader) {
    return "input %0 \"\" float32 " + shape + "\nnode %1 \"\" float32 [] = transpose(%0) permutation=" + permutation +
           "\nnode %2 \"\" float32 [] = sigmoid(" + reader + ")\noutput %2\noutput %1\n";
  };
  check_unchanged("canonical_input_layout", text("[N, 8, 8, 3]", "[0, 2, 3, 1]", "%1"));
  check_unchanged("canonical_input_layout", text("[N, 8, 8, 3]", "[0, 3, 1, 2]", "%1"));  // an output
  check_unchanged("canonical_input_layout", text("[N, 8, 8, 3]", "[0, 3, 1, 2]", "%0"));  // read twice
  check_unchanged("canonical_input_layout", R"(
input %0 "" float32 [N, 3, 8, 8]
node %1 "" float32 [] = transpose(%0) permutation=[0, 3, 1, 2]
node %2 "" float32 [] = sigmoid(%1)
output %2
)");
}

}  // namespace
}  // namespace residua::tests
