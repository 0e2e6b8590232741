// The results of `residua classify`, in whichever form was asked for.
#pragma once

#include <string>

#include "residua/residua.hpp"
#include "tools/outcome.h"
#include "tools/output_file.h"

namespace residua::tool {

// Writes the outcome of one image after another: a JSON line each, or a table for people.
class ResultWriter {
 public:
  ResultWriter(const Model& model, OutputFile& output, bool json);

  void write(const Outcome& outcome);

 private:
  void write_line(const Outcome& outcome);
  void write_table(const Outcome& outcome);

  const Model& model_;
  OutputFile& output_;
  const bool json_;
  const bool blocks_;
  bool first_ = true;
};

}  // namespace residua::tool
