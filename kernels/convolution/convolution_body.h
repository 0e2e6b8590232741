// Bodies of the direct convolution's kernels, included once by each instruction set's file inside its anonymous
// namespace.

using Vector = xsimd::batch<float>;
constexpr int lanes = static_cast<int>(Vector::size);

// Where an output pixel's window starts in the input.
struct Origin {
  std::int64_t image, y, x;
};

Origin origin_of(const ConvolutionGeometry& g, std::int64_t pixel) noexcept {
  const std::int64_t row = pixel / g.output_width;
  return {row / g.output_height, row % g.output_height * g.stride_height - g.padding_top,
          pixel % g.output_width * g.stride_width - g.padding_left};
}

// The pixel under tap (ky, kx), nullptr where it lies outside the image.
const float* pixel_under(const float* images, const ConvolutionGeometry& g, const Origin& origin, std::int64_t ky,
                         std::int64_t kx) noexcept {
  const std::int64_t y = origin.y + ky * g.dilation_height, x = origin.x + kx * g.dilation_width;
  if (y < 0 || y >= g.height || x < 0 || x >= g.width) return nullptr;
  return images + ((origin.image * g.height + y) * g.width + x) * g.channels;
}

// Whole vectors of channels: one load and one store each.
void gather_vectors(const float* images, const ConvolutionGeometry& g, const Origin& origin, int rows,
                    std::int64_t first_channel, std::int64_t channels, float* panel) noexcept {
  for (std::int64_t ky = 0; ky < g.kernel_height; ++ky)
    for (std::int64_t kx = 0; kx < g.kernel_width; ++kx) {
      const float* pixel = pixel_under(images, g, origin, ky, kx);
      for (std::int64_t c = 0; c < channels; c += lanes) {
        const Vector values = pixel ? Vector::load_unaligned(pixel + first_channel + c) : Vector(0.0f);
        values.store_unaligned(panel);
        panel += rows * lanes;
      }
    }
}

// Copies floats by vectors; the last one overlaps the one before.
[[gnu::always_inline]] inline void copy_floats(const float* from, std::int64_t count, float* to) noexcept {
  if (count < lanes) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[i];
    return;
  }
  for (std::int64_t i = 0; i + lanes < count; i += lanes) Vector::load_unaligned(from + i).store_unaligned(to + i);
  Vector::load_unaligned(from + count - lanes).store_unaligned(to + count - lanes);
}

// Any number of channels (three, in a stem). A row of taps without dilation is one run of floats in the image. Runs
// that start inside a vector are put together in a small buffer first, a piece of the depth at a time.
void gather_floats(const float* images, const ConvolutionGeometry& g, const Origin& origin, int rows,
                   std::int64_t first_channel, std::int64_t channels, float* panel) noexcept {
  constexpr std::int64_t room = 512;
  float buffer[room];
  std::int64_t filled = 0;
  const auto flush_vectors = [&]() noexcept {
    std::int64_t done = 0;
    for (; done + lanes <= filled; done += lanes) {
      Vector::load_unaligned(buffer + done).store_unaligned(panel);
      panel += rows * lanes;
    }
    for (std::int64_t i = done; i < filled; ++i) buffer[i - done] = buffer[i];
    filled -= done;
  };
  const auto put = [&](const float* from, std::int64_t count) noexcept {  // nullptr: zeros
    while (count > 0) {
      if (filled == room) flush_vectors();
      const std::int64_t piece = count < room - filled ? count : room - filled;
      if (from != nullptr) {
        copy_floats(from, piece, buffer + filled);
        from += piece;
      } else {
        for (std::int64_t i = 0; i < piece; ++i) buffer[filled + i] = 0.0f;
      }
      filled += piece;
      count -= piece;
    }
  };
  const bool runs = channels == g.channels && g.dilation_width == 1;
  for (std::int64_t ky = 0; ky < g.kernel_height; ++ky) {
    const float* first = pixel_under(images, g, origin, ky, 0);
    if (runs && first != nullptr && origin.x + g.kernel_width <= g.width) {
      put(first, g.kernel_width * channels);
      continue;
    }
    for (std::int64_t kx = 0; kx < g.kernel_width; ++kx) {
      const float* pixel = pixel_under(images, g, origin, ky, kx);
      put(pixel != nullptr ? pixel + first_channel : nullptr, channels);
    }
  }
  if (filled % lanes != 0) put(nullptr, lanes - filled % lanes);
  flush_vectors();
}

// Pixels side by side, each one row of the panel: 1x1 with stride 1 reads the image from its start to its end.
void gather_whole_pixels(const float* pixels, std::int64_t stride, int rows, std::int64_t channels,
                         float* panel) noexcept {
  for (std::int64_t c = 0; c < channels; c += lanes)
    for (int r = 0; r < rows; ++r) {
      Vector::load_unaligned(pixels + r * stride + c).store_unaligned(panel);
      panel += lanes;
    }
}

void gather_pixels(const float* images, const ConvolutionGeometry& g, std::int64_t first_pixel, int rows,
                   std::int64_t first_channel, std::int64_t channels, float* panel) noexcept {
  const bool vectors = channels % lanes == 0;
  const bool pointwise = g.kernel_height == 1 && g.kernel_width == 1 && g.output_height == g.height &&
                         g.output_width == g.width && g.padding_top == 0 && g.padding_left == 0;
  if (vectors && pointwise) {
    gather_whole_pixels(images + first_pixel * g.channels + first_channel, g.channels, rows, channels, panel);
    return;
  }
  Origin origin = origin_of(g, first_pixel);
  std::int64_t column = first_pixel % g.output_width, row = first_pixel / g.output_width % g.output_height;
  for (int r = 0; r < rows; ++r) {
    if (vectors)
      gather_vectors(images, g, origin, rows, first_channel, channels, panel + r * lanes);
    else
      gather_floats(images, g, origin, rows, first_channel, channels, panel + r * lanes);
    // The next pixel, without divisions.
    origin.x += g.stride_width;
    if (++column < g.output_width) continue;
    column = 0;
    origin.x = -g.padding_left;
    origin.y += g.stride_height;
    if (++row < g.output_height) continue;
    row = 0;
    origin.y = -g.padding_top;
    ++origin.image;
  }
}

void pack_weights(const float* weights, std::int64_t channels, std::int64_t taps, std::int64_t output_channels,
                  std::int64_t first, std::int64_t width, std::int64_t depth, float* packed) noexcept {
  constexpr std::int64_t chunk = 16;  // channels: a cache line of a row is read whole, and once
  for (std::int64_t c0 = 0; c0 < channels; c0 += chunk)
    for (std::int64_t k = 0; k < width; ++k) {
      const bool exists = first + k < output_channels;
      const std::int64_t end = c0 + chunk < channels ? c0 + chunk : channels;
      for (std::int64_t c = c0; c < end; ++c)
        for (std::int64_t tap = 0; tap < taps; ++tap)
          packed[(tap * channels + c) * width + k] = exists ? weights[((first + k) * channels + c) * taps + tap] : 0.0f;
    }
  for (std::int64_t i = taps * channels * width; i < depth * width; ++i) packed[i] = 0.0f;
}
constexpr ConvolutionKernels convolution_kernels{gather_pixels, pack_weights};
