// What happens to sums before and after they are added up, whatever they are sums of; included inside the anonymous
// namespace of each instruction set's file, after `Vector` and `lanes`.

template <int rows, int vectors>
[[gnu::always_inline]] inline void clear(Vector (&sums)[rows][vectors]) noexcept {
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) sums[r][v] = Vector(0.0f);
}

// Calls run.template operator()<rows>() for 1 <= rows <= most_rows.
template <int candidate, class Run>
[[gnu::always_inline]] inline void with_rows(int rows, const Run& run) noexcept {
  if (rows == candidate)
    run.template operator()<candidate>();
  else if constexpr (candidate > 1)
    with_rows<candidate - 1>(rows, run);
}

// What is added on the way out: bias, residual (nullptr: none), ReLU.
[[gnu::always_inline]] inline void finish(Vector value, Vector bias, bool relu, const float* residual,
                                          float* output) noexcept {
  value += bias;
  if (residual != nullptr) value += Vector::load_unaligned(residual);
  // In this order the instruction hands a NaN on.
  if (relu) value = xsimd::max(Vector(0.0f), value);
  value.store_unaligned(output);
}

// The outputs of rows that are not whole vectors of channels, from sums on the stack. Seldom: one body for all rows.
template <int vectors>
[[gnu::noinline]] void finish_part(const float* sums, int rows, const ProductTarget& target) noexcept {
  for (int r = 0; r < rows; ++r)
    for (std::int64_t k = 0; k < target.channels; ++k) {
      float value = sums[r * vectors * lanes + k] + target.bias[k];
      if (target.residual != nullptr) value += target.residual[r * target.stride + k];
      target.output[r * target.stride + k] = target.relu && value < 0 ? 0 : value;
    }
}

// Where outputs go and residuals come from, row by row. `fetch` asks for those of one more row: into the first level,
// since the next thing that happens to them is that they are written, or read.
template <int vectors>
struct TargetLines {
  const float *output, *residual;
  std::int64_t stride;
  int rows;

  void fetch() noexcept {
    constexpr int line = 64 / sizeof(float);
    if (rows-- <= 0) return;
#pragma GCC unroll 4
    for (int at = 0; at < vectors * lanes; at += line) __builtin_prefetch(output + at, 1);
    output += stride;
    if (residual == nullptr) return;
#pragma GCC unroll 4
    for (int at = 0; at < vectors * lanes; at += line) __builtin_prefetch(residual + at, 0);
    residual += stride;
  }
};
