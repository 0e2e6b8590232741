// Body of the grouped convolution, included once by each instruction set's file inside its anonymous namespace, after
// `Vector`, `lanes`, `most_outputs` (whose sums fit the registers beside three weights and a factor) and
// spread<group, i>(inputs): input i of every group, in all lanes of the group.

constexpr int kernel = GroupedKernels::kernel;

// Calls run.template operator()<n>() for the largest n of most, most / 2, most / 4, .. 1 that is no more than
// `outputs`, and returns n.
template <int most, class Run>
[[gnu::always_inline]] inline int with_outputs(std::int64_t outputs, const Run& run) noexcept {
  if constexpr (most > 1)
    if (outputs < most) return with_outputs<most / 2>(outputs, run);
  run.template operator()<most>();
  return most;
}

// Adds one input a group and row to the sums. Each input is read once and reaches up to three outputs: o reads input
// o * stride + kx under column kx of the kernel. The first (`left`) or last column under them may be padding, which
// adds nothing: known while compiling, since the test of a column takes longer than its multiply-adds.
template <int stride, bool left, bool right, int count, class Factor>
[[gnu::always_inline]] inline void add_input(const Factor& factor, const float* weights,
                                             Vector (&sums)[count]) noexcept {
  Vector weight[kernel];
#pragma GCC unroll 3
  for (int kx = 0; kx < kernel; ++kx) weight[kx] = Vector::load_unaligned(weights + kx * lanes);
#pragma GCC unroll 32
  for (int x = left; x < (count - 1) * stride + kernel - right; ++x) {
    const Vector input = factor(x);
#pragma GCC unroll 3
    for (int kx = 0; kx < kernel; ++kx)
      if (x >= kx && (x - kx) % stride == 0 && (x - kx) / stride < count)
        sums[(x - kx) / stride] = xsimd::fma(input, weight[kx], sums[(x - kx) / stride]);
  }
}

// Groups of fewer channels than lanes: all i < group.
template <int group, int stride, bool left, bool right, int count, int i = 0>
[[gnu::always_inline]] inline void add_groups(const float* row, std::int64_t channels, const float* weights,
                                              Vector (&sums)[count]) noexcept {
  add_input<stride, left, right, count>(
      [&](int x) noexcept { return spread<group, i>(Vector::load_unaligned(row + x * channels)); },
      weights + i * kernel * lanes, sums);
  if constexpr (i + 1 < group) add_groups<group, stride, left, right, count, i + 1>(row, channels, weights, sums);
}

// Outputs [first, first + count) of a row. `group` 0: of one group of `inputs` channels.
template <int group, int stride, bool left, bool right, int count>
[[gnu::noinline]] void convolve_outputs(const GroupedInput& in, std::int64_t first, std::int64_t inputs,
                                        const float* weights, const GroupedTarget& to) noexcept {
  const GroupedTarget target = to;  // else each store would have it read again: the outputs might be where it lies
  Vector sums[count];
#pragma GCC unroll 16
  for (int o = 0; o < count; ++o) sums[o] = Vector(0.0f);
  const std::int64_t channels = in.channels, row_floats = in.columns.width * channels;
  weights += in.under.first_kernel_row * inputs * kernel * lanes;
  for (int ky = 0; ky < in.under.count; ++ky) {
    const float* const row = in.rows + ky * row_floats + first * stride * channels;
    if constexpr (group > 0) {
      add_groups<group, stride, left, right, count>(row, channels, weights, sums);
      weights += group * kernel * lanes;
    } else {
      for (std::int64_t i = 0; i < inputs; ++i, weights += kernel * lanes)
        add_input<stride, left, right, count>([&](int x) noexcept { return Vector(row[x * channels + i]); }, weights,
                                              sums);
    }
  }
  const Vector bias = Vector::load_unaligned(target.bias);
#pragma GCC unroll 16
  for (int o = 0; o < count; ++o) {
    const std::int64_t at = (first + o) * target.stride;
    sums[o] += bias;
    if (target.residual != nullptr) sums[o] += Vector::load_unaligned(target.residual + at);
    // In this order the instruction hands a NaN on.
    if (target.relu) sums[o] = xsimd::max(Vector(0.0f), sums[o]);
    sums[o].store_unaligned(target.output + at);
  }
}

