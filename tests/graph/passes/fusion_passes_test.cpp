#include "pass_testing.h"

namespace residua::tests {
namespace {

using namespace residua::graph;

const std::string convolution_head = R"(
input %0 "" float32 [N, 4, ?, ?]
const %1 "w" float32 [6, 4, 3, 3] digest 1
const %2 "b" float32 [6] digest 2
const %10 "" float32 [6] digest 3
const %11 "" float32 [6] digest 4
const %12 "" float32 [6] digest 5
const %13 "" float32 [6] digest 6
const %14 "" float32 [6, 1, 1] digest 7
const %15 "" float32 [1, 6, 1, 1] digest 8
const %16 "" float32 [] values [3]
)";
const std::string with_bias = R"(
input %0 "" float32 [N, 4, ?, ?]
const %1 "" float32 [6, 4, 3, 3] digest 1
const %2 "" float32 [6] digest 2
node %3 "" float32 [] = convolution(%0, %1, %2) padding=[1, 1, 1, 1]
output %3
)";

TEST_CASE("fold_batch_norm: after a convolution") {
  for (const std::string bias : {"", ", %2"}) {
    for (const std::string line : {
             "batch_norm(%3, %10, %11, %12, %13) epsilon=0.001",
             "add(%3, %14)",
             "add(%15, %3)",
             "subtract(%3, %15)",
             "subtract(%14, %3)",
             "multiply(%3, %14)",
             "multiply(%16, %3)",
             "divide(%3, %15)",
             "divide(%3, %16)",
         }) {
      CAPTURE(line);
      check_pass("fold_batch_norm",
                 convolution_head + "node %3 \"\" float32 [] = convolution(%0, %1" + bias +
                     ") padding=[1, 1, 1, 1]\nnode %4 \"\" float32 [] = " + line + "\noutput %4\n",
                 with_bias);
    }
  }
}

TEST_CASE("fold_batch_norm: a chain is rounded once") {
  const Graph original = graph_of(convolution_head + R"(
node %3 "" float32 [] = convolution(%0, %1, %2) padding=[1, 1, 1, 1]
node %4 "" float32 [] = multiply(%3, %14)
node %5 "" float32 [] = batch_norm(%4, %10, %11, %12, %13)
node %6 "" float32 [] = add(%5, %15)
output %6
)");
  const Graph folded = run_pass("fold_batch_norm", original);
  CHECK(structure_of(folded) == structure_of(graph_of(with_bias)));
  check_equivalent(folded, original);

  const auto floats = [](const Graph& graph, TensorId id) { return read_floats(graph.tensor(id)); };
  const std::vector<TensorId>& norm = original.nodes[2].inputs;
  const std::vector<float> factor = floats(original, original.nodes[1].inputs[1]);
  const std::vector<float> before = floats(original, original.nodes[0].inputs[1]);
  const std::vector<float> after = floats(folded, folded.nodes[0].inputs[1]);
  for (std::size_t i = 0; i < after.size(); ++i) {
    const std::size_t channel = i / 36;
    const double variance = static_cast<double>(floats(original, norm[4])[channel]);
    const double scale = static_cast<double>(factor[channel]) *
                         (static_cast<double>(floats(original, norm[1])[channel]) / std::sqrt(variance + 1e-5));
    CHECK(after[i] == static_cast<float>(static_cast<double>(before[i]) * scale));
  }
}

TEST_CASE("fold_batch_norm: after fully_connected") {
  check_pass("fold_batch_norm", R"(
input %0 "" float32 [N, 4]
const %1 "" float32 [6, 4] digest 1
const %2 "" float32 [6] digest 2
const %3 "" float32 [1, 6] digest 3
node %4 "" float32 [] = fully_connected(%0, %1)
node %5 "" float32 [] = add(%4, %2)
node %6 "" float32 [] = multiply(%5, %3)
output %6
)",
             R"(
input %0 "" float32 [N, 4]
const %1 "" float32 [6, 4] digest 1
const %2 "" float32 [6] digest 2
node %4 "" float32 [] = fully_connected(%0, %1, %2)
output %4
)");
}

