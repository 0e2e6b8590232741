#include "pass_testing.h"

namespace residua::tests {
namespace {

using namespace residua::graph;

TEST_CASE("canonical_pooling") {
  const std::string after = R"(
input %0 "" float32 [N, 4, 6, 5]
node %1 "" float32 [] = global_average_pool(%0)
output %1
)";
  for (const std::string line :
       {"reduce_mean(%0) axes=[2, 3]", "reduce_mean(%0) axes=[-1, -2]", "average_pool(%0) kernel=[6, 5]",
        "average_pool(%0) kernel=[6, 5] strides=[3, 3] ceil_mode=true count_include_pad=true"}) {
    CAPTURE(line);
    check_pass("canonical_pooling",
               "input %0 \"\" float32 [N, 4, 6, 5]\nnode %1 \"\" float32 [] = " + line + "\noutput %1\n", after);
  }
  check_pass("canonical_pooling", R"(
input %0 "" float32 [N, 4, ?, ?]
node %1 "" float32 [] = reduce_mean(%0) axes=[2, 3] keep_dimensions=false
output %1
)",
             R"(
input %0 "" float32 [N, 4, ?, ?]
node %1 "" float32 [] = global_average_pool(%0)
node %2 "" float32 [] = flatten(%1)
output %2
)");
}

TEST_CASE("canonical_pooling leaves what averages something else") {
  for (const std::string line :
       {"reduce_mean(%0) axes=[1, 2]", "reduce_mean(%0) axes=[3]", "reduce_mean(%0)", "average_pool(%0) kernel=[5, 5]",
        "average_pool(%0) kernel=[6, 5] padding=[1, 0, 0, 0]", "max_pool(%0) kernel=[6, 5]"}) {
    CAPTURE(line);
    check_unchanged("canonical_pooling",
                    "input %0 \"\" float32 [N, 4, 6, 5]\nnode %1 \"\" float32 [] = " + line + "\noutput %1\n");
  }
  check_unchanged("canonical_pooling", R"(
input %0 "" float32 [N, 4, ?, ?]
node %1 "" float32 [] = average_pool(%0) kernel=[7, 7]
output %1
)");
}

TEST_CASE("canonical_classifier") {
  check_pass("canonical_classifier", R"(
input %0 "" float32 [N, 6, 3, 3]
node %1 "" float32 [] = global_average_pool(%0)
node %2 "" float32 [] = flatten(%1)
const %3 "" float32 [6, 5] digest 1
node %4 "" float32 [] = matmul(%2, %3)
output %4
)",
             R"(
input %0 "" float32 [N, 6, 3, 3]
node %1 "" float32 [] = global_average_pool(%0)
const %3 "" float32 [5, 6] digest 1
node %4 "" float32 [] = fully_connected(%1, %3)
output %4
)");
  check_pass("canonical_classifier", R"(
input %0 "" float32 [N, 2, 3, 3]
node %2 "" float32 [] = flatten(%0)
const %3 "" float32 [18, 5] digest 1
node %4 "" float32 [] = matmul(%2, %3)
output %4
)",
             R"(
input %0 "" float32 [N, 2, 3, 3]
node %2 "" float32 [] = flatten(%0)
const %3 "" float32 [5, 18] digest 1
node %4 "" float32 [] = fully_connected(%2, %3)
output %4
)");
}

TEST_CASE("fully_connected flattens x itself") {
  const std::string head = "input %0 \"\" float32 [N, 2, 3, 3]\nconst %1 \"\" float32 [5, 18] digest 1\n";
  const Graph direct = graph_of(head + "node %2 \"\" float32 [] = fully_connected(%0, %1)\noutput %2\n");
  check_equivalent(direct, graph_of(head + "node %2 \"\" float32 [] = flatten(%0)\n"
                                           "node %3 \"\" float32 [] = fully_connected(%2, %1)\noutput %3\n"));
  Graph wrong = direct;
  wrong.tensor(wrong.inputs[0]).shape = {batch_dimension, 2, 3, 4};
  const Status status = verify(wrong);
  REQUIRE(!status.ok());
  CHECK(status.error().code == ErrorCode::mismatch);
}

TEST_CASE("canonical_classifier leaves other products") {
  check_unchanged("canonical_classifier", R"(
input %0 "" float32 [N, 4, 6]
const %1 "" float32 [6, 5] digest 1
node %2 "" float32 [] = matmul(%0, %1)
output %2
)");
  check_unchanged("canonical_classifier", R"(
input %0 "" float32 [N, 6]
input %1 "" float32 [6, 5]
node %2 "" float32 [] = matmul(%0, %1)
output %2
)");
}

std::string padded(const std::string& pad, const std::string& reader) {
  return "input %0 \"\" float32 [N, 4, 6, 5]\nconst %9 \"\" float32 [2, 4, 3, 3] digest 1\n"
         "node %1 \"\" float32 [] = relu(%0)\nnode %2 \"\" float32 [] = sigmoid(%1)\nnode %5 \"\" float32 [] = "
         "divide(%0, %2)\n"
         "node %3 \"\" float32 [] = " +
         pad + "\nnode %4 \"\" float32 [] = " + reader + "\noutput %4\n";
}

