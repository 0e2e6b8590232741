// How many sums fit the registers of AVX2, and how a product is added to one; included inside the anonymous namespace
// of the files that multiply, after <xsimd/xsimd.hpp>.

using Vector = xsimd::batch<float>;
constexpr int most_rows = 6;  // of two vectors. 16 registers: 12 sums, 2 weights, a factor.
// The sum stays in its register. Where the compiler is free to write elsewhere it does, and with 16 registers spends a
// ninth of the instructions on moves between them.
[[gnu::always_inline]] inline void add_product(Vector factor, Vector weight, Vector& sum) noexcept {
  asm("vfmadd231ps %2, %1, %0" : "+x"(sum.data) : "x"(factor.data), "x"(weight.data));
}