TEST_CASE("fold_batch_norm never writes through a shared constant") {
  const Graph original = graph_of(convolution_head + R"(
node %3 "" float32 [] = convolution(%0, %1, %2) padding=[1, 1, 1, 1]
node %4 "" float32 [] = multiply(%3, %14)
node %5 "" float32 [] = convolution(%0, %1, %2) padding=[1, 1, 1, 1]
node %6 "y" float32 [] = add(%4, %5)
output %6
)");
  const std::string before = to_text(original);
  const Graph folded = run_pass("fold_batch_norm", original);
  CHECK(folded.nodes.size() == 3);
  CHECK(to_text(original) == before);
  check_equivalent(folded, original);
}

TEST_CASE("fold_batch_norm copies no weights") {
  const Graph original = graph_of(convolution_head + R"(
node %3 "" float32 [] = convolution(%0, %1, %2) padding=[1, 1, 1, 1]
node %4 "y" float32 [] = multiply(%3, %14)
output %4
)");
  const auto weight = [](const Graph& graph) -> const ConstantData& {
    return graph.tensor(graph.nodes[0].inputs[1]).constant;
  };
  const Graph folded = run_pass("fold_batch_norm", original);
  CHECK(weight(folded).bytes == weight(original).bytes);
  REQUIRE(weight(folded).row_scale != nullptr);
  // What is folded once more is rounded in between, as the values of the first graph are.
  Graph again = folded;
  Node scale{Op::multiply, "", {folded.outputs[0], again.add(make_float_constant("", {}, {1.1F}))}, no_tensor, {}};
  scale.output = again.add({"z", ElementType::float32, folded.tensor(folded.outputs[0]).shape, {}});
  again.outputs = {scale.output};
  again.nodes.push_back(std::move(scale));
  const Graph twice = run_pass("fold_batch_norm", again);
  REQUIRE(twice.nodes.size() == 1);
  CHECK(weight(twice).bytes != weight(original).bytes);
  const std::vector<float> once = read_floats(folded.tensor(folded.nodes[0].inputs[1]));
  const std::vector<float> both = read_floats(twice.tensor(twice.nodes[0].inputs[1]));
  REQUIRE(once.size() == both.size());
  bool equal = true;
  for (std::size_t i = 0; i < once.size(); ++i)
    equal = equal && both[i] == static_cast<float>(static_cast<double>(once[i]) * static_cast<double>(1.1F));
  CHECK(equal);
}

TEST_CASE("fold_batch_norm leaves what it can't take") {
  const std::string norm = "batch_norm(%3, %10, %11, %12, %13)";
  const auto unchanged = [](const std::string& nodes) {
    CAPTURE(nodes);
    check_unchanged("fold_batch_norm", convolution_head + nodes);
  };
  const std::string convolution = "node %3 \"\" float32 [] = convolution(%0, %1)\n";
  unchanged(convolution + "node %4 \"\" float32 [] = " + norm + "\nnode %5 \"\" float32 [] = add(%3, %4)\noutput %5\n");
  unchanged(convolution + "node %4 \"\" float32 [] = " + norm + "\noutput %4\noutput %3\n");
  unchanged("node %3 \"\" float32 [] = convolution(%0, %1) activation=relu\nnode %4 \"\" float32 [] = " + norm +
            "\noutput %4\n");
  unchanged(
      "node %20 \"\" float32 [] = convolution(%0, %1)\nnode %5 \"\" float32 [] = relu(%20)\n"
      "node %3 \"\" float32 [] = convolution(%0, %1, _, %5)\nnode %4 \"\" float32 [] = " +
      norm + "\noutput %4\n");
  unchanged(convolution +
            "node %4 \"\" float32 [] = relu(%3)\nnode %5 \"\" float32 [] = "
            "batch_norm(%4, %10, %11, %12, %13)\noutput %5\n");
  unchanged(convolution + "node %4 \"\" float32 [] = divide(%14, %3)\noutput %4\n");
  // [6] lies along the width
  const std::string narrow = R"(
input %0 "" float32 [N, 4, 8, 8]
const %1 "" float32 [6, 4, 3, 3] digest 1
const %2 "" float32 [6] digest 3
node %3 "" float32 [] = convolution(%0, %1)
node %4 "" float32 [] = add(%3, %2)
output %4
)";
  check_unchanged("fold_batch_norm", narrow);
}

