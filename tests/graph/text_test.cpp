#include "graph/text.h"

#include "graph/verify.h"
#include "tests/graph/values.h"

namespace residua::tests {
namespace {

using namespace residua::graph;

const char* const canonical = R"(graph "small"
input  %0 "x" float32 [N, 4, ?, ?]
const  %1 "w" float32 [2, 4, 1, 1] values [0.1, -1.5, 3, 1e-20, 1e+20, 0.33333334, inf, nan]
const  %2 "b" float32 [2] values [0, -0]
node   %3 "y" float32 [N, 2, ?, ?] = convolution(%0, %1, %2) strides=[2, 1] padding=[0, 1, 2, 3] activation=relu  # conv1
node   %4 "z" float32 [N, 2, ?, ?] = clip(%3) minimum=-0.5 maximum=6
node   %5 "n" float32 [N, 2, ?, ?] = convolution(%0, %1, _, %4) strides=[2, 1] padding=[0, 1, 2, 3]
const  %6 "p" int64 [2] values [0, -1]
node   %7 "r" float32 [N, ?] = reshape(%5, %6)
node   %8 "s" float32 [N, ?] = reshape(%5) shape=[N, ?]
node   %9 "t" float32 [?, ?] = slice(%8) starts=[0, -1] ends=[9223372036854775807, -9223372036854775808] steps=[2, -1]
node   %10 "c" int32 [?, ?] = cast(%9) to=int32
output %7
output %10
)";

TEST_CASE("the canonical text is read and written without a change") {
  const Result<Graph> graph = parse_text(canonical);
  REQUIRE_MESSAGE(graph.ok(), graph.error().message);
  const Status status = verify(*graph);
  CHECK_MESSAGE(status.ok(), (status.ok() ? "" : status.error().message));
  CHECK(to_text(*graph) == canonical);
  CHECK(graph->nodes[0].name == "conv1");
  CHECK(graph->nodes[2].inputs[2] == no_tensor);
}

TEST_CASE("constants of every type keep their values") {
  const std::string text = R"(graph "types"
const  %0 "f64" float64 [2] values [0.1, -1e+300]
output %0
const  %1 "f16" float16 [3] values [0.33325195, 65504, -5.9604645e-08]
output %1
const  %2 "bf16" bfloat16 [2] values [0.100097656, -3.3895314e+38]
output %2
const  %3 "i32" int32 [2] values [-2147483648, 2147483647]
output %3
const  %4 "u8" uint8 [2] values [0, 255]
output %4
const  %5 "i8" int8 [2] values [-128, 127]
output %5
const  %6 "b" boolean [2] values [0, 1]
output %6
const  %7 "none" float32 [0, 3] values []
output %7
const  %8 "scalar" int64 [] values [-9223372036854775808]
output %8
)";
  const Result<Graph> graph = parse_text(text);
  REQUIRE_MESSAGE(graph.ok(), graph.error().message);
  CHECK(verify(*graph).ok());
  CHECK(to_text(*graph) == text);
}

TEST_CASE("tensors are numbered by appearance and unused ones left out") {
  Graph graph;
  graph.add({"unused", ElementType::float32, {1}, {}});
  const TensorId output = graph.add({"out", ElementType::float32, {2}, {}});
  const TensorId constant = graph.add(make_float_constant("c", {2}, {1, 2}));
  const TensorId input = graph.add({"in", ElementType::float32, {2}, {}});
  graph.add(make_float_constant("unused too", {2}, {1, 2}));
  graph.inputs = {input};
  graph.outputs = {output};
  graph.nodes.push_back({Op::add, "", {input, constant, no_tensor}, output, {}});
  CHECK(to_text(graph) == R"(graph ""
input  %0 "in" float32 [2]
const  %1 "c" float32 [2] values [1, 2]
node   %2 "out" float32 [2] = add(%0, %1)
output %2
)");
}

TEST_CASE("large constants show a digest, or only their shape") {
  Graph graph;
  graph.outputs = {graph.add(make_float_constant("c", {17}, std::vector<float>(17, 1)))};
  const std::string text = to_text(graph);
  const std::string digits = text.substr(text.find("digest ") + 7, 16);
  CHECK(digits.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(text == "graph \"\"\nconst  %0 \"c\" float32 [17] digest " + digits + "\noutput %0\n");
  CHECK(to_text(graph, {17, true}).find("values [1, 1,") != std::string::npos);
  TextOptions plain;
  plain.digests = false;
  CHECK(to_text(graph, plain) == "graph \"\"\nconst  %0 \"c\" float32 [17]\noutput %0\n");
}

TEST_CASE("constants without values are filled, the same on every run") {
  const std::string text = R"(graph "filled"
input  %0 "x" float32 [N, 8, 4, 4]
const  %1 "s" float32 [8]
const  %2 "s2" float32 [8]
const  %3 "m" float32 [8] digest 12ab
const  %4 "v" float32 [8] digest 12ab
node   %5 "y" float32 [N, 8, 4, 4] = batch_norm(%0, %1, %2, %3, %4)
const  %6 "w" float16 [64, 64, 3, 3]
const  %7 "i" int32 [100]
output %5
)";
  const Graph first = parse_text(text).value();
  const Graph second = parse_text(text).value();
  CHECK(verify(first).ok());
  const auto values = [&first](TensorId id) { return read_floats(first.tensor(id)); };
  CHECK(values(1) == read_floats(second.tensor(1)));
  CHECK(values(1) != values(2));
  CHECK(values(3) != values(4));
  for (const float variance : values(4)) CHECK(variance > 0);
  float largest = 0;
  for (const float weight : values(6)) largest = std::max(largest, std::abs(weight));
  CHECK(largest < 0.1f);  // sqrt(3 / 576)
  CHECK(largest > 0.05f);
  for (const std::int64_t integer : read_integers(first.tensor(7))) CHECK((integer == 0 || integer == 1));
}

