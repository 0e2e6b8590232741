#include "tools/class_names.h"

#include <doctest/doctest.h>

using namespace residua::tool;
using Classes = std::vector<std::int32_t>;

TEST_CASE("a name means a label's whole text, or one of the names that it lists") {
  const std::vector<std::string> labels = {"tabby, tabby cat", "", " , ", "sports car"};
  for (const char* name : {"Tabby", "tabby cat", "tabby_cat", "tabby, tabby cat", "TABBY, tabby cat"})
    CHECK(classes_called(labels, name) == Classes{0});
  for (const char* name : {"cat", "", " ", ","}) CHECK(classes_called(labels, name).empty());
  CHECK(classes_called(labels, "sports_car") == Classes{3});
}

TEST_CASE("of several ways to mean a class the most exact one counts") {
  // ImageNet has a jacket and a dog of that name.
  const std::vector<std::string> labels = {"Cardigan", "cardigan",    "Crane",      "crane",
                                           "drake",    "duck, Drake", "goose, DUCK"};
  CHECK(classes_called(labels, "Cardigan") == Classes{0});
  CHECK(classes_called(labels, "cardigan") == Classes{1});
  CHECK(classes_called(labels, "CARDIGAN") == Classes{0, 1});
  CHECK(classes_called(labels, "Drake") == Classes{4});
  CHECK(classes_called(labels, "duck") == Classes{5});
  CHECK(classes_called(labels, "Duck") == Classes{5, 6});
  CHECK(not_one_class(labels, classes_called(labels, "CRANE"), "CRANE") ==
        "2 classes are called 'CRANE': 2 (Crane), 3 (crane)");
  CHECK(not_one_class(labels, {}, "uni\ncorn") == "no class is called 'uni?corn'");
  const std::vector<std::string> same(9, "x");
  CHECK(not_one_class(same, classes_called(same, "x"), "x") ==
        "9 classes are called 'x': 0 (x), 1 (x), 2 (x), 3 (x), 4 (x) and more");
}
