// How many sums fit the registers of SSE2, and how a product is added to one; included inside the anonymous namespace
// of the files that multiply, after <xsimd/xsimd.hpp>.

using Vector = xsimd::batch<float>;
constexpr int most_rows = 6;  // of two vectors. 16 registers: 12 sums, 2 weights, a factor.
[[gnu::always_inline]] inline void add_product(Vector factor, Vector weight, Vector& sum) noexcept {
  sum = xsimd::fma(factor, weight, sum);
}
