#include "tools/evaluation.h"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "tools/html.h"
#include "tools/image/resize.h"
#include "tools/sha256.h"

namespace residua::tool {
namespace {

using doctest::Approx;

Judgement judgement_of(std::size_t image, std::int32_t truth, std::vector<Guess> guesses) {
  return judge(image, truth, std::move(guesses));
}

TEST_CASE("Wilson's interval: as in the literature, and sensible at the ends") {
  // Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998), table I,
  // method 3: four cases with these intervals.
  const struct {
    std::size_t right, images;
    double low, high;
  } cases[] = {{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0.0000, 0.1611}, {1, 29, 0.0061, 0.1718}};
  for (const auto& known : cases) {
    const Interval interval = wilson_interval(known.right, known.images);
    CHECK(interval.low == Approx(known.low).epsilon(0.00005).scale(1));
    CHECK(interval.high == Approx(known.high).epsilon(0.00005).scale(1));
    const Interval mirrored = wilson_interval(known.images - known.right, known.images);
    CHECK(mirrored.low == Approx(1 - interval.high));
    CHECK(mirrored.high == Approx(1 - interval.low));
  }
  CHECK(wilson_interval(0, 7).low == 0);
  CHECK(wilson_interval(7, 7).high == 1);
  CHECK(wilson_interval(0, 0).low == 0);
  CHECK(wilson_interval(0, 0).high == 1);
}

TEST_CASE("an image is judged by where the truth stands among all classes") {
  const std::vector<Guess> guesses = {{4, 0.5f}, {2, 0.2f}, {0, 0.1f}, {1, 0.08f}, {3, 0.07f}, {5, 0.05f}};
  for (std::size_t rank = 0; rank < guesses.size(); ++rank) {
    const Judgement judgement = judge(7, guesses[rank].index, guesses);
    CHECK(judgement.image == 7);
    CHECK(judgement.rank == rank);
    CHECK(judgement.right() == (rank == 0));
    CHECK(judgement.probability == guesses[rank].probability);
    CHECK(judgement.guesses.size() == most_guesses);
    CHECK(judgement.guesses[0].index == 4);
  }
}

TEST_CASE("counts, confusions and the most wrong") {
  const std::vector<Judgement> judgements = {
      judgement_of(0, 0, {{0, 0.9f}, {1, 0.1f}}),    //
      judgement_of(1, 0, {{1, 0.6f}, {0, 0.4f}}),    // a little wrong
      judgement_of(2, 0, {{1, 0.8f}, {0, 0.2f}}),    // more
      judgement_of(3, 1, {{2, 0.95f}, {1, 0.05f}}),  // most
      judgement_of(4, 1, {{1, 1.0f}, {0, 0.0f}}),    //
      judgement_of(5, 2, {{2, 0.7f}, {0, 0.3f}}),
      judgement_of(6, 2, {{0, std::numeric_limits<float>::quiet_NaN()}, {2, std::numeric_limits<float>::quiet_NaN()}})};
  const Evaluation result = evaluate_judgements(judgements);
  CHECK(result.all.images == 7);
  CHECK(result.all.top1 == 3);
  CHECK(result.all.top5 == 7);
  CHECK(result.mean_probability == Approx((0.9 + 0.4 + 0.2 + 0.05 + 1.0 + 0.7) / 7));
  CHECK(result.most_wrong == std::vector<std::size_t>{3, 2, 1, 6});
  REQUIRE(result.confusions.size() == 3);
  CHECK(result.confusions[0].truth == 0);
  CHECK(result.confusions[0].guess == 1);
  CHECK(result.confusions[0].images == 2);
  CHECK(result.confusions[0].probability == Approx(0.7));
  CHECK(result.confusions[1].guess == 2);  // as frequent as the next, and more certain
  REQUIRE(result.classes.size() == 3);
  CHECK(result.classes[0].index == 0);  // 1 of 3 right; the others 1 of 2
  CHECK(result.classes[0].most_often.guess == 1);
  CHECK(result.classes[1].index == 1);
  CHECK(result.classes[2].index == 2);
  CHECK(evaluate_judgements({}).classes.empty());
}

TEST_CASE("text in HTML is text") {
  CHECK(html_escaped("<a href=\"x\">'&amp;\n") == "&lt;a href=&quot;x&quot;&gt;&#39;&amp;amp;?");
  CHECK(data_uri("image/png", std::string_view("\0\xFF~", 3)) == "data:image/png;base64,AP9+");
  CHECK(data_uri("image/png", "abcd") == "data:image/png;base64,YWJjZA==");
}

TEST_CASE("SHA-256 of the standard's examples") {
  CHECK(sha256_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 sum;
  sum.add("a");
  sum.add("bc");
  CHECK(sum.finish() == sha256_of("abc"));
  CHECK(sum.finish() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("a picture made smaller or larger keeps its averages and its corners") {
  const Image image{3, 2, {0, 0, 0, 90, 90, 90, 240, 0, 0, 0, 30, 0, 0, 0, 60, 240, 0, 0}};
  const Image one = resized(image, 1, 1);
  CHECK(one.rgb == std::vector<std::uint8_t>{95, 20, 25});
  const Image half = resized(image, 3, 1);
  CHECK(half.rgb == std::vector<std::uint8_t>{0, 15, 0, 45, 45, 75, 240, 0, 0});
  // 1.5 pixels each.
  CHECK(resized(image, 2, 1).rgb == std::vector<std::uint8_t>{15, 25, 25, 175, 15, 25});
  const Image twice = resized(image, 6, 4);
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 6; ++x)
      for (int c = 0; c < 3; ++c)
        CHECK(twice.rgb[static_cast<std::size_t>((y * 6 + x) * 3 + c)] ==
              image.rgb[static_cast<std::size_t>((y / 2 * 3 + x / 2) * 3 + c)]);
  const Image wide = fitted(image, 300);
  CHECK(wide.width == 300);
  CHECK(wide.height == 200);
  const Image line{1000, 1, std::vector<std::uint8_t>(3000, 7)};
  CHECK(fitted(line, 10).height == 1);
  CHECK(fitted(line, 10).rgb == std::vector<std::uint8_t>(30, 7));
}

}  // namespace
}  // namespace residua::tool
