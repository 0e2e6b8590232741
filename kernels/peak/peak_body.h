// The burst that measures the peak rate, included once by each instruction set's file inside its anonymous namespace.

using Vector = xsimd::batch<float>;

float multiply_add_burst(std::int64_t iterations, double* operations) noexcept {
  // Two FMA units with a latency of four or five cycles need ten independent sums; twelve leave some slack and still
  // fit the sixteen registers of AVX2 beside the two factors.
  constexpr int sums = 12;
  Vector sum[sums];
#pragma GCC unroll 12
  for (int i = 0; i < sums; ++i) sum[i] = Vector(static_cast<float>(i));
  const Vector factor(0.9999f), addend(0.0001f);
  for (std::int64_t n = 0; n < iterations; ++n) {
    // Rounding makes each step depend on the last: the compiler can leave none out. Unrolled, so that the sums stay in
    // registers; through memory this would measure how fast stores are forwarded.
#pragma GCC unroll 12
    for (int i = 0; i < sums; ++i) sum[i] = xsimd::fma(sum[i], factor, addend);
  }
  *operations = 2.0 * sums * static_cast<double>(Vector::size) * static_cast<double>(iterations);
  Vector total(0.0f);
#pragma GCC unroll 12
  for (int i = 0; i < sums; ++i) total += sum[i];
  float lanes[Vector::size];
  total.store_unaligned(lanes);
  float result = 0;
  for (std::size_t i = 0; i < Vector::size; ++i) result += lanes[i];
  return result;
}
