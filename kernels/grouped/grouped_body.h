// Body of the grouped convolution, included once by each instruction set's file inside its anonymous namespace, after
// `Vector`, `lanes`, `most_outputs` (whose sums fit the registers beside three weights and a factor) and
// spread<group, i>(inputs): input i of every group, in all lanes of the group.

constexpr int kernel = GroupedKernels::kernel;

// The inputs under a run of outputs: input (ky, x) at rows[ky] + x * channels for the columns x that there are; none
// where rows[ky] is nullptr.
struct InputRows {
  const float* rows[kernel];
  std::int64_t channels;
};

// The columns that there are, of those that a run reads: left <= x < right.
struct Columns {
  int left, right;
  constexpr bool have(int x) const noexcept { return x >= left && x < right; }
};
// The same known while compiling. The test of each column takes longer than its multiply-adds: without it a layer takes
// little more than half the time.
template <int left, int right>
struct FixedColumns {
  static constexpr bool have(int x) noexcept { return x >= left && x < right; }
};

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
// o * stride + kx under column kx of the kernel.
template <int stride, int count, class Factor, class Present>
[[gnu::always_inline]] inline void add_input(const Factor& factor, const Present& columns, const float* weights,
                                             Vector (&sums)[count]) noexcept {
  Vector weight[kernel];
#pragma GCC unroll 3
  for (int kx = 0; kx < kernel; ++kx) weight[kx] = Vector::load_unaligned(weights + kx * lanes);
#pragma GCC unroll 32
  for (int x = 0; x < (count - 1) * stride + kernel; ++x) {
    if (!columns.have(x)) continue;
    const Vector input = factor(x);
#pragma GCC unroll 3
    for (int kx = 0; kx < kernel; ++kx)
      if (x >= kx && (x - kx) % stride == 0 && (x - kx) / stride < count)
        sums[(x - kx) / stride] = xsimd::fma(input, weight[kx], sums[(x - kx) / stride]);
  }
}

// Groups of fewer channels than lanes: all i < group.
template <int group, int stride, int count, int i = 0, class Present>
[[gnu::always_inline]] inline void add_groups(const float* row, const InputRows& in, const Present& columns,
                                              const float* weights, Vector (&sums)[count]) noexcept {
  add_input<stride, count>(
      [&](int x) noexcept { return spread<group, i>(Vector::load_unaligned(row + x * in.channels)); }, columns,
      weights + i * kernel * lanes, sums);
  if constexpr (i + 1 < group) add_groups<group, stride, count, i + 1>(row, in, columns, weights, sums);
}

// `group` 0: outputs of one group of `inputs` channels, whose first is where the rows begin.
template <int group, int stride, int count, class Present>
[[gnu::noinline]] void sum_outputs_of(const InputRows& in, const Present& columns, std::int64_t inputs,
                                      const float* weights, float* output) noexcept {
  Vector sums[count];
#pragma GCC unroll 16
  for (int o = 0; o < count; ++o) sums[o] = Vector(0.0f);
  for (int ky = 0; ky < kernel; ++ky) {
    const float* row = in.rows[ky];
    if (row == nullptr) continue;
    const float* row_weights = weights + ky * inputs * kernel * lanes;
    if constexpr (group > 0) {
      add_groups<group, stride, count>(row, in, columns, row_weights, sums);
    } else {
      for (std::int64_t i = 0; i < inputs; ++i)
        add_input<stride, count>([&](int x) noexcept { return Vector(row[x * in.channels + i]); }, columns,
                                 row_weights + i * kernel * lanes, sums);
    }
  }
#pragma GCC unroll 16
  for (int o = 0; o < count; ++o) sums[o].store_unaligned(output + o * lanes);
}

// The two longest runs, whole or but for one column of padding on either side, have code of their own: most outputs are
// in such.
template <int group, int stride, int count>
void sum_outputs(const InputRows& in, const Columns& columns, std::int64_t inputs, const float* weights,
                 float* output) noexcept {
  constexpr int all = (count - 1) * stride + kernel;
  const auto sum = [&](const auto& present) noexcept {
    sum_outputs_of<group, stride, count>(in, present, inputs, weights, output);
  };
  if constexpr (count * 2 >= most_outputs) {
    if (columns.left == 0 && columns.right >= all) return sum(FixedColumns<0, all>{});
    if (columns.left == 1 && columns.right >= all) return sum(FixedColumns<1, all>{});
    if (columns.left == 0 && columns.right == all - 1) return sum(FixedColumns<0, all - 1>{});
    if (columns.left == 1 && columns.right == all - 1) return sum(FixedColumns<1, all - 1>{});
  }
  sum(columns);
}

