// Pictures for the page of an evaluation.
#pragma once

#include <cstddef>
#include <vector>

#include "residua/residua.hpp"
#include "tools/evaluation_report.h"

namespace residua::tool {

// The `most` most wrong of the report, small, with the evidence for the class that each was taken for. One that cannot
// be read any more is left out.
std::vector<WrongPicture> wrong_pictures(const Model& model, const ContextOptions& options,
                                         const EvaluationReport& report, std::size_t most);

}  // namespace residua::tool
