// Bodies of the pooling kernels, included once by each instruction set's file inside its anonymous namespace.

using Vector = xsimd::batch<float>;
constexpr std::int64_t lanes = static_cast<std::int64_t>(Vector::size);

// The taps of a window that lie inside the image: indices begin <= k < end, input position start + k * dilation.
struct Taps {
  std::int64_t start, begin, end;
};

Taps taps_inside(std::int64_t output, std::int64_t stride, std::int64_t padding, std::int64_t kernel,
                 std::int64_t dilation, std::int64_t size) noexcept {
  const std::int64_t start = output * stride - padding;
  const std::int64_t begin = start < 0 ? (-start + dilation - 1) / dilation : 0;
  const std::int64_t room = size - start;  // > 0 where shape inference let the window through
  const std::int64_t inside = (room + dilation - 1) / dilation;
  return {start, begin, inside < kernel ? inside : kernel};
}

// NaN wins over every number: PyTorch's and ONNX's rule for max pooling, which the bare instruction does not keep.
Vector larger(Vector best, Vector value) noexcept {
  // In this order the instruction hands a NaN of `value` on, and loses one of `best`.
  return xsimd::select(xsimd::isnan(best), best, xsimd::max(best, value));
}
float larger(float best, float value) noexcept {
  const bool wins = std::isnan(value) || value > best;
  return std::isnan(best) || !wins ? best : value;
}

void max_pool_row(const float* image, const PoolGeometry& g, std::int64_t y, float* output_row) noexcept {
  const Taps rows = taps_inside(y, g.stride_height, g.padding_top, g.kernel_height, g.dilation_height, g.height);
  for (std::int64_t x = 0; x < g.output_width; ++x) {
    const Taps columns = taps_inside(x, g.stride_width, g.padding_left, g.kernel_width, g.dilation_width, g.width);
    float* output = output_row + x * g.channels;
    const auto pixel = [&](std::int64_t row, std::int64_t column) noexcept {
      return image + ((rows.start + row * g.dilation_height) * g.width + columns.start + column * g.dilation_width) *
                         g.channels;
    };
    const float* first = pixel(rows.begin, columns.begin);
    std::int64_t c = 0;
    for (; c + lanes <= g.channels; c += lanes) {
      Vector best = Vector::load_unaligned(first + c);
      for (std::int64_t row = rows.begin; row < rows.end; ++row)
        for (std::int64_t column = columns.begin; column < columns.end; ++column)
          best = larger(best, Vector::load_unaligned(pixel(row, column) + c));
      best.store_unaligned(output + c);
    }
    for (; c < g.channels; ++c) {
      float best = first[c];
      for (std::int64_t row = rows.begin; row < rows.end; ++row)
        for (std::int64_t column = columns.begin; column < columns.end; ++column)
          best = larger(best, pixel(row, column)[c]);
      output[c] = best;
    }
  }
}

// Pixels of a window that lie inside the padded image, along one axis. Only the window's end can leave it (ceil mode).
std::int64_t padded_extent(std::int64_t start, std::int64_t kernel, std::int64_t dilation, std::int64_t size,
                           std::int64_t padding_after) noexcept {
  const std::int64_t inside = (size + padding_after - start + dilation - 1) / dilation;
  return inside < kernel ? inside : kernel;
}

void average_pool_row(const float* image, const PoolGeometry& g, std::int64_t y, float* output_row) noexcept {
  const Taps rows = taps_inside(y, g.stride_height, g.padding_top, g.kernel_height, g.dilation_height, g.height);
  for (std::int64_t x = 0; x < g.output_width; ++x) {
    const Taps columns = taps_inside(x, g.stride_width, g.padding_left, g.kernel_width, g.dilation_width, g.width);
    const std::int64_t counted =
        g.count_include_pad
            ? padded_extent(rows.start, g.kernel_height, g.dilation_height, g.height, g.padding_bottom) *
                  padded_extent(columns.start, g.kernel_width, g.dilation_width, g.width, g.padding_right)
            : (rows.end - rows.begin) * (columns.end - columns.begin);
    const float divisor = static_cast<float>(counted);
    float* output = output_row + x * g.channels;
    const auto pixel = [&](std::int64_t row, std::int64_t column) noexcept {
      return image + ((rows.start + row * g.dilation_height) * g.width + columns.start + column * g.dilation_width) *
                         g.channels;
    };
    std::int64_t c = 0;
    for (; c + lanes <= g.channels; c += lanes) {
      Vector sum(0.0f);
      for (std::int64_t row = rows.begin; row < rows.end; ++row)
        for (std::int64_t column = columns.begin; column < columns.end; ++column)
          sum += Vector::load_unaligned(pixel(row, column) + c);
      (sum / Vector(divisor)).store_unaligned(output + c);
    }
    for (; c < g.channels; ++c) {
      float sum = 0;
      for (std::int64_t row = rows.begin; row < rows.end; ++row)
        for (std::int64_t column = columns.begin; column < columns.end; ++column) sum += pixel(row, column)[c];
      output[c] = sum / divisor;
    }
  }
}

void global_average(const float* image, std::int64_t pixels, std::int64_t stride, std::int64_t channels,
                    float* output) noexcept {
  const float divisor = static_cast<float>(pixels);
  // Several vectors of channels at once: one pass over the image touches whole cache lines, and the adds are
  // independent.
  constexpr std::int64_t together = 4;
  std::int64_t c = 0;
  for (; c + together * lanes <= channels; c += together * lanes) {
    Vector sums[together];
    for (std::int64_t j = 0; j < together; ++j) sums[j] = Vector(0.0f);
    for (std::int64_t p = 0; p < pixels; ++p)
      for (std::int64_t j = 0; j < together; ++j) sums[j] += Vector::load_unaligned(image + p * stride + c + j * lanes);
    for (std::int64_t j = 0; j < together; ++j) (sums[j] / Vector(divisor)).store_unaligned(output + c + j * lanes);
  }
  for (; c < channels; ++c) {
    float sum = 0;
    for (std::int64_t p = 0; p < pixels; ++p) sum += image[p * stride + c];
    output[c] = sum / divisor;
  }
}