// `reader` reads x and pads itself afterwards.
void check_folded(const std::string& pad, const std::string& reader, const std::string& folded) {
  CAPTURE(reader);
  CAPTURE(pad);
  check_pass("fold_padding", padded(pad, reader), padded("identity(%0)", folded));
}

TEST_CASE("fold_padding") {
  check_folded("pad(%5) before=[0, 0, 1, 2] after=[0, 0, 3, 0]", "convolution(%3, %9) strides=[2, 1]",
               "convolution(%5, %9) strides=[2, 1] padding=[1, 2, 3, 0]");
  check_folded("pad(%5) before=[0, 0, 1, 1] after=[0, 0, 1, 1]", "convolution(%3, %9) padding=[1, 0, 0, 2]",
               "convolution(%5, %9) padding=[2, 1, 1, 3]");
  check_folded("pad(%5) before=[0, 0, 1, 0] after=[0, 0, 1, 1]", "average_pool(%3) kernel=[3, 3] strides=[2, 2]",
               "average_pool(%5) kernel=[3, 3] strides=[2, 2] padding=[1, 0, 1, 1] count_include_pad=true");
  check_folded("pad(%5) before=[0, 0, 1, 0] after=[0, 0, 1, 1]",
               "average_pool(%3) kernel=[3, 3] padding=[1, 1, 0, 0] count_include_pad=true",
               "average_pool(%5) kernel=[3, 3] padding=[2, 1, 1, 1] count_include_pad=true");
  // relu and sigmoid are not negative
  check_folded("pad(%1) before=[0, 0, 1, 1] after=[0, 0, 2, 1]", "max_pool(%3) kernel=[3, 2] strides=[2, 2]",
               "max_pool(%1) kernel=[3, 2] strides=[2, 2] padding=[1, 1, 2, 1]");
  check_folded("pad(%2) before=[0, 0, 1, 1] after=[0, 0, 1, 1]", "max_pool(%3) kernel=[3, 3] padding=[1, 1, 0, 0]",
               "max_pool(%2) kernel=[3, 3] padding=[2, 2, 1, 1]");
  check_folded("pad(%5) before=[0, 0, 1, 1] after=[0, 0, 1, 1] value=-inf", "max_pool(%3) kernel=[3, 3]",
               "max_pool(%5) kernel=[3, 3] padding=[1, 1, 1, 1]");
}

TEST_CASE("fold_padding leaves what would change") {
  const auto unchanged = [](const std::string& pad, const std::string& reader) {
    CAPTURE(pad);
    CAPTURE(reader);
    check_unchanged("fold_padding", padded(pad, reader));
  };
  const std::string plain = "pad(%5) before=[0, 0, 1, 1] after=[0, 0, 1, 1]";
  const std::string positive = "pad(%1) before=[0, 0, 1, 1] after=[0, 0, 1, 1]";
  unchanged(plain + " value=1", "convolution(%3, %9)");
  unchanged("pad(%5) before=[0, 0, -1, 1] after=[0, 0, 1, 1]", "convolution(%3, %9)");
  unchanged("pad(%5) before=[1, 0, 0, 0] after=[0, 0, 0, 0]", "convolution(%3, %9)");
  unchanged("pad(%5) before=[0, 0, 0, 0] after=[0, 1, 0, 0]", "max_pool(%3) kernel=[3, 3]");
  unchanged(plain, "max_pool(%3) kernel=[3, 3]");                      // x may be negative
  unchanged(positive + " value=1", "max_pool(%3) kernel=[3, 3]");      // 1 may win
  unchanged(positive, "max_pool(%3) kernel=[1, 1]");                   // windows of padding alone
  unchanged(positive, "max_pool(%3) kernel=[2, 2] dilations=[2, 2]");  // windows that may step over x
  unchanged(positive, "max_pool(%3) kernel=[3, 3] ceil_mode=true");
  unchanged(plain, "average_pool(%3) kernel=[3, 3] ceil_mode=true");
  unchanged(plain, "average_pool(%3) kernel=[3, 3] padding=[1, 1, 1, 1]");  // does not count its own padding
}

TEST_CASE("fold_padding: other readers keep the pad") {
  check_pass("fold_padding", R"(
input %0 "" float32 [N, 4, 6, 5]
const %9 "" float32 [2, 4, 3, 3] digest 1
node %3 "" float32 [] = pad(%0) before=[0, 0, 1, 1] after=[0, 0, 1, 1]
node %4 "" float32 [] = convolution(%3, %9)
output %4
output %3
)",
             R"(
input %0 "" float32 [N, 4, 6, 5]
const %9 "" float32 [2, 4, 3, 3] digest 1
node %3 "" float32 [] = pad(%0) before=[0, 0, 1, 1] after=[0, 0, 1, 1]
node %4 "" float32 [] = convolution(%0, %9) padding=[1, 1, 1, 1]
output %4
output %3
)");
}

}  // namespace
}  // namespace residua::tests
