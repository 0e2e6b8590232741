#include "tools/report.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "tools/progress.h"

namespace residua::tool {
namespace {

TEST_CASE("tables align, by characters and not by bytes") {
  CHECK(table({{"name", "ms"}, {"é", "1.5"}, {"long one", "10"}}, "lr") ==
        "name       ms\n"
        "é         1.5\n"
        "long one   10\n");
  CHECK(table({{"a", "b"}, {"ccc"}}, "ll") == "a    b\nccc\n");
  CHECK(table({}, "").empty());
}

TEST_CASE("bars are as wide as asked whatever the share") {
  CHECK(bar(0.5, 4, false) == "##  ");
  CHECK(bar(1, 4, true) == "████");
  CHECK(bar(0.53125, 4, true) == "██▏ ");
  for (const double share : {0.0, -1.0, std::nan(""), -std::numeric_limits<double>::infinity()}) {
    CHECK(bar(share, 4, true) == "    ");
  }
  CHECK(bar(2, 4, false) == "####");
}

TEST_CASE("numbers") {
  CHECK(fixed(12.345, 1) == "12.3");
  CHECK(fixed(std::numeric_limits<double>::max(), 3).size() == 313);
  CHECK(fixed(std::nan(""), 1) == "-");
  CHECK(as_written(0.61F) == 0.61);
  CHECK(static_cast<float>(as_written(0.1234567F)) == 0.1234567F);
  CHECK(std::isnan(as_written(std::numeric_limits<float>::quiet_NaN())));
  CHECK(rounded(1.0 / 3) == 0.333333);
  CHECK(rounded(123456789.0) == 123457000.0);
  CHECK(rounded(0) == 0);
}

TEST_CASE("percentiles are values that were measured") {
  const std::vector<double> values = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  CHECK(percentile(values, 0) == 1);
  CHECK(percentile(values, 50) == 5);
  CHECK(percentile(values, 90) == 9);
  CHECK(percentile(values, 99) == 10);
  CHECK(percentile(std::vector<double>{3}, 50) == 3);
}

TEST_CASE("names cannot steer a terminal") {
  CHECK(printable("a\x1b[31mb\nc\x7f") == "a?[31mb?c?");
  CHECK(printable("Übersicht") == "Übersicht");
}

TEST_CASE("the progress line fits") {
  CHECK(progress_line(120, 240, 6, 80) == "[###############---------------]  120/240  20.0 images/s  6 s left");
  CHECK(progress_line(0, 240, 0, 80) == "[------------------------------]    0/240");
  CHECK(progress_line(5, 1000, 10, 120).ends_with("0.5 images/s  33 min 10 s left"));
  CHECK(progress_line(120, std::nullopt, 6, 80) == "  120  20.0 images/s");
  for (std::size_t columns = 0; columns < 100; ++columns) {
    CHECK(progress_line(7, 70, 1, columns).size() <= columns);
    CHECK(progress_line(7, std::nullopt, 1, columns).size() <= columns);
  }
}

}  // namespace
}  // namespace residua::tool
