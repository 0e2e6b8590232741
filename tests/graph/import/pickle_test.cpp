// The pickle reader against pickles made to harm: each is refused by name, none is executed.
#include <doctest/doctest.h>

#include "graph/import/pickle.h"
#include "tests/graph/import/weight_files.h"

namespace residua::tests {
namespace {

using namespace graph;
using namespace tests::pickle;

Result<Pickle> read(std::string_view bytes) {
  static FileBytes kept;  // texts point into the bytes
  kept = file_of(bytes);
  std::size_t position = 0;
  return read_pickle(kept.span(), position);
}

Result<Pickle> read_body(std::string_view body) { return read(whole(body)); }

std::string repeated(std::string_view piece, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += piece;
  return text;
}

TEST_CASE("pickle: plain values") {
  const auto tree = read(std::string("\x80\x04\x95\x02\0\0\0\0\0\0\0N0", 13) + "](K\x07M\x34\x12J\xff\xff\xff\xff" +
                         std::string("\x8a\x00\x8a\x02\x00\x80", 6) + "G" + std::string("\x3f\xf8\0\0\0\0\0\0", 8) +
                         "\x88\x89N" + "\x8c\x02hi" + "C\x01z" +
                         "\x8a\x09"
                         "123456789" +
                         "e.");
  REQUIRE_MESSAGE(tree.ok(), message_of(tree));
  const auto* list = tree->get<PickleList>(tree->root);
  REQUIRE(list);
  REQUIRE(list->items.size() == 12);
  const auto integer_at = [&](std::size_t i) { return *tree->get<std::int64_t>(list->items[i]); };
  CHECK(integer_at(0) == 7);
  CHECK(integer_at(1) == 0x1234);
  CHECK(integer_at(2) == -1);
  CHECK(integer_at(3) == 0);
  CHECK(integer_at(4) == -32768);
  CHECK(*tree->get<double>(list->items[5]) == 1.5);
  CHECK(*tree->get<bool>(list->items[6]));
  CHECK_FALSE(*tree->get<bool>(list->items[7]));
  CHECK(tree->get<PickleNone>(list->items[8]));
  CHECK(*tree->get<std::string_view>(list->items[9]) == "hi");
  CHECK(tree->get<PickleBytes>(list->items[10])->bytes == "z");
  CHECK(tree->get<PickleLong>(list->items[11])->bytes == "123456789");
}

TEST_CASE("pickle: dicts, sharing and attributes") {
  const auto tree = read_body(global("collections", "OrderedDict") + ")Rq\x05" + "(" + text("a") + "K\x01" + text("b") +
                              "h\x05" + "u" + "}" + text("_metadata") + "Nsb");
  REQUIRE_MESSAGE(tree.ok(), message_of(tree));
  const auto* dictionary = tree->get<PickleDictionary>(tree->root);
  REQUIRE(dictionary);
  REQUIRE(dictionary->items.size() == 2);
  CHECK(dictionary->items[1].second == tree->root);  // it holds itself: no harm
}

TEST_CASE("pickle: names outside the list are refused, whatever is done with them") {
  CHECK_FAILS(read_body(global("os", "system") + tuple({text("true")}) + "R"), unsupported,
              "'os.system', which is not on the list");
  CHECK_FAILS(read_body(global("builtins", "eval") + tuple({text("1")}) + "R"), unsupported, "'builtins.eval'");
  CHECK_FAILS(read_body(global("__builtin__", "eval")), unsupported, "'__builtin__.eval'");
  CHECK_FAILS(read_body(text("posix") + text("system") + "\x93"), unsupported, "'posix.system'");
  CHECK_FAILS(read_body(global("torch", "FloatStorage.__reduce__")), unsupported, "'torch.FloatStorage.__reduce__'");
  CHECK_FAILS(read_body(global("torch.nn.modules.conv", "Conv2d")), unsupported, "saved again as model.state_dict()");
  CHECK_FAILS(read_body("c" + std::string(5000, 'a') + "\nb\n"), malformed, "a name without an end within 256 bytes");
  CHECK_FAILS(read_body("K\x01K\x02\x93"), malformed, "must be texts");
}

TEST_CASE("pickle: calls of anything but a listed function are refused") {
  CHECK_FAILS(read_body(global("torch", "FloatStorage") + ")R"), malformed,
              "a call of the storage class 'FloatStorage'");
  CHECK_FAILS(read_body("K\x01)R"), malformed, "a call of the integer 1, expected a global");
  CHECK_FAILS(read_body(global("collections", "OrderedDict") + "]R"), malformed,
              "a call with a list, expected a tuple");
  CHECK_FAILS(read_body(global("collections", "OrderedDict") + "](K\x01"
                                                               "e\x85R"),
              malformed, "something else than pairs");
  CHECK_FAILS(read_body(global("collections", "OrderedDict") + ")R)R"), malformed, "a call of a dict");
  CHECK_FAILS(read_body(tensor({}) + "}b"), malformed, "attributes are given to an object of '_rebuild_tensor_v2'");
  for (const char* code : {"i", "o", "I1\n", "L1\n", "S'x'\n", "V1\n", "F1\n", "g0\n", "p0\n", "P0\n", "\x82\x01",
                           "\x83", "\x84", "\x92", "\x97", "\x98", "\xff"}) {
    CAPTURE(code);
    CHECK_FAILS(read_body(code), unsupported, "is not one that data needs");
  }
}

TEST_CASE("pickle: containers take only what belongs to them") {
  CHECK_FAILS(read_body("](" + text("a") + "K\x01u"), malformed, "items are set in a list, expected a dict");
  CHECK_FAILS(read_body("]K\x01K\x02s"), malformed, "items are set in a list");
  CHECK_FAILS(read_body("}K\x01"
                        "a"),
              malformed, "items are appended to a dict");
  CHECK_FAILS(read_body("}(K\x01u"), malformed, "a key without a value");
  CHECK_FAILS(read_body(")K\x01"
                        "a"),
              malformed, "items are appended to a tuple");
}

TEST_CASE("pickle: the stack never runs below its floor") {
  CHECK_FAILS(read_body(""), malformed, "byte 2: a value is taken from an empty stack");
  for (const char* body :
       {"0", "2", "a", "s", "\x85", "\x86", "\x87", "R", "b", "Q", "\x93", "q\x01", "\x94", "K\x01R", "K\x01s",
        "K\x01("
        "0"
        "00"}) {
    CAPTURE(body);
    CHECK_FAILS(read_body(body), malformed, "empty stack");
  }
  for (const char* body : {"t", "l", "d", "e", "u", "1", "\x90", "\x91"}) {
    CAPTURE(body);
    CHECK_FAILS(read_body(body), malformed, "a mark is wanted, but none is set");
  }
  CHECK_FAILS(read_body("K\x01(R"), malformed, "empty stack");  // the value lies below the mark
  CHECK_FAILS(read_body("K\x01("), malformed, "1 marks still open");
}

TEST_CASE("pickle: counts are compared with the bytes there are") {
  CHECK_FAILS(read("\x80\x02X\xff\xff\xff\x7fzz"), malformed, "2147483647 bytes are wanted, 2 are left");
  CHECK_FAILS(read("\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xffzz"), malformed,
              "18446744073709551615 bytes are wanted");
  CHECK_FAILS(read("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffN."), malformed,
              "a frame of 18446744073709551615 bytes");
  CHECK_FAILS(read("\x80\x02\x8b\xff\xff\xff\xff."), malformed, "a length of -1");
  CHECK_FAILS(read("\x80\x02T\xff\xff\xff\xff."), malformed, "a length of -1");
  CHECK_FAILS(read("\x80\x02N"), malformed, "byte 3: 1 bytes are wanted, 0 are left");
  CHECK_FAILS(read("\x80\x09N."), unsupported, "pickle protocol 9, expected 2 to 5");
}

TEST_CASE("pickle: nothing grows without bound") {
  CHECK_FAILS(read_body(repeated("(", 5000)), limit, "nested too deeply");
  CHECK_FAILS(read_body(repeated("]", 1'100'000)), limit, "1048577, more than the limit pickle_values=1048576");
  CHECK_FAILS(read_body("]" + repeated("2", 1'100'000)), limit,
              "values on the stack: 1048577, more than the limit pickle_values=1048576");
  CHECK_FAILS(read_body("]" + repeated("20", 9'000'000)), limit, "more than the limit pickle_instructions=16777216");
  CHECK_FAILS(read_body("Nr\xff\xff\xff\xff"), limit,
              "memo entries: 4294967296, more than the limit pickle_values=1048576");
  CHECK_FAILS(read_body("Nj\xff\xff\xff\xff"), malformed, "memo entry 4294967295 was never set");
  CHECK_FAILS(read_body("h\x07"), malformed, "memo entry 7 was never set");
  // a list of lists of lists, each ten times the one before: sharing keeps it small
  std::string bomb =
      "]q\x01"
      "0";
  for (char level = 1; level < 100; ++level) {
    bomb += "](";
    for (int i = 0; i < 10; ++i) bomb += std::string("h") + level;
    bomb += std::string("eq") + static_cast<char>(level + 1) + "0";
  }
  const auto shared = read_body(bomb + "h\x64");
  REQUIRE_MESSAGE(shared.ok(), message_of(shared));
  CHECK(shared->values.size() < 200);
  // one list of pairs, made into a dict again and again
  std::string pairs = "](";
  for (int i = 0; i < 2000; ++i) pairs += "K\x01K\x02\x86";
  pairs +=
      "eq\x01"
      "0" +
      global("collections", "OrderedDict") +
      "q\x02"
      "0";
  CHECK_FAILS(read_body(pairs + repeated("h\x02h\x01\x85R0", 2000) + "N"), limit, "more than the limit pickle_values");
  // lists nested a hundred thousand deep: no recursion follows them
  const auto deep = read_body(repeated("]", 100'000) + repeated("a", 99'999));
  CHECK(deep.ok());
}

}  // namespace
}  // namespace residua::tests
