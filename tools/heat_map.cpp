#include "tools/heat_map.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace residua::tool {
namespace {

// The four places that a point between places draws on, by a uniform cubic B-spline; beyond the edge the edge goes on.
struct Spline {
  std::array<int, 4> places;
  std::array<float, 4> weights;
};

Spline spline_at(double position, int count) {
  const double floor = std::floor(position);
  const double t = position - floor, s = 1 - t;
  Spline spline{};
  const double weights[4] = {s * s * s / 6, (4 - 6 * t * t + 3 * t * t * t) / 6, (4 - 6 * s * s + 3 * s * s * s) / 6,
                             t * t * t / 6};
  for (std::size_t i = 0; i < 4; ++i) {
    const double place = std::clamp(floor + static_cast<double>(i) - 1, 0.0, static_cast<double>(count - 1));
    spline.places[i] = static_cast<int>(place);
    spline.weights[i] = static_cast<float>(weights[i]);
  }
  return spline;
}

// Where the pixels of one side of the photo lie in the map.
struct Axis {
  std::vector<Spline> splines;  // one a pixel
  int begin = 0, end = 0;       // the pixels that the network saw
};

// `length`: of the photo's side; `scale`: what resizing multiplied it by.
Axis make_axis(int length, double scale, int seen, int places) {
  Axis axis;
  const double margin = (length * scale - seen) / 2;  // cut off at either end; below zero: black was put there
  const auto position = [&](double pixel) { return ((pixel + 0.5) * scale - margin) * places / seen - 0.5; };
  for (int i = 0; i < length; ++i) axis.splines.push_back(spline_at(position(i), places));
  const auto seen_from = static_cast<int>(std::lround(std::max(margin, 0.0) / scale));
  axis.begin = std::min(seen_from, length - 1);
  axis.end = std::max(length - seen_from, axis.begin + 1);
  return axis;
}

// 0 .. 1 at any pixel, the columns of each place's row worked out beforehand.
class Evidence {
 public:
  Evidence(const ClassMap& map, const Axis& across, const Axis& down)
      : down_(down), width_(static_cast<std::size_t>(across.splines.size())) {
    // NaN and infinity are no evidence.
    const auto evidence_of = [](float score) { return std::isfinite(score) ? std::max(score, 0.0f) : 0.0f; };
    for (int row = 0; row < map.height; ++row)
      for (const Spline& spline : across.splines) {
        float sum = 0;
        for (std::size_t i = 0; i < 4; ++i) {
          const std::int64_t place = std::int64_t{row} * map.width + spline.places[i];
          sum += spline.weights[i] * evidence_of(map.scores[static_cast<std::size_t>(place)]);
        }
        rows_.push_back(sum);
      }
    // The spline's largest value, which a single strong place does not reach.
    float largest = 0;
    for (int row = 0; row < map.height; ++row) {
      const Spline middle = spline_at(row, map.height);
      for (std::size_t x = 0; x < width_; ++x) largest = std::max(largest, sum_of(middle, x));
    }
    scale_ = largest > 0 ? 1 / largest : 0;
  }

  float at(int x, int y) const {
    return std::clamp(scale_ * sum_of(down_.splines[static_cast<std::size_t>(y)], static_cast<std::size_t>(x)), 0.0f,
                      1.0f);
  }

 private:
  float sum_of(const Spline& spline, std::size_t x) const {
    float sum = 0;
    for (std::size_t i = 0; i < 4; ++i)
      sum += spline.weights[i] * rows_[static_cast<std::size_t>(spline.places[i]) * width_ + x];
    return sum;
  }

  const Axis& down_;
  const std::size_t width_;
  std::vector<float> rows_;  // map rows x photo columns
  float scale_ = 0;
};

using Color = std::array<float, 3>;

// From dark blue over gray to yellow, evenly lighter on the way.
Color heat_color(float evidence) {
  constexpr std::array<Color, 5> ramp = {
      {{18, 38, 98}, {62, 84, 132}, {124, 124, 122}, {190, 172, 92}, {255, 226, 54}}};
  const float place = evidence * static_cast<float>(ramp.size() - 1);
  const auto low = std::min(static_cast<std::size_t>(place), ramp.size() - 2);
  const float share = place - static_cast<float>(low);
  Color color{};
  for (std::size_t c = 0; c < 3; ++c) color[c] = ramp[low][c] * (1 - share) + ramp[low + 1][c] * share;
  return color;
}

float luminance(const std::uint8_t* rgb) {
  return 0.299f * static_cast<float>(rgb[0]) + 0.587f * static_cast<float>(rgb[1]) +
         0.114f * static_cast<float>(rgb[2]);
}

// The photo's own colour comes through where the evidence is; elsewhere its gray does.
Color tinted(const std::uint8_t* rgb, float evidence) {
  const float gray = luminance(rgb), tint = 0.62f - 0.27f * evidence, own = 0.75f * evidence;
  const Color heat = heat_color(evidence);
  Color color{};
  for (std::size_t c = 0; c < 3; ++c) {
    const float picture = own * static_cast<float>(rgb[c]) + (1 - own) * gray;
    color[c] = tint * heat[c] + (1 - tint) * picture;
  }
  return color;
}

// Whether the level lies between two values.
bool crosses(float a, float b, float level) { return (a < level) != (b < level); }

}  // namespace

ClassMap map_of_class(std::span<const float> scores, int height, int width, std::int32_t of_class) {
  const std::size_t places = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  return {scores.subspan(static_cast<std::size_t>(of_class) * places, places), height, width};
}

Image draw_heat_map(const Image& photo, const NetworkView& view, const ClassMap& map) {
  const double scale = static_cast<double>(view.resize) / std::min(photo.width, photo.height);
  const Axis across = make_axis(photo.width, scale, view.width, map.width);
  const Axis down = make_axis(photo.height, scale, view.height, map.height);
  const Evidence evidence(map, across, down);
  constexpr float level = 0.5f, unseen = 0.35f;
  constexpr Color light{255, 255, 255}, dark{0, 0, 0};
  // The line is as wide as in a picture of 400 pixels it would be one.
  const int line = std::max(1, std::min(photo.width, photo.height) / 400);

  Image picture{photo.width, photo.height, std::vector<std::uint8_t>(photo.rgb.size())};
  for (int y = 0; y < photo.height; ++y)
    for (int x = 0; x < photo.width; ++x) {
      const auto at =
          (static_cast<std::size_t>(y) * static_cast<std::size_t>(photo.width) + static_cast<std::size_t>(x)) * 3;
      const std::uint8_t* rgb = photo.rgb.data() + at;
      Color color{};
      if (x < across.begin || x >= across.end || y < down.begin || y >= down.end) {
        color.fill(unseen * luminance(rgb));
      } else {
        const float here = evidence.at(x, y);
        // A light line inside of a dark one: the level lies ahead, or behind.
        const auto crosses_towards = [&](int step) {
          const float across_here = evidence.at(std::clamp(x + step, 0, photo.width - 1), y);
          const float down_here = evidence.at(x, std::clamp(y + step, 0, photo.height - 1));
          return crosses(here, across_here, level) || crosses(here, down_here, level);
        };
        color = crosses_towards(line) ? light : crosses_towards(-line) ? dark : tinted(rgb, here);
      }
      for (std::size_t c = 0; c < 3; ++c)
        picture.rgb[at + c] = static_cast<std::uint8_t>(std::clamp(color[c] + 0.5f, 0.0f, 255.0f));
    }
  return picture;
}

}  // namespace residua::tool
