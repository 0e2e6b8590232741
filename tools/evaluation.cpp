#include "tools/evaluation.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

namespace residua::tool {
namespace {

void add(Count& count, const Judgement& judgement) {
  ++count.images;
  if (judgement.rank < 1) ++count.top1;
  if (judgement.rank < most_guesses) ++count.top5;
}

// NaN, from a network that overflows, is no probability.
double finite(float probability) { return std::isfinite(probability) ? static_cast<double>(probability) : 0; }

// How much more certain of the wrong class than of the right one.
double wrongness(const Judgement& judgement) {
  return finite(judgement.guesses[0].probability) - finite(judgement.probability);
}

}  // namespace

Judgement judge(std::size_t image, std::int32_t truth, std::vector<Guess> guesses) {
  const auto found =
      std::find_if(guesses.begin(), guesses.end(), [&](const Guess& guess) { return guess.index == truth; });
  Judgement judgement{.image = image,
                      .truth = truth,
                      .rank = static_cast<std::size_t>(found - guesses.begin()),
                      .probability = found == guesses.end() ? 0 : found->probability};
  guesses.resize(std::min(guesses.size(), most_guesses));
  judgement.guesses = std::move(guesses);
  return judgement;
}

double share_of(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

Interval wilson_interval(std::size_t right, std::size_t images) {
  if (images == 0) return {};
  constexpr double z = 1.959963984540054;  // 97.5 % of the normal distribution lie below
  const auto n = static_cast<double>(images);
  const double share = static_cast<double>(right) / n;
  const double middle = share + z * z / (2 * n);
  const double half = z * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n));
  const double scale = 1 / (1 + z * z / n);
  // Exactly 0 and 1 at the ends, where rounding leaves a little.
  return {right == 0 ? 0.0 : (middle - half) * scale, right == images ? 1.0 : (middle + half) * scale};
}

Evaluation evaluate_judgements(std::span<const Judgement> judgements) {
  Evaluation result;
  std::map<std::int32_t, ClassCount> classes;
  std::map<std::pair<std::int32_t, std::int32_t>, Confusion> confusions;
  double probability = 0;
  for (std::size_t i = 0; i < judgements.size(); ++i) {
    const Judgement& judgement = judgements[i];
    add(result.all, judgement);
    probability += finite(judgement.probability);
    ClassCount& of_class = classes[judgement.truth];
    of_class.index = judgement.truth;
    add(of_class.count, judgement);
    if (judgement.right()) continue;
    result.most_wrong.push_back(i);
    const std::int32_t guess = judgement.guesses[0].index;
    Confusion& confusion = confusions[{judgement.truth, guess}];
    confusion.truth = judgement.truth;
    confusion.guess = guess;
    ++confusion.images;
    confusion.probability += finite(judgement.guesses[0].probability);
  }
  if (result.all.images > 0) result.mean_probability = probability / static_cast<double>(result.all.images);

  for (auto& [pair, confusion] : confusions) {
    confusion.probability /= static_cast<double>(confusion.images);
    result.confusions.push_back(confusion);
  }
  std::stable_sort(result.confusions.begin(), result.confusions.end(), [](const Confusion& a, const Confusion& b) {
    return std::tie(a.images, a.probability) > std::tie(b.images, b.probability);
  });
  for (const Confusion& confusion : result.confusions)  // the most frequent of a class comes first
    if (ClassCount& of_class = classes[confusion.truth]; of_class.most_often.images == 0)
      of_class.most_often = confusion;

  for (const auto& [index, of_class] : classes) result.classes.push_back(of_class);
  std::stable_sort(result.classes.begin(), result.classes.end(), [](const ClassCount& a, const ClassCount& b) {
    return std::pair(share_of(a.count.top1, a.count.images), share_of(a.count.top5, a.count.images)) <
           std::pair(share_of(b.count.top1, b.count.images), share_of(b.count.top5, b.count.images));
  });
  std::stable_sort(result.most_wrong.begin(), result.most_wrong.end(),
                   [&](std::size_t a, std::size_t b) { return wrongness(judgements[a]) > wrongness(judgements[b]); });
  return result;
}

}  // namespace residua::tool