// Bias, residual and ReLU for `count` neighbouring pixels.
void finish_outputs(const float* sums, int count, std::int64_t at, std::int64_t first_channel,
                    const GroupedTarget& target) noexcept {
  const Vector bias = Vector::load_unaligned(target.bias + first_channel);
  for (int o = 0; o < count; ++o) {
    Vector value = Vector::load_unaligned(sums + o * lanes) + bias;
    if (target.residual != nullptr) value += Vector::load_unaligned(target.residual + at + o * target.channels);
    // In this order the instruction hands a NaN on.
    if (target.relu) value = xsimd::max(Vector(0.0f), value);
    value.store_unaligned(target.output + at + o * target.channels);
  }
}

template <int group, int stride>
void convolve_group_row(const float* image, const ConvolutionGeometry& g, const ChannelGroup& channels,
                        std::int64_t block, std::int64_t y, const float* weights,
                        const GroupedTarget& target) noexcept {
  const std::int64_t first_output = block * lanes;
  const std::int64_t first_input = first_output / channels.outputs * channels.inputs;
  const std::int64_t row_stride = g.width * g.channels;
  for (std::int64_t first = 0; first < g.output_width;) {
    const std::int64_t x = first * stride - g.padding_left;
    InputRows in{{}, g.channels};
    for (int ky = 0; ky < kernel; ++ky) {
      const std::int64_t row = y * g.stride_height - g.padding_top + ky;
      in.rows[ky] = row < 0 || row >= g.height ? nullptr : image + (row * row_stride + x * g.channels + first_input);
    }
    constexpr std::int64_t most_inputs = (most_outputs - 1) * stride + kernel;
    const Columns columns{x < 0 ? static_cast<int>(-x) : 0,
                          static_cast<int>(g.width - x < most_inputs ? g.width - x : most_inputs)};
    float sums[most_outputs * lanes];
    const int count = with_outputs<most_outputs>(g.output_width - first, [&]<int outputs>() noexcept {
      sum_outputs<group, stride, outputs>(in, columns, channels.inputs, weights, sums);
    });
    finish_outputs(sums, count, (y * g.output_width + first) * target.channels + first_output, first_output, target);
    first += count;
  }
}

template <int group>
void convolve_group_row(const float* image, const ConvolutionGeometry& g, const ChannelGroup& channels,
                        std::int64_t block, std::int64_t y, const float* weights,
                        const GroupedTarget& target) noexcept {
  if (g.stride_width == 1)
    convolve_group_row<group, 1>(image, g, channels, block, y, weights, target);
  else
    convolve_group_row<group, 2>(image, g, channels, block, y, weights, target);
}

void convolve_row(const float* image, const ConvolutionGeometry& g, const ChannelGroup& channels, std::int64_t block,
                  std::int64_t y, const float* weights, const GroupedTarget& target) noexcept {
  if (channels.outputs == 4 && lanes > 4)
    convolve_group_row<(lanes > 4 ? 4 : 0)>(image, g, channels, block, y, weights, target);
  else if (channels.outputs == 8 && lanes > 8)
    convolve_group_row<(lanes > 8 ? 8 : 0)>(image, g, channels, block, y, weights, target);
  else
    convolve_group_row<0>(image, g, channels, block, y, weights, target);
}

void pack_weights(const float* weights, std::int64_t inputs, std::int64_t block, float* packed) noexcept {
  for (int lane = 0; lane < lanes; ++lane)
    for (std::int64_t i = 0; i < inputs; ++i)
      for (int ky = 0; ky < kernel; ++ky)
        for (int kx = 0; kx < kernel; ++kx)
          packed[((ky * inputs + i) * kernel + kx) * lanes + lane] =
              weights[(((block * lanes + lane) * inputs + i) * kernel + ky) * kernel + kx];
}

constexpr GroupedKernels grouped_kernels{lanes, convolve_row, pack_weights};
