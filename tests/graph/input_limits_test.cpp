#include "graph/input_limits.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

#include "graph/text.h"
#include "tests/data.h"

using namespace residua::graph;

namespace {

// Puts every limit back.
struct Restore {
  ~Restore() {
    for (const LimitInfo& info : all_limits()) static_cast<void>(set_limit(info.name, info.initial));
  }
};

std::string error_of(const Status& status) { return status ? "" : status.error().message; }

}  // namespace

TEST_CASE("limits: an error says what, how much, the bound, and how to raise it") {
  const Restore restore;
  CHECK(check_limit(Limit::nodes, value_of(Limit::nodes), "nodes").ok());
  CHECK(error_of(check_limit(Limit::nodes, 20001, "nodes of the graph")) ==
        "nodes of the graph: 20001, more than the limit nodes=20000 (nodes of a network); RESIDUA_LIMITS=nodes=20001 "
        "raises it");
  CHECK(error_of(check_limit(Limit::nodes, UINT64_MAX, "nodes")).ends_with("; it cannot be raised so far"));
  CHECK(check_limit(Limit::nodes, 20001, "").error().code == ErrorCode::limit);
}

TEST_CASE("limits: what is set holds, and a text is taken whole or not at all") {
  const Restore restore;
  REQUIRE(set_limits("nodes=3,rank=4").ok());
  CHECK(value_of(Limit::nodes) == 3);
  CHECK(value_of(Limit::rank) == 4);
  CHECK(set_limits("").ok());
  const auto refused = [](const std::string& text, const std::string& part) {
    CAPTURE(text);
    const Status status = set_limits(text);
    REQUIRE(!status);
    CHECK(status.error().code == ErrorCode::invalid_argument);
    CHECK(status.error().message.find(part) != std::string::npos);
    CHECK(value_of(Limit::nodes) == 3);
  };
  refused("nodes=5,deepth=1", "there is no limit 'deepth'; there are file_bytes, external_files");
  refused("nodes=5,rank", "'rank' is no limit, expected NAME=NUMBER");
  refused("nodes=5,rank=x", "'rank=x' is no limit");
  refused("nodes=5,rank=-1", "'rank=-1' is no limit");
  refused("nodes=5,rank=4 ", "'rank=4 ' is no limit");
  refused("nodes=5,rank=0", "the limit rank cannot be 0, expected 1 to 32");
  refused("nodes=5,rank=33", "the limit rank cannot be 33");
  refused("nodes=5,rank=99999999999999999999", "is no limit");
  refused("=5", "there is no limit ''");
}

TEST_CASE("limits: the text form of a graph keeps to them") {
  const Restore restore;
  const std::string text =
      "graph \"g\"\ninput %0 \"x\" float32 [N]\nnode %1 \"a\" float32 [N] = relu(%0)\n"
      "node %2 \"b\" float32 [N] = relu(%1)\noutput %2\n";
  CHECK(parse_text(text).ok());
  REQUIRE(set_limits("nodes=1").ok());
  CHECK(parse_text(text).error().message.find("line 4") != std::string::npos);
  CHECK(parse_text(text).error().message.find("nodes: 2, more than the limit nodes=1") != std::string::npos);
  REQUIRE(set_limits("nodes=9,tensors=2").ok());
  CHECK(parse_text(text).error().message.find("tensors: 3, more than the limit tensors=2") != std::string::npos);
}

TEST_CASE("limits: SECURITY.md lists them as they are") {
  std::ifstream file(residua::tests::source_root() / "SECURITY.md");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::size_t rows = 0;
  for (const LimitInfo& info : all_limits()) {
    const std::string row = "| `" + std::string(info.name) + "` | " + std::to_string(info.initial) + " | " +
                            std::string(info.bounded) + " |\n";
    CHECK_MESSAGE(text.find(row) != std::string::npos, "expected the row ", row);
  }
  for (std::size_t place = text.find("\n| `"); place != std::string::npos; place = text.find("\n| `", place + 1))
    ++rows;
  CHECK(rows == all_limits().size());
}
