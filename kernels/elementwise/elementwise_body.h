// Bodies of the elementwise kernels, included once by each instruction set's file inside its anonymous namespace.

void scale_shift(const float* input, std::int64_t pixels, std::int64_t channels, const float* scale, const float* shift,
                 float* output) noexcept {
  for (std::int64_t p = 0; p < pixels; ++p)
    for (std::int64_t c = 0; c < channels; ++c)
      output[p * channels + c] = input[p * channels + c] * scale[c] + shift[c];
}
