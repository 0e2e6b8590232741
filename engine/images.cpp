#include "engine/images.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/environment.h"

namespace residua::engine {
namespace {

constexpr std::int64_t float_size = sizeof(float);

// value * scale + shift, one pair a channel (of RGB).
struct Normalisation {
  std::array<float, 3> scale, shift;
};

Normalisation normalisation_of(const ModelCard& card, float largest) {
  Normalisation result{};
  for (std::size_t c = 0; c < 3; ++c) {
    result.scale[c] = 1.0f / (largest * card.standard_deviation[c]);
    result.shift[c] = -card.mean[c] / card.standard_deviation[c];
  }
  return result;
}

// One row of floats, any strides: copied byte by byte, since those promise no alignment.
void gather_floats(const ImageView& image, const std::byte* row, std::int64_t channels, float* activation) {
  for (std::int64_t x = 0; x < image.width; ++x)
    for (std::int64_t c = 0; c < channels; ++c)
      std::memcpy(activation++, row + x * image.pixel_stride + c * image.channel_stride, sizeof(float));
}

// One row of RGB bytes, any strides: packed piece by piece for the kernel, so that the bits are those of packed pixels.
void gather_bytes(const ImageView& image, const std::byte* row, const Normalisation& normalisation, float* activation) {
  constexpr std::int64_t piece = 256;
  std::array<std::uint8_t, 3 * piece> packed{};
  for (std::int64_t first = 0; first < image.width; first += piece) {
    const std::int64_t count = std::min(piece, image.width - first);
    std::uint8_t* target = packed.data();
    for (std::int64_t x = first; x < first + count; ++x)
      for (std::int64_t c = 0; c < 3; ++c)
        *target++ = std::to_integer<std::uint8_t>(row[x * image.pixel_stride + c * image.channel_stride]);
    kernel_table().normalize_pixels(packed.data(), count, normalisation.scale.data(), normalisation.shift.data(),
                                    activation + first * 3);
  }
}

bool is_aligned(const std::byte* data) { return reinterpret_cast<std::uintptr_t>(data) % alignof(float) == 0; }

// `rows` rows of one image.
void write_rows(const Input& input, const ImageView& image, const Normalisation& normalisation, std::int64_t channels,
                std::int64_t first, std::int64_t rows, float* activation) {
  const kernels::KernelTable& kernels = kernel_table();
  const std::int64_t width = image.width;
  const std::int64_t element = input.type == PixelType::float32 ? float_size : 1;
  const bool planes = image.pixel_stride == element;
  const bool pixels = image.channel_stride == element && image.pixel_stride == channels * element;
  // Rows without a gap between them are one long row.
  const bool whole = image.row_stride == width * image.pixel_stride && (planes || pixels);
  const std::int64_t count = whole ? rows * width : width;
  for (std::int64_t y = first; y < first + rows; y += whole ? rows : 1, activation += count * channels) {
    const std::byte* const row = image.data + y * image.row_stride;
    if (input.type == PixelType::uint8) {
      if (pixels)
        kernels.normalize_pixels(reinterpret_cast<const std::uint8_t*>(row), count, normalisation.scale.data(),
                                 normalisation.shift.data(), activation);
      else
        for (std::int64_t x = 0; x < count; x += width)
          gather_bytes(image, row + x * image.pixel_stride, normalisation, activation + x * channels);
      continue;
    }
    if (pixels)
      std::memcpy(activation, row, static_cast<std::size_t>(count * channels) * sizeof(float));
    else if (planes && image.channel_stride % float_size == 0 && is_aligned(row))
      kernels.interleave_planes(reinterpret_cast<const float*>(row), image.channel_stride / float_size, channels, count,
                                activation);
    else
      for (std::int64_t x = 0; x < count; x += width)
        gather_floats(image, row + x * image.pixel_stride, channels, activation + x * channels);
    if (input.preparation == Preparation::none) continue;
    for (std::int64_t i = 0; i < count; ++i)
      for (std::size_t c = 0; c < 3; ++c) {
        float& value = activation[static_cast<std::size_t>(i) * 3 + c];
        value = value * normalisation.scale[c] + normalisation.shift[c];
      }
  }
}

}  // namespace

ImageView Input::image(std::int64_t index) const {
  if (!images.empty()) return images[static_cast<std::size_t>(index)];
  ImageView view = first;
  view.data += index * image_stride;
  return view;
}

Input Input::part(std::int64_t index, std::int64_t count) const {
  Input result = *this;
  result.shape.batch = count;
  result.first.data += index * image_stride;
  if (!images.empty()) result.images = images.subspan(static_cast<std::size_t>(index), static_cast<std::size_t>(count));
  return result;
}

Input dense_planes(const float* data, std::int64_t channels, const RunShape& shape) {
  const std::int64_t row = shape.width * float_size, plane = shape.height * row;
  return {.type = PixelType::float32,
          .shape = shape,
          .first = {reinterpret_cast<const std::byte*>(data), shape.height, shape.width, row, float_size, plane},
          .image_stride = channels * plane};
}

Input dense_pixels(const std::uint8_t* data, const RunShape& shape) {
  const std::int64_t row = shape.width * 3;
  return {.type = PixelType::uint8,
          .shape = shape,
          .first = {reinterpret_cast<const std::byte*>(data), shape.height, shape.width, row, 3, 1},
          .image_stride = shape.height * row};
}

void write_activation(const Input& input, const ModelCard& card, std::int64_t channels, std::int64_t first_row,
                      std::int64_t end_row, float* activation) {
  const Normalisation normalisation = normalisation_of(card, input.type == PixelType::uint8 ? 255.0f : 1.0f);
  const std::int64_t height = input.shape.height;
  while (first_row < end_row) {
    const std::int64_t row = first_row % height, rows = std::min(end_row - first_row, height - row);
    const ImageView image = input.image(first_row / height);
    write_rows(input, image, normalisation, channels, row, rows, activation);
    activation += rows * image.width * channels;
    first_row += rows;
  }
}

}  // namespace residua::engine