TEST_CASE("comments, blank lines and spaces between tokens") {
  const Result<Graph> graph = parse_text(
      "# first\r\n\r\n  graph \"g\"  # name\r\n\ninput %7 \"x\" float32 [ 1,N ] # in\n\t\n"
      "node %3 \"y\" float32 [1, N] = relu( %7 )\t#  act \\x23\noutput %3 # out");
  REQUIRE_MESSAGE(graph.ok(), graph.error().message);
  CHECK(graph->nodes[0].name == " act #");
  CHECK(to_text(*graph) ==
        "graph \"g\"\ninput  %0 \"x\" float32 [1, N]\n"
        "node   %1 \"y\" float32 [1, N] = relu(%0)  #  act #\noutput %1\n");
}

TEST_CASE("errors name line and column") {
  const std::string head = "graph \"g\"\ninput  %0 \"x\" float32 [1, 2]\n";
  const auto refused = [](const std::string& text, const std::string& place, const std::string& what) {
    CAPTURE(text);
    check_error(parse_text(text), ErrorCode::malformed, {place, what});
  };
  refused("", "line 1, column 1", "expected the line 'graph");
  refused("input %0", "line 1, column 7", "first");
  refused("graph g", "line 1, column 7", "expected '\"'; found \"g\"");
  refused("graph \"g", "line 1, column 9", "the end of the line");
  refused("graph \"g\"\ngraph \"h\"", "line 2", "second graph");
  refused("graph \"\\x4\"", "line 1", "\\xHH");
  refused("graph \"g\" x", "line 1, column 11", "expected");
  refused(head + "nodes", "line 3", "not 'nodes'");
  refused(head + "output 0", "line 3, column 8", "expected '%'");
  refused(head + "output %1", "line 3", "no line above defines %1");
  refused(head + "output %99999999999999999999", "line 3, column 9", "out of range");
  refused(head + "input %0 \"y\" float32 []", "line 3", "%0 is defined twice");
  refused(head + "input %1 \"y\" float31 []", "line 3", "'float31'");
  refused(head + "input %1 \"y\" float32 [1, -2]", "line 3", "dimension");
  refused(head + "input %1 \"y\" float32 [1 2]", "line 3, column 25", "expected ']'");
  refused(head + "node %1 \"y\" float32 [1, 2] relu(%0)", "line 3, column 28", "expected '='");
  refused(head + "node %1 \"y\" float32 [1, 2] = rely(%0)", "line 3", "unknown op 'rely'");
  refused(head + "node %1 \"y\" float32 [1, 2] = relu(%2)", "line 3", "%2");
  refused(head + "node %1 \"y\" float32 [1, 2] = relu(%1)", "line 3", "its own output");
  refused(head + "node %1 \"y\" float32 [1, 2] = clip(%0) minimum=x", "line 3, column 47", "expected a number");
  refused(head + "node %1 \"y\" float32 [1, 2] = clip(%0) low=1", "line 3", "no attribute 'low'");
  refused(head + "node %1 \"y\" float32 [1, 2] = clip(%0) minimum=1 minimum=2", "line 3", "twice");
  refused(head + "node %1 \"y\" float32 [1, 2] = max_pool(%0) kernel=[1]", "line 3", "2 values");
  refused(head + "node %1 \"y\" float32 [1, 2] = max_pool(%0) ceil_mode=yes", "line 3", "true or false");
  refused(head + "node %1 \"y\" float32 [1, 2] = convolution(%0) activation=gelu", "line 3", "relu or none");
  refused(head + "node %1 \"y\" float32 [1, 2] = cast(%0) to=int", "line 3", "'int'");
  refused(head + "const %1 \"y\" int8 [1] values [128]", "line 3", "128 does not fit");
  refused(head + "const %1 \"y\" boolean [1] values [2]", "line 3", "2 does not fit");
  refused(head + "const %1 \"y\" int8 [2] values [1]", "line 3", "expected 2 values, not 1");
  refused(head + "const %1 \"y\" int8 [N] values [1]", "line 3", "not static");
  refused(head + "const %1 \"y\" int8 [1] digits 1", "line 3", "not 'digits'");
  refused(head + "const %1 \"y\" float32 [1] values [1e99]", "line 3", "out of range");
  check_error(parse_text(head + "const %1 \"y\" float32 [1000000000]"), ErrorCode::limit,
              {"line 3", "random_elements"});
  check_error(parse_text(head + "const %1 \"y\" float32 [200000000]\nconst %2 \"y\" float32 [200000000]"),
              ErrorCode::limit, {"line 4"});
}

TEST_CASE("a broken graph can be written too") {
  Graph graph;
  graph.nodes.push_back({Op::relu, "lost", {5, no_tensor}, 9, {}});
  graph.outputs = {3};
  CHECK(to_text(graph) == "graph \"\"\nnode   %? = relu(%?)  # lost\noutput %?\n");
  CHECK(!parse_text(to_text(graph)).ok());
}

}  // namespace
}  // namespace residua::tests
