// Bodies of the layout kernels, included once by each instruction set's file inside its anonymous namespace.
// Plain loops: the compiler vectorises them for the tier it compiles.

void interleave_planes(const float* planes, std::int64_t plane_stride, std::int64_t channels, std::int64_t pixels,
                       float* output) noexcept {
  if (channels == 3) {  // the image itself: a constant trip count lets the compiler shuffle in registers
    const float* red = planes;
    const float* green = planes + plane_stride;
    const float* blue = planes + 2 * plane_stride;
    for (std::int64_t i = 0; i < pixels; ++i) {
      output[3 * i] = red[i];
      output[3 * i + 1] = green[i];
      output[3 * i + 2] = blue[i];
    }
    return;
  }
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t i = 0; i < pixels; ++i) output[i * channels + c] = planes[c * plane_stride + i];
}

// Half a folded pixel: two neighbours of one row of the input.
constexpr int half_pixel = 8;

// The pixels 2 x - left and following of one row, where some of them may lie outside the image.
void fold_pair(const float* row, std::int64_t width, std::int64_t channels, std::int64_t first,
               float* output) noexcept {
  for (std::int64_t i = 0; i < half_pixel; ++i) {
    const std::int64_t x = first + i / channels;
    output[i] = i < 2 * channels && x >= 0 && x < width ? row[x * channels + i % channels] : 0.0f;
  }
}

void space_to_depth_row(const float* image, std::int64_t height, std::int64_t width, std::int64_t channels,
                        std::int64_t top, std::int64_t left, std::int64_t y, std::int64_t output_width,
                        float* output) noexcept {
  for (std::int64_t dy = 0; dy < 2; ++dy) {
    const std::int64_t input_y = 2 * y + dy - top;
    const bool is_inside = input_y >= 0 && input_y < height;
    const float* row = image + (is_inside ? input_y * width * channels : 0);
    for (std::int64_t x = 0; x < output_width; ++x) {
      float* to = output + (2 * x + dy) * half_pixel;
      const std::int64_t first = 2 * x - left;
      if (is_inside && channels == 3 && first >= 0 && first + 2 <= width) {
        for (int i = 0; i < 6; ++i) to[i] = row[first * 3 + i];
        to[6] = to[7] = 0.0f;
      } else {
        fold_pair(row, is_inside ? width : 0, channels, first, to);
      }
    }
  }
}

void normalize_pixels(const std::uint8_t* input, std::int64_t pixels, const float scale[3], const float shift[3],
                      float* output) noexcept {
  // The pattern of three channels repeats every 48 values, a whole number of vectors at every width.
  constexpr std::int64_t block = 48;
  float scales[block], shifts[block];
  for (std::int64_t i = 0; i < block; ++i) {
    scales[i] = scale[i % 3];
    shifts[i] = shift[i % 3];
  }
  const std::int64_t count = 3 * pixels;
  std::int64_t i = 0;
  for (; i + block <= count; i += block)
    for (std::int64_t j = 0; j < block; ++j) output[i + j] = static_cast<float>(input[i + j]) * scales[j] + shifts[j];
  for (std::int64_t j = 0; i + j < count; ++j) output[i + j] = static_cast<float>(input[i + j]) * scales[j] + shifts[j];
}
