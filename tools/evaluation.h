// How right a network is: answers beside what the images show, counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tools/outcome.h"

namespace residua::tool {

inline constexpr std::size_t most_guesses = 5;  // of an image that are kept, and that may hold the truth

// What came of one image.
struct Judgement {
  std::size_t image = 0;            // its number in the list
  std::int32_t truth = 0;           // the class that it shows
  std::size_t rank = 0;             // of the truth among all classes; 0: the likeliest
  float probability = 0;            // of the truth
  std::vector<Guess> guesses = {};  // the likeliest, best first: at least one
  std::uint64_t bytes = 0;          // of its file, as far as known: tells another image of that name

  bool right() const { return rank == 0; }
};

// `guesses`: all classes, best first.
Judgement judge(std::size_t image, std::int32_t truth, std::vector<Guess> guesses);

// 0 of nothing.
double share_of(std::size_t part, std::size_t whole);

struct Interval {
  double low = 0;
  double high = 1;
};

// Where the true share lies with 95 % confidence when `right` of `images` are: Wilson's score interval (E. B. Wilson,
// "Probable inference, the law of succession, and statistical inference", JASA 22, 1927), which also holds for few
// images and for shares close to 0 and 1.
Interval wilson_interval(std::size_t right, std::size_t images);

struct Count {
  std::size_t images = 0;
  std::size_t top1 = 0;
  std::size_t top5 = 0;
};

// An error that occurs: images of class `truth` that the network takes for `guess`.
struct Confusion {
  std::int32_t truth = 0;
  std::int32_t guess = 0;
  std::size_t images = 0;
  double probability = 0;  // of the guess, on average
};

struct ClassCount {
  std::int32_t index = 0;
  Count count;
  Confusion most_often;  // what it is taken for; of 0 images where it always is right
};

struct Evaluation {
  Count all;
  double mean_probability = 0;          // of the truth
  std::vector<ClassCount> classes;      // those with images, the least often right first
  std::vector<Confusion> confusions;    // all that occur, the most frequent first, then the most certain
  std::vector<std::size_t> most_wrong;  // numbers of judgements that are wrong: the most certain of them first
};

// Judgements may come in any order; the result does not depend on it, but for most_wrong, which counts in theirs.
Evaluation evaluate_judgements(std::span<const Judgement> judgements);

}  // namespace residua::tool
