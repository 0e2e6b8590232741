#include "tools/image/resize.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace residua::tool {
namespace {

// The pixels of a side that a new pixel covers, and how much of each.
struct Cover {
  int first = 0;
  std::vector<float> shares;  // add up to 1
};

std::vector<Cover> covers_of(int length, int new_length) {
  const double scale = static_cast<double>(length) / new_length;
  std::vector<Cover> covers(static_cast<std::size_t>(new_length));
  for (int i = 0; i < new_length; ++i) {
    Cover& cover = covers[static_cast<std::size_t>(i)];
    const double begin = i * scale, end = std::min((i + 1) * scale, static_cast<double>(length));
    cover.first = std::min(static_cast<int>(begin), length - 1);
    for (int pixel = cover.first; pixel < length && (pixel < end || cover.shares.empty()); ++pixel) {
      const double covered = std::min(end, pixel + 1.0) - std::max(begin, static_cast<double>(pixel));
      cover.shares.push_back(static_cast<float>(std::max(covered, 0.0) / (end - begin)));
    }
  }
  return covers;
}

}  // namespace

Image resized(const Image& image, int width, int height) {
  const std::vector<Cover> across = covers_of(image.width, width), down = covers_of(image.height, height);
  const auto old_row = static_cast<std::size_t>(image.width) * 3, row = static_cast<std::size_t>(width) * 3;
  Image result{width, height, std::vector<std::uint8_t>(row * static_cast<std::size_t>(height))};
  std::vector<float> sums(old_row);  // of the rows that a new row covers
  for (std::size_t y = 0; y < down.size(); ++y) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (std::size_t i = 0; i < down[y].shares.size(); ++i) {
      const std::uint8_t* pixels = image.rgb.data() + (static_cast<std::size_t>(down[y].first) + i) * old_row;
      for (std::size_t x = 0; x < old_row; ++x) sums[x] += down[y].shares[i] * static_cast<float>(pixels[x]);
    }
    std::uint8_t* to = result.rgb.data() + y * row;
    for (const Cover& cover : across)
      for (std::size_t c = 0; c < 3; ++c) {
        float sum = 0;
        for (std::size_t i = 0; i < cover.shares.size(); ++i)
          sum += cover.shares[i] * sums[(static_cast<std::size_t>(cover.first) + i) * 3 + c];
        *to++ = static_cast<std::uint8_t>(std::clamp(sum + 0.5f, 0.0f, 255.0f));
      }
  }
  return result;
}

Image fitted(const Image& image, int side) {
  const double scale = static_cast<double>(side) / std::max(image.width, image.height);
  const auto scaled = [&](int length) { return std::max(1, static_cast<int>(std::lround(length * scale))); };
  return resized(image, scaled(image.width), scaled(image.height));
}

}  // namespace residua::tool
