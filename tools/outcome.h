// What comes of an image.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace residua::tool {

struct Guess {
  std::int32_t index;
  float probability;
};

struct Outcome {
  std::string path;
  std::string error;           // empty where it could be classified
  std::vector<Guess> guesses;  // best first; none where it could not
  std::string heat_map;        // where it was written; empty: none was asked for
};

}  // namespace residua::tool