TEST_CASE("fold_batch_norm leaves parameters that are not finite alone") {
  const auto text = [](const std::string& gamma, const std::string& variance) {
    return R"(
input %0 "" float32 [N, 1, 3, 3]
const %1 "" float32 [1, 1, 1, 1] values [1e30]
const %2 "" float32 [1] values [)" +
           gamma + R"(]
const %3 "" float32 [1] values [0]
const %4 "" float32 [1] values [)" +
           variance + R"(]
node %5 "" float32 [] = convolution(%0, %1)
node %6 "" float32 [] = batch_norm(%5, %2, %3, %3, %4)
output %6
)";
  };
  check_unchanged("fold_batch_norm", text("1", "-1"));    // the root of a negative number
  check_unchanged("fold_batch_norm", text("1e30", "1"));  // weights beyond float
  check_unchanged("fold_batch_norm", text("inf", "1"));
  CHECK(run_pass("fold_batch_norm", graph_of(text("1", "1"))).nodes.size() == 1);
}

TEST_CASE("fuse_relu") {
  const std::string after = convolution_head +
                            "node %3 \"\" float32 [] = convolution(%0, %1, %2) activation=relu\n"
                            "node %4 \"\" float32 [] = sigmoid(%3)\noutput %4\n";
  for (const std::string line : {"relu(%3)", "clip(%3) minimum=0", "clip(%3) minimum=0 maximum=inf"}) {
    CAPTURE(line);
    check_pass("fuse_relu",
               convolution_head + "node %3 \"\" float32 [] = convolution(%0, %1, %2)\nnode %4 \"\" float32 [] = " +
                   line + "\nnode %5 \"\" float32 [] = sigmoid(%4)\noutput %5\n",
               after);
  }
}

TEST_CASE("fuse_relu leaves what else is read") {
  const auto unchanged = [](const std::string& nodes) {
    CAPTURE(nodes);
    check_unchanged("fuse_relu", convolution_head + "node %3 \"\" float32 [] = convolution(%0, %1, %2)\n" + nodes);
  };
  unchanged("node %4 \"\" float32 [] = relu(%3)\nnode %5 \"\" float32 [] = add(%3, %4)\noutput %5\n");
  unchanged("node %4 \"\" float32 [] = relu(%3)\noutput %4\noutput %3\n");
  unchanged("node %4 \"\" float32 [] = clip(%3) minimum=0 maximum=6\noutput %4\n");
  unchanged("node %4 \"\" float32 [] = clip(%3) minimum=-1\noutput %4\n");
}

const std::string residual_head = R"(
input %0 "" float32 [N, 4, ?, ?]
const %1 "" float32 [4, 4, 3, 3] digest 1
const %2 "" float32 [4, 4, 1, 1] digest 2
)";

TEST_CASE("fuse_residual_add: the shortcut is a tensor") {
  for (const std::string operands : {"%3, %4", "%4, %3"}) {
    check_pass("fuse_residual_add",
               residual_head + R"(
node %3 "" float32 [] = relu(%0)
node %4 "" float32 [] = convolution(%3, %1) padding=[1, 1, 1, 1]
node %5 "" float32 [] = add()" +
                   operands + R"()
output %5
)",
               residual_head + R"(
node %3 "" float32 [] = relu(%0)
node %4 "" float32 [] = convolution(%3, %1, _, %3) padding=[1, 1, 1, 1]
output %4
)");
  }
}

TEST_CASE("fuse_residual_add: of two convolutions the later takes the sum") {
  for (const std::string operands : {"%3, %4", "%4, %3"}) {
    check_pass("fuse_residual_add",
               residual_head + R"(
node %3 "" float32 [] = convolution(%0, %1) padding=[1, 1, 1, 1]
node %4 "" float32 [] = convolution(%0, %2)
node %5 "" float32 [] = add()" +
                   operands + R"()
output %5
)",
               residual_head + R"(
node %3 "" float32 [] = convolution(%0, %1) padding=[1, 1, 1, 1]
node %4 "" float32 [] = convolution(%0, %2, _, %3)
output %4
)");
  }
}

const std::string norm_head = R"(
input %0 "" float32 [N, 6, 4, 4]
const %1 "" float32 [2] digest 1
const %2 "" float32 [2] digest 2
const %3 "" float32 [6, 1, 1] digest 3
const %4 "" float32 [6, 1, 1] digest 4
)";