// The longest runs have code of their own for each edge: most outputs are in such.
template <int group, int stride, int count>
void convolve_run(const GroupedInput& in, std::int64_t first, std::int64_t inputs, const float* weights,
                  const GroupedTarget& target) noexcept {
  if constexpr (count * 2 >= most_outputs) {
    const bool left = first * stride < in.columns.left;
    const bool right = (first + count - 1) * stride + kernel > in.columns.right;
    if (left && right) return convolve_outputs<group, stride, true, true, count>(in, first, inputs, weights, target);
    if (left) return convolve_outputs<group, stride, true, false, count>(in, first, inputs, weights, target);
    // With stride 2 an even width, the usual one, ends under the last column of the kernel.
    if constexpr (stride == 1)
      if (right) return convolve_outputs<group, stride, false, true, count>(in, first, inputs, weights, target);
  }
  convolve_outputs<group, stride, false, false, count>(in, first, inputs, weights, target);
}

template <int group, int stride>
void convolve_row_of(const GroupedInput& in, std::int64_t inputs, const float* weights,
                     const GroupedTarget& target) noexcept {
  for (std::int64_t first = 0; first < in.outputs;) {
    const int count = with_outputs<most_outputs>(in.outputs - first, [&]<int outputs>() noexcept {
      convolve_run<group, stride, outputs>(in, first, inputs, weights, target);
    });
    first += count;
  }
}

template <int group>
void convolve_row_of(const GroupedInput& in, std::int64_t inputs, const float* weights,
                     const GroupedTarget& target) noexcept {
  if (in.stride == 1)
    convolve_row_of<group, 1>(in, inputs, weights, target);
  else
    convolve_row_of<group, 2>(in, inputs, weights, target);
}

void convolve_row(const GroupedInput& in, const ChannelGroup& channels, const float* weights,
                  const GroupedTarget& target) noexcept {
  if (channels.outputs == 4 && lanes > 4)
    convolve_row_of<(lanes > 4 ? 4 : 0)>(in, channels.inputs, weights, target);
  else if (channels.outputs == 8 && lanes > 8)
    convolve_row_of<(lanes > 8 ? 8 : 0)>(in, channels.inputs, weights, target);
  else
    convolve_row_of<0>(in, channels.inputs, weights, target);
}

void copy_floats(const float* from, std::int64_t count, float* to) noexcept {
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) Vector::load_unaligned(from + i).store_unaligned(to + i);
  for (; i < count; ++i) to[i] = from[i];
}

// Of `count` pixels, `stride` floats apart, `vectors` * lanes channels each.
template <int vectors>
void copy_pixels(const float* from, std::int64_t stride, std::int64_t count, float* to) noexcept {
  for (std::int64_t x = 0; x < count; ++x, from += stride, to += vectors * lanes)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) Vector::load_unaligned(from + v * lanes).store_unaligned(to + v * lanes);
}

void clear_floats(std::int64_t count, float* to) noexcept {
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) Vector(0.0f).store_unaligned(to + i);
  for (; i < count; ++i) to[i] = 0;
}

void gather_rows(const float* image, const ConvolutionGeometry& g, const PaddedRows& padded) noexcept {
  const std::int64_t channels = padded.channels, width = padded.columns.width;
  const std::int64_t left = padded.columns.left, right = padded.columns.right;
  float* to = padded.values;
  for (std::int64_t r = 0; r < padded.rows; ++r, to += width * channels) {
    const float* const from = image + (padded.first_row + r) * g.width * g.channels + padded.first_channel;
    clear_floats(left * channels, to);
    if (channels == g.channels)
      copy_floats(from, (right - left) * channels, to + left * channels);
    else if (channels == lanes)
      copy_pixels<1>(from, g.channels, right - left, to + left * channels);
    else if (channels == 2 * lanes)
      copy_pixels<2>(from, g.channels, right - left, to + left * channels);
    else
      for (std::int64_t x = left; x < right; ++x)
        copy_floats(from + (x - left) * g.channels, channels, to + x * channels);
    clear_floats((width - right) * channels, to + right * channels);
  }
}

void pack_weights(const float* weights, std::int64_t inputs, std::int64_t block, float* packed) noexcept {
  for (int lane = 0; lane < lanes; ++lane)
    for (std::int64_t i = 0; i < inputs; ++i)
      for (int ky = 0; ky < kernel; ++ky)
        for (int kx = 0; kx < kernel; ++kx)
          packed[((ky * inputs + i) * kernel + kx) * lanes + lane] =
              weights[(((block * lanes + lane) * inputs + i) * kernel + ky) * kernel + kx];
}

constexpr GroupedKernels grouped_kernels{lanes, gather_rows, convolve_row, pack_weights};
