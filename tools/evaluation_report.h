// What an evaluation found: as text, as JSON, and as a page to look at.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tools/evaluation.h"
#include "tools/labelled_images.h"

namespace residua::tool {

// An image that counts in no figure.
struct FailedImage {
  std::string path;
  std::string error;
};

// One that the network got wrong: the photo, and the same with the evidence for the class that it was taken for.
struct WrongPicture {
  std::size_t judgement = 0;
  std::string photo;     // a JPEG file's bytes
  std::string evidence;  // likewise; empty: the network has no class map
};

struct EvaluationReport {
  std::string model;           // as it was named
  std::string weights_digest;  // SHA-256
  std::string preprocessing;   // "shorter side to 256, middle 224 x 224"
  LabelledImages set;
  std::vector<Judgement> judgements;  // in the order of the list
  Evaluation evaluation;              // of them
  std::vector<FailedImage> failures;
  std::vector<WrongPicture> pictures;  // the most wrong first
  std::size_t from_state = 0;          // judgements that an earlier run had made
  double seconds = 0;                  // that this run took for the others
  int threads = 1;

  const std::string& name_of(std::int32_t index) const { return set.class_names[static_cast<std::size_t>(index)]; }
  // 0 where this run had nothing to do.
  double images_per_second() const;
};

// "82.0": of a share 0 .. 1; with a point whatever the locale, so for CSS as well.
std::string percent(double share);

// For a terminal: shares with their intervals, the most frequent confusions, the least known classes. `blocks`: bars of
// block characters.
std::string evaluation_text(const EvaluationReport& report, bool blocks);

// Everything but pictures.
std::string evaluation_json(const EvaluationReport& report);

// One HTML file that needs no other and runs no script.
std::string evaluation_page(const EvaluationReport& report);

}  // namespace residua::tool
