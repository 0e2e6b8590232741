// Bodies of the elementwise kernels, included once by each instruction set's file inside its anonymous namespace.

using Vector = xsimd::batch<float>;

void scale_shift(const float* input, std::int64_t pixels, std::int64_t channels, const float* scale, const float* shift,
                 float minimum, float* output) noexcept {
  for (std::int64_t p = 0; p < pixels; ++p) {
    const float* const from = input + p * channels;
    float* const to = output + p * channels;
    for (std::int64_t c = 0; c < channels; ++c) {
      const float value = from[c] * scale[c] + shift[c];
      to[c] = value < minimum ? minimum : value;
    }
  }
}

void gate_channels(const float* input, std::int64_t pixels, std::int64_t channels, const float* gate,
                   const float* residual, float minimum, float* output) noexcept {
  const auto raised = [minimum](float value) noexcept { return value < minimum ? minimum : value; };
  for (std::int64_t p = 0; p < pixels; ++p) {
    const float* const from = input + p * channels;
    float* const to = output + p * channels;
    if (residual == nullptr) {
      for (std::int64_t c = 0; c < channels; ++c) to[c] = raised(from[c] * gate[c]);
    } else {
      const float* const sum = residual + p * channels;
      for (std::int64_t c = 0; c < channels; ++c) to[c] = raised(from[c] * gate[c] + sum[c]);
    }
  }
}

void sigmoid(const float* input, std::int64_t count, float* output) noexcept {
  constexpr auto lanes = static_cast<std::int64_t>(Vector::size);
  const auto of = [](Vector x) noexcept { return Vector(1.0f) / (Vector(1.0f) + xsimd::exp(-x)); };
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) of(Vector::load_unaligned(input + i)).store_unaligned(output + i);
  if (i == count) return;
  float rest[lanes] = {};
  for (std::int64_t k = 0; k < count - i; ++k) rest[k] = input[i + k];
  of(Vector::load_unaligned(rest)).store_unaligned(rest);
  for (std::int64_t k = 0; k < count - i; ++k) output[i + k] = rest[k];
}

void channel_moments(const float* input, std::int64_t pixels, std::int64_t channels, const float* pivot, double* sums,
                     double* squares) noexcept {
  // Float sums of this many pixels lose nothing that matters; doubles all the way cost twice the time.
  constexpr std::int64_t block_pixels = 16, block_channels = 64;
  for (std::int64_t first = 0; first < channels; first += block_channels) {
    const std::int64_t count = channels - first < block_channels ? channels - first : block_channels;
    for (std::int64_t begin = 0; begin < pixels; begin += block_pixels) {
      const std::int64_t end = pixels - begin < block_pixels ? pixels : begin + block_pixels;
      float sum[block_channels] = {}, square[block_channels] = {};
      for (std::int64_t p = begin; p < end; ++p) {
        const float* const from = input + p * channels + first;
        for (std::int64_t c = 0; c < count; ++c) {
          const float difference = from[c] - pivot[first + c];
          sum[c] += difference;
          square[c] += difference * difference;
        }
      }
      for (std::int64_t c = 0; c < count; ++c) {
        sums[first + c] += static_cast<double>(sum[c]);
        squares[first + c] += static_cast<double>(square[c]);
      }
    }
  }
}

void quantize(const float* input, std::int64_t count, const QuantizationGrid& grid, float* output) noexcept {
  // Adding and taking away 1.5 * 2^23 rounds to a whole number, halves to even, below 2^22.
  constexpr float rounder = 12582912.0f;
  const float low = grid.minimum - grid.zero_point, high = grid.maximum - grid.zero_point;
  for (std::int64_t i = 0; i < count; ++i) {
    float q = input[i] / grid.scale;
    q = q < low ? low : q;
    q = q > high ? high : q;
    q = (q + rounder) - rounder;
    output[i] = q * grid.factor + grid.offset;
  }
}
