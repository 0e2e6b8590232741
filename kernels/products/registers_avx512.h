// How many sums fit the registers of AVX-512, and how a product is added to one; included inside the anonymous
// namespace of the files that multiply, after <xsimd/xsimd.hpp>.

using Vector = xsimd::batch<float>;
constexpr int most_rows = 14;  // of two vectors. 32 registers: 28 sums, 2 weights, a factor.
[[gnu::always_inline]] inline void add_product(Vector factor, Vector weight, Vector& sum) noexcept {
  sum = xsimd::fma(factor, weight, sum);
}
