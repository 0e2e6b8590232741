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

// Windows of any size, each by itself; every NaN counts.
void max_pool_row_by_windows(const float* image, const PoolGeometry& g, std::int64_t y, float* output_row) noexcept {
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

// A row of windows of 3x3 that lie side by side `stride` apart, on channels [first, first + vectors * lanes): the
// column that a window has in common with the next one is read once.
//
//   0 1 2          columns of the first window     A tap outside of the image counts as the window's nearest inside:
//       2 3 4      of the second, stride 2         twice in a maximum is once.
//
// Returns sums of all that was read, NaN where some of it is: the instruction for a maximum loses NaN in one order.
template <int stride, int vectors>
Vector max_pool_threes(const float* const (&rows)[3], const PoolGeometry& g, std::int64_t first,
                       float* output_row) noexcept {
  constexpr int common = 3 - stride;
  Vector sums[vectors], carried[common][vectors];
  for (Vector& sum : sums) sum = Vector(0.0f);
  const auto column = [&](std::int64_t x, int v) noexcept {
    const std::int64_t inside = x < 0 ? 0 : x < g.width ? x : g.width - 1;
    const std::int64_t at = inside * g.channels + first + v * lanes;
    const Vector top = Vector::load_unaligned(rows[0] + at), middle = Vector::load_unaligned(rows[1] + at),
                 bottom = Vector::load_unaligned(rows[2] + at);
    sums[v] += top + middle + bottom;
    return xsimd::max(xsimd::max(top, middle), bottom);
  };
  for (int k = 0; k < common; ++k)
    for (int v = 0; v < vectors; ++v) carried[k][v] = column(k - g.padding_left, v);
  for (std::int64_t x = 0; x < g.output_width; ++x)
    for (int v = 0; v < vectors; ++v) {
      Vector columns[3];
      for (int k = 0; k < common; ++k) columns[k] = carried[k][v];
      for (int k = common; k < 3; ++k) columns[k] = column(x * stride - g.padding_left + k, v);
      xsimd::max(xsimd::max(columns[0], columns[1]), columns[2])
          .store_unaligned(output_row + x * g.channels + first + v * lanes);
      for (int k = 0; k < common; ++k) carried[k][v] = columns[k + stride];
    }
  for (int v = 1; v < vectors; ++v) sums[0] += sums[v];
  return sums[0];
}

// False where a NaN may be among what the windows hold: then the outputs are not the right ones.
template <int stride>
bool max_pool_row_of_threes(const float* image, const PoolGeometry& g, std::int64_t y, float* output_row) noexcept {
  const Taps taps = taps_inside(y, g.stride_height, g.padding_top, 3, 1, g.height);
  const float* rows[3];
  for (std::int64_t k = 0; k < 3; ++k) {
    const std::int64_t inside = k < taps.begin ? taps.begin : k < taps.end ? k : taps.end - 1;
    rows[k] = image + (taps.start + inside) * g.width * g.channels;
  }
  constexpr int together = 4;
  Vector sums(0.0f);
  std::int64_t c = 0;
  for (; c + together * lanes <= g.channels; c += together * lanes)
    sums += max_pool_threes<stride, together>(rows, g, c, output_row);
  for (; c + lanes <= g.channels; c += lanes) sums += max_pool_threes<stride, 1>(rows, g, c, output_row);
  // The last channels with some of those before them.
  if (c < g.channels) sums += max_pool_threes<stride, 1>(rows, g, g.channels - lanes, output_row);
  return !xsimd::any(xsimd::isnan(sums));
}

void max_pool_row(const float* image, const PoolGeometry& g, std::int64_t y, float* output_row) noexcept {
  const bool threes = g.kernel_height == 3 && g.kernel_width == 3 && g.dilation_height == 1 && g.dilation_width == 1 &&
                      g.channels >= lanes;
  if (threes && g.stride_width == 1 && max_pool_row_of_threes<1>(image, g, y, output_row)) return;
  if (threes && g.stride_width == 2 && max_pool_row_of_threes<2>(image, g, y, output_row)) return;
  max_pool_row_by_windows(image, g, y, output_row);
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
