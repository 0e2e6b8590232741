// Class activation maps over photos (Zhou et al., arXiv:1512.04150): where in the picture the network sees a class.
#pragma once

#include <cstdint>
#include <span>

#include "tools/image/image.h"

namespace residua::tool {

// Scores of one class at the places of the network's last features, row by row.
struct ClassMap {
  std::span<const float> scores;  // height x width
  int height = 0;
  int width = 0;
};

// That of one class of [classes, height, width].
ClassMap map_of_class(std::span<const float> scores, int height, int width, std::int32_t of_class);

// What preprocessing made of a photo: its shorter side became `resize` pixels, and of the middle `width` x `height` are
// what the network saw.
struct NetworkView {
  int resize = 0;
  int width = 0;
  int height = 0;
};

// The photo at its full size. Where the evidence for the class is, it keeps its brightness and turns yellow; where
// there is none it darkens into blue; a double line encloses what has half of the strongest evidence or more. Lightness
// alone tells the order, so that it survives printing without colour and eyes that see fewer. What the network did not
// see is dark gray.
//
// Evidence is the score as far as it is above zero, smoothed by a cubic B-spline, in shares of its largest.
// Thread-safe.
Image draw_heat_map(const Image& photo, const NetworkView& view, const ClassMap& map);

}  // namespace residua::tool
