// What comes of an image.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/image/image.h"

namespace residua::tool {

struct Guess {
  std::int32_t index;
  float probability;
};

// An image, made small.
struct Thumbnail {
  Image photo;
  Image evidence;  // with its heat map over it; 0 x 0 where the network has none
};

struct Outcome {
  std::string path;
  std::string error;                                  // empty where it could be classified
  std::vector<Guess> guesses;                         // best first; none where it could not
  std::string heat_map;                               // where it was written; empty: none was asked for
  std::optional<Thumbnail> thumbnail = std::nullopt;  // where one was asked for
};

}  // namespace residua::tool
