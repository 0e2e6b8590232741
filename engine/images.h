// Images as a caller has them, and how they become the first activation.
//
//   caller's images --(Preparation::full: resize, crop)--> a block of equal images --+
//   caller's images, equal ones already ----------------------------------------------+--> [N, H, W, C] floats
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/model_card.h"

namespace residua::engine {

struct RunShape {
  std::int64_t batch = 1, height = 0, width = 0;
  friend bool operator==(const RunShape&, const RunShape&) = default;
};

// One image. Strides are bytes from one row, pixel or channel to the next; they may be negative.
struct ImageView {
  const std::byte* data = nullptr;
  std::int64_t height = 0, width = 0;
  std::int64_t row_stride = 0, pixel_stride = 0, channel_stride = 0;
};

enum class PixelType : std::uint8_t { float32, uint8 };

enum class Preparation : std::uint8_t {
  none,       // floats are what the network takes; bytes are normalised
  normalize,  // floats are 0..1 and are normalised with the card's mean and deviation, as bytes are
  full,       // resized and cropped as the card says, then normalised: images of any sizes
};

struct Input {
  PixelType type = PixelType::float32;
  Preparation preparation = Preparation::none;
  RunShape shape;   // that the network runs on
  ImageView first;  // and all others, `image_stride` bytes apart,
  std::int64_t image_stride = 0;
  std::span<const ImageView> images = {};  // unless they are listed here, one for each of the batch

  ImageView image(std::int64_t index) const;
  // The images from `index` on, `count` of them.
  Input part(std::int64_t index, std::int64_t count) const;
};

// Dense images of one size: float32 planes [N, C, H, W], or RGB bytes [N, H, W, 3].
Input dense_planes(const float* data, std::int64_t channels, const RunShape& shape);
Input dense_pixels(const std::uint8_t* data, const RunShape& shape);

// Writes rows [first_row, end_row) of all images (of `height` rows each) of the input to `activation`, which begins
// with the first of them: [rows, width, channels]. Not for Preparation::full.
void write_activation(const Input& input, const ModelCard& card, std::int64_t channels, std::int64_t first_row,
                      std::int64_t end_row, float* activation);

}  // namespace residua::engine