TEST_CASE("fuse_group_norm: as PyTorch's exporters write it") {
  const Graph original = graph_of(norm_head + R"(
node %5 "" float32 [] = reshape(%0) shape=[0, 2, -1]
node %6 "" float32 [] = group_norm(%5, %1, %2) groups=2
node %7 "" float32 [] = reshape(%6) shape=[0, 6, 4, 4]
node %8 "" float32 [] = multiply(%7, %3)
node %9 "" float32 [] = add(%8, %4)
output %9
)");
  const Graph fused = run_pass("fuse_group_norm", original);
  REQUIRE(fused.nodes.size() == 1);
  CHECK(fused.nodes[0].op == Op::group_norm);
  CHECK(attributes_of<GroupNormAttributes>(fused.nodes[0]).groups == 2);
  check_equivalent(fused, original);
}

TEST_CASE("fuse_group_norm leaves what is no group norm of images") {
  for (const std::string nodes : {
           // the groups are cut across images
           "node %5 \"\" float32 [] = reshape(%0) shape=[-1, 2, 16]\nnode %6 \"\" float32 [] = group_norm(%5, %1, %2) "
           "groups=2\nnode %7 \"\" float32 [] = reshape(%6) shape=[-1, 6, 4, 4]\noutput %7\n",
           // the norm is read twice
           "node %5 \"\" float32 [] = reshape(%0) shape=[0, 2, -1]\nnode %6 \"\" float32 [] = group_norm(%5, %1, %2) "
           "groups=2\nnode %7 \"\" float32 [] = reshape(%6) shape=[0, 6, 4, 4]\noutput %7\noutput %6\n",
           // the groups are not those of the reshape
           "node %5 \"\" float32 [] = reshape(%0) shape=[0, 2, -1]\nnode %6 \"\" float32 [] = group_norm(%5, %1, %2) "
           "groups=1\nnode %7 \"\" float32 [] = reshape(%6) shape=[0, 6, 4, 4]\noutput %7\n",
       }) {
    CAPTURE(nodes);
    check_unchanged("fuse_group_norm", norm_head + nodes);
  }
}

TEST_CASE("fuse_relu: after norms that no convolution took") {
  const std::string head = R"(
input %0 "" float32 [N, 6, ?, ?]
const %1 "" float32 [6] digest 1
const %2 "" float32 [6] digest 2
const %3 "" float32 [6] digest 3
const %4 "" float32 [6] values [1, 2, 3, 4, 5, 6]
)";
  for (const std::string norm : {"batch_norm(%0, %1, %2, %3, %4)", "group_norm(%0, %1, %2) groups=3"}) {
    CAPTURE(norm);
    const std::string made = head + "node %5 \"\" float32 [] = " + norm;
    check_pass("fuse_relu", made + "\nnode %6 \"\" float32 [] = relu(%5)\noutput %6\n",
               made + " activation=relu\noutput %5\n");
  }
}

TEST_CASE("fold_batch_norm leaves one with an activation where it is") {
  check_unchanged("fold_batch_norm", convolution_head + R"(
node %3 "" float32 [] = convolution(%0, %1, %2) padding=[1, 1, 1, 1]
node %4 "" float32 [] = batch_norm(%3, %10, %11, %12, %13) activation=relu
output %4
)");
}

TEST_CASE("remove_noops: arithmetic reads what an expand reads") {
  const std::string head = "input %0 \"\" float32 [N, 6, 4, 4]\nnode %1 \"\" float32 [] = global_average_pool(%0)\n";
  check_pass("remove_noops",
             head +
                 "node %2 \"\" float32 [] = expand(%1) shape=[N, 6, 4, 4]\nnode %3 \"\" float32 [] = multiply(%0, "
                 "%2)\noutput %3\n",
             head + "node %3 \"\" float32 [] = multiply(%0, %1)\noutput %3\n");
}

const std::string gate_head = R"(
input %0 "" float32 [N, 6, ?, ?]
node %1 "" float32 [] = global_average_pool(%0)
)";

TEST_CASE("fuse_channel_gate: the gate on either side") {
  for (const std::string operands : {"%0, %1", "%1, %0"}) {
    CAPTURE(operands);
    check_pass("fuse_channel_gate", gate_head + "node %2 \"\" float32 [] = multiply(" + operands + ")\noutput %2\n",
               gate_head + "node %2 \"\" float32 [] = channel_gate(%0, %1)\noutput %2\n");
  }
}

