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
