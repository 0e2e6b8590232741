// Which input pixels a convolution's output pixels read, included once by each file that gathers them inside its
// anonymous namespace.

// Where an output pixel's window starts in the input.
struct Origin {
  std::int64_t image, y, x;
};

// An output pixel, counted row by row, image after image.
struct OutputPixel {
  Origin origin;
  std::int64_t row, column;

  OutputPixel(const ConvolutionGeometry& g, std::int64_t pixel) noexcept
      : row(pixel / g.output_width % g.output_height), column(pixel % g.output_width) {
    origin = {pixel / g.output_width / g.output_height, row * g.stride_height - g.padding_top,
              column * g.stride_width - g.padding_left};
  }
  // To the next one, without divisions.
  void advance(const ConvolutionGeometry& g) noexcept {
    origin.x += g.stride_width;
    if (++column < g.output_width) return;
    column = 0;
    origin.x = -g.padding_left;
    origin.y += g.stride_height;
    if (++row < g.output_height) return;
    row = 0;
    origin.y = -g.padding_top;
    ++origin.image;
  }
};

// The pixel under tap (ky, kx), nullptr where it lies outside the image.
[[gnu::nonnull(1)]] const float* pixel_under(const float* images, const ConvolutionGeometry& g, const Origin& origin,
                                             std::int64_t ky, std::int64_t kx) noexcept {
  const std::int64_t y = origin.y + ky * g.dilation_height, x = origin.x + kx * g.dilation_width;
  if (y < 0 || y >= g.height || x < 0 || x >= g.width) return nullptr;
  return images + ((origin.image * g.height + y) * g.width + x) * g.channels;
}

// Whether output pixels read one input pixel each, in order.
bool is_pointwise(const ConvolutionGeometry& g) noexcept {
  return g.kernel_height == 1 && g.kernel_width == 1 && g.output_height == g.height && g.output_width == g.width &&
         g.padding_top == 0 && g.padding_left == 0;
}