TEST_CASE("fuse_channel_gate leaves what is no factor for each channel of each image") {
  for (const std::string nodes :
       {"const %3 \"\" float32 [1, 6, 1, 1] digest 1\nnode %2 \"\" float32 [] = multiply(%0, %3)\n",
        "node %3 \"\" float32 [] = slice(%1) starts=[0] ends=[1] axes=[1]\nnode %2 \"\" float32 [] = multiply(%0, "
        "%3)\n",
        "node %3 \"\" float32 [] = slice(%1) starts=[0] ends=[1] axes=[0]\nnode %2 \"\" float32 [] = multiply(%0, "
        "%3)\n",
        "node %2 \"\" float32 [] = add(%0, %1)\n",
        "node %3 \"\" int64 [] = cast(%0) to=int64\nnode %4 \"\" int64 [] = cast(%1) to=int64\n"
        "node %2 \"\" int64 [] = multiply(%3, %4)\n",
        "node %2 \"\" float32 [] = multiply(%0, %0)\n"}) {
    CAPTURE(nodes);
    check_unchanged("fuse_channel_gate", gate_head + nodes + "output %2\n");
  }
}

TEST_CASE("fuse_residual_add and fuse_relu: after a gate") {
  const std::string head = R"(
input %0 "" float32 [N, 6, 5, 4]
input %9 "" float32 [N, 6, 5, 4]
node %1 "" float32 [] = global_average_pool(%0)
node %2 "" float32 [] = channel_gate(%0, %1)";
  check_pass("fuse_residual_add", head + ")\nnode %3 \"\" float32 [] = add(%9, %2)\noutput %3\n",
             head + ", %9)\noutput %2\n");
  check_pass("fuse_relu", head + ", %9)\nnode %3 \"\" float32 [] = relu(%2)\noutput %3\n",
             head + ", %9) activation=relu\noutput %2\n");
  check_unchanged("fuse_residual_add", head + ") activation=relu\nnode %3 \"\" float32 [] = add(%9, %2)\noutput %3\n");
  check_unchanged("fuse_residual_add", head + ", %9)\nnode %3 \"\" float32 [] = add(%9, %2)\noutput %3\n");
  check_unchanged("fuse_residual_add", head + ")\nnode %3 \"\" float32 [] = add(%9, %2)\noutput %3\noutput %2\n");
}

TEST_CASE("fuse_residual_add: a shortcut that is made after the convolution") {
  check_pass("fuse_residual_add", residual_head + R"(
node %3 "" float32 [] = convolution(%0, %1) padding=[1, 1, 1, 1]
node %4 "" float32 [] = sigmoid(%0)
node %5 "" float32 [] = add(%4, %3)
output %5
)",
             residual_head + R"(
node %4 "" float32 [] = sigmoid(%0)
node %3 "" float32 [] = convolution(%0, %1, _, %4) padding=[1, 1, 1, 1]
output %3
)");
}

TEST_CASE("fuse_residual_add leaves what is no residual") {
  const auto unchanged = [](const std::string& nodes) {
    CAPTURE(nodes);
    check_unchanged("fuse_residual_add", residual_head + nodes);
  };
  const std::string convolution = "node %3 \"\" float32 [] = convolution(%0, %1) padding=[1, 1, 1, 1]\n";
  unchanged(convolution +
            "node %4 \"\" float32 [] = global_average_pool(%0)\nnode %5 \"\" float32 [] = add(%3, %4)\n"
            "output %5\n");
  unchanged(convolution + "node %5 \"\" float32 [] = add(%3, %0)\noutput %5\noutput %3\n");
  unchanged(convolution + "node %5 \"\" float32 [] = add(%3, %0)\nnode %6 \"\" float32 [] = add(%5, %3)\noutput %6\n");
  unchanged(convolution + "node %5 \"\" float32 [] = add(%3, %3)\noutput %5\n");
  unchanged(
      "node %3 \"\" float32 [] = convolution(%0, %1) padding=[1, 1, 1, 1] activation=relu\n"
      "node %5 \"\" float32 [] = add(%3, %0)\noutput %5\n");
  unchanged(
      "node %3 \"\" float32 [] = convolution(%0, %1, _, %0) padding=[1, 1, 1, 1]\n"
      "node %5 \"\" float32 [] = add(%3, %0)\noutput %5\n");
}

}  // namespace
}  // namespace residua::tests
