// What an evaluation has found so far, in a file, so that a run that was ended goes on where it was.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "residua/residua.hpp"
#include "tools/evaluation.h"
#include "tools/labelled_images.h"

namespace residua::tool {

// What an evaluation is of. A state of another one is refused.
struct EvaluationIdentity {
  std::string model;  // SHA-256 of the network after its passes, as text with digests of the weights: the same of a
                      // model's file, of its packed file and of what `--cache` keeps
  std::string preprocessing;  // size, interpolation, mean, deviation
  std::string images;         // SHA-256 of the list of images and their classes
};

// Of the network and of what is done to its images.
EvaluationIdentity identity_of(const Model& model, const LabelledImages& set);

// A file of JSON lines: the identity, then one judgement a line. Each call of append() is one write at the end, so what
// an ended run leaves are whole lines, and the beginning of one at most, which is cut off. One process may have it
// open.
class EvaluationState {
 public:
  // Opens or makes the file. Throws UsageError where it is in use, is no such file or holds another evaluation;
  // OutputError where it can't be read or written.
  EvaluationState(const std::string& path, const EvaluationIdentity& identity, const LabelledImages& set);
  EvaluationState(const EvaluationState&) = delete;
  EvaluationState& operator=(const EvaluationState&) = delete;
  ~EvaluationState();

  // What earlier runs found: at most one of each image.
  const std::vector<Judgement>& found() const { return found_; }
  // Throws OutputError.
  void append(std::span<const Judgement> judgements);

 private:
  [[noreturn]] void fail(const char* what) const;
  std::string read_all() const;
  void read_judgements(const std::string& text, const LabelledImages& set);

  const std::string path_;
  int descriptor_ = -1;
  std::vector<Judgement> found_;
};

}  // namespace residua::tool
