// The one-dimensional transforms, included once by each instruction set's file inside its anonymous namespace. Matrices
// are in winograd.h's scheme.
//
// A scheme's points are numbered; n outputs (n <= tile) need points[n - 1], as many as there are inputs under what is
// computed for them, and input<n> and output<n> take and give them in that order. A smaller set of points has other
// polynomials, so its rows of B differ, scaled such that G stays the same. Leaving out infinity alone changes no other
// row.

using Vector = xsimd::batch<float>;
constexpr int lanes = static_cast<int>(Vector::size);

// Inputs under `outputs` outputs in a dimension.
template <class Scheme>
constexpr int span(int outputs) {
  return (outputs - 1) * Scheme::stride + WinogradScheme::taps;
}

// Outputs in a dimension that are computed where `outputs` are wanted: a multiple of Scheme::granularity.
template <class Scheme>
constexpr int computed(int outputs) {
  return (outputs + Scheme::granularity - 1) / Scheme::granularity * Scheme::granularity;
}

struct F4 {
  static constexpr int tile = 4, stride = 1, granularity = 1;
  static constexpr float a = 0.70710678118654752440f, b = 1.41421356237309504880f;  // a * b = 1
  // 0, a, -a, b, -b, infinity. Two outputs take b, with which less cancels than with a.
  static constexpr int points[tile][6] = {{0, 3, 4}, {0, 3, 4, 5}, {0, 1, 2, 3, 4}, {0, 1, 2, 3, 4, 5}};
  static constexpr int weights_of_point[6] = {0, 1, 2, 3, 4, 5};
  // Row i: powers of point i over the product of its distances to the other finite points; that of 0 times -1/2, so
  // that it is a sum of the even parts below (`output` takes -2 of it, exactly).
  static constexpr int weight_side = 6;
  static constexpr double weights[weight_side][3] = {
      {-0.5, 0, 0},
      {-2.0 / 3, -0.47140452079103168293, -1.0 / 3},
      {-2.0 / 3, 0.47140452079103168293, -1.0 / 3},
      {1.0 / 6, 0.23570226039551584147, 1.0 / 3},
      {1.0 / 6, -0.23570226039551584147, 1.0 / 3},
      {0, 0, 1},
  };

  // 12 operations for four outputs: the even and the odd part of each pair of points are shared.
  template <int outputs>
  [[gnu::always_inline]] static void input(const Vector (&d)[outputs + 2], Vector (&t)[outputs + 2]) noexcept {
    if constexpr (outputs >= 3) {
      const Vector odd_a = xsimd::fnma(Vector(2.0f), d[1], d[3]);   // d3 - 2 d1
      const Vector even_a = xsimd::fnma(Vector(2.0f), d[2], d[4]);  // d4 - 2 d2
      const Vector odd_b = xsimd::fnma(Vector(0.5f), d[1], d[3]);
      const Vector even_b = xsimd::fnma(Vector(0.5f), d[2], d[4]);
      t[0] = xsimd::fnma(Vector(2.5f), d[2], d[0] + d[4]);
      t[1] = xsimd::fma(Vector(a), odd_a, even_a);
      t[2] = xsimd::fnma(Vector(a), odd_a, even_a);
      t[3] = xsimd::fma(Vector(b), odd_b, even_b);
      t[4] = xsimd::fnma(Vector(b), odd_b, even_b);
      if constexpr (outputs == 4) t[5] = xsimd::fnma(Vector(2.5f), d[3], d[1] + d[5]);
    } else {
      const Vector even = Vector(1.5f) * d[2];
      t[0] = xsimd::fnma(Vector(0.5f), d[2], d[0]);
      t[1] = xsimd::fma(Vector(1.5f * b), d[1], even);
      t[2] = xsimd::fnma(Vector(1.5f * b), d[1], even);
      if constexpr (outputs == 2) t[3] = xsimd::fnma(Vector(2.0f), d[1], d[3]);
    }
  }
  template <int outputs>
  [[gnu::always_inline]] static void output(const Vector (&m)[outputs + 2], Vector (&y)[outputs]) noexcept {
    if constexpr (outputs >= 3) {
      const Vector sum_a = m[1] + m[2], difference_a = m[1] - m[2];
      const Vector sum_b = m[3] + m[4], difference_b = m[3] - m[4];
      y[0] = xsimd::fnma(Vector(2.0f), m[0], sum_a + sum_b);
      y[1] = xsimd::fma(Vector(b), difference_b, Vector(a) * difference_a);
      y[2] = xsimd::fma(Vector(2.0f), sum_b, Vector(0.5f) * sum_a);
      if constexpr (outputs == 4)
        y[3] = xsimd::fma(Vector(2 * b), difference_b, xsimd::fma(Vector(a / 2), difference_a, m[5]));
    } else {
      y[0] = xsimd::fnma(Vector(2.0f), m[0], m[1] + m[2]);
      if constexpr (outputs == 2) y[1] = xsimd::fma(Vector(b), m[1] - m[2], m[3]);
    }
  }
};

// F4 with compact weights. Terms: the even parts of a and of b, the odd part of b, which is -1/2 of a's.
struct F4Compact : F4 {
  static constexpr double kept[ProductTerms::terms][3] = {
      {-2.0 / 3, 0, -1.0 / 3}, {1.0 / 6, 0, 1.0 / 3}, {0, 0.23570226039551584147, 0}};
  static constexpr ProductTerms terms[weight_side] = {{0, 1, 1}, {0, 2, -2}, {0, 2, 2},
                                                      {1, 2, 1}, {1, 2, -1}, {0, 1, 4}};
};

// Those terms in both dimensions.
struct F4Terms : F4Compact {
  static constexpr bool in_both_dimensions = true;
};

struct F6 {
  static constexpr int tile = 6, stride = 1, granularity = 2;
  // 0, 1, -1, 2, -2, 1/2, -1/2, infinity. Four outputs take 2 and 1/2, two take 1, with which least cancels.
  static constexpr int points[tile][8] = {{0, 1, 2, 7},
                                          {0, 1, 2, 7},
                                          {0, 3, 4, 5, 6, 7},
                                          {0, 3, 4, 5, 6, 7},
                                          {0, 1, 2, 3, 4, 5, 6, 7},
                                          {0, 1, 2, 3, 4, 5, 6, 7}};
  static constexpr int weights_of_point[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  static constexpr int weight_side = 8;
  static constexpr double weights[weight_side][3] = {
      {1, 0, 0},
      {-2.0 / 9, -2.0 / 9, -2.0 / 9},
      {-2.0 / 9, 2.0 / 9, -2.0 / 9},
      {1.0 / 90, 1.0 / 45, 2.0 / 45},
      {1.0 / 90, -1.0 / 45, 2.0 / 45},
      {32.0 / 45, 16.0 / 45, 8.0 / 45},
      {32.0 / 45, -16.0 / 45, 8.0 / 45},
      {0, 0, 1},
  };

  // 24 operations for six outputs: the even and the odd part of each pair of points are shared.
  template <int outputs>
  [[gnu::always_inline]] static void input(const Vector (&d)[outputs + 2], Vector (&t)[outputs + 2]) noexcept {
    if constexpr (outputs == 6) {
      const Vector even_1 = xsimd::fnma(Vector(4.25f), d[4], d[2] + d[6]);
      const Vector odd_1 = xsimd::fnma(Vector(4.25f), d[3], d[1] + d[5]);
      const Vector even_2 = xsimd::fma(Vector(0.25f), d[2], xsimd::fnma(Vector(1.25f), d[4], d[6]));
      const Vector odd_2 = xsimd::fma(Vector(0.25f), d[1], xsimd::fnma(Vector(1.25f), d[3], d[5]));
      const Vector even_half = xsimd::fma(Vector(4.0f), d[2], xsimd::fnma(Vector(5.0f), d[4], d[6]));
      const Vector odd_half = xsimd::fma(Vector(4.0f), d[1], xsimd::fnma(Vector(5.0f), d[3], d[5]));
      t[0] = xsimd::fma(Vector(5.25f), d[4] - d[2], d[0] - d[6]);
      t[1] = even_1 + odd_1;
      t[2] = even_1 - odd_1;
      t[3] = xsimd::fma(Vector(2.0f), odd_2, even_2);
      t[4] = xsimd::fnma(Vector(2.0f), odd_2, even_2);
      t[5] = xsimd::fma(Vector(0.5f), odd_half, even_half);
      t[6] = xsimd::fnma(Vector(0.5f), odd_half, even_half);
      t[7] = xsimd::fma(Vector(5.25f), d[3] - d[5], d[7] - d[1]);
    } else if constexpr (outputs == 4) {
      const Vector even_2 = xsimd::fms(Vector(3.0f), d[4], Vector(0.75f) * d[2]);
      const Vector odd_2 = xsimd::fms(Vector(6.0f), d[3], Vector(1.5f) * d[1]);
      const Vector even_half = xsimd::fms(Vector(3.0f), d[2], Vector(0.75f) * d[4]);
      const Vector odd_half = xsimd::fms(Vector(1.5f), d[1], Vector(0.375f) * d[3]);
      t[0] = xsimd::fnma(Vector(4.25f), d[2], d[0] + d[4]);
      t[1] = even_2 + odd_2;
      t[2] = even_2 - odd_2;
      t[3] = even_half + odd_half;
      t[4] = even_half - odd_half;
      t[5] = xsimd::fnma(Vector(4.25f), d[3], d[1] + d[5]);
    } else {
      t[0] = d[0] - d[2];
      t[1] = Vector(-2.25f) * (d[2] + d[1]);
      t[2] = Vector(-2.25f) * (d[2] - d[1]);
      t[3] = d[3] - d[1];
    }
  }
  template <int outputs>
  [[gnu::always_inline]] static void output(const Vector (&m)[outputs + 2], Vector (&y)[outputs]) noexcept {
    if constexpr (outputs == 6) {
      const Vector sum_1 = m[1] + m[2], difference_1 = m[1] - m[2];
      const Vector sum_2 = m[3] + m[4], difference_2 = m[3] - m[4];
      const Vector sum_half = m[5] + m[6], difference_half = m[5] - m[6];
      y[0] = (m[0] + sum_1) + (sum_2 + sum_half);
      y[1] = xsimd::fma(Vector(2.0f), difference_2, xsimd::fma(Vector(0.5f), difference_half, difference_1));
      y[2] = xsimd::fma(Vector(4.0f), sum_2, xsimd::fma(Vector(0.25f), sum_half, sum_1));
      y[3] = xsimd::fma(Vector(8.0f), difference_2, xsimd::fma(Vector(0.125f), difference_half, difference_1));
      y[4] = xsimd::fma(Vector(16.0f), sum_2, xsimd::fma(Vector(0.0625f), sum_half, sum_1));
      y[5] =
          xsimd::fma(Vector(32.0f), difference_2, xsimd::fma(Vector(0.03125f), difference_half, difference_1 + m[7]));
    } else if constexpr (outputs == 4) {
      const Vector sum_2 = m[1] + m[2], difference_2 = m[1] - m[2];
      const Vector sum_half = m[3] + m[4], difference_half = m[3] - m[4];
      y[0] = m[0] + (sum_2 + sum_half);
      y[1] = xsimd::fma(Vector(2.0f), difference_2, Vector(0.5f) * difference_half);
      y[2] = xsimd::fma(Vector(4.0f), sum_2, Vector(0.25f) * sum_half);
      y[3] = xsimd::fma(Vector(8.0f), difference_2, xsimd::fma(Vector(0.125f), difference_half, m[5]));
    } else {
      y[0] = m[0] + (m[1] + m[2]);
      y[1] = (m[1] - m[2]) + m[3];
    }
  }
};

struct F2 {
  static constexpr int tile = 2, stride = 1, granularity = 1;
  static constexpr int points[tile][4] = {{0, 1, 2}, {0, 1, 2, 3}};  // 0, 1, -1, infinity
  static constexpr int weights_of_point[4] = {0, 1, 2, 3};
  static constexpr int weight_side = 4;
  static constexpr double weights[weight_side][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};

  template <int outputs>
  [[gnu::always_inline]] static void input(const Vector (&d)[outputs + 2], Vector (&t)[outputs + 2]) noexcept {
    t[0] = d[0] - d[2];
    t[1] = d[1] + d[2];
    t[2] = d[2] - d[1];
    if constexpr (outputs == 2) t[3] = d[3] - d[1];
  }
  template <int outputs>
  [[gnu::always_inline]] static void output(const Vector (&m)[outputs + 2], Vector (&y)[outputs]) noexcept {
    y[0] = m[0] + (m[1] + m[2]);
    if constexpr (outputs == 2) y[1] = (m[1] - m[2]) + m[3];
  }
};

// F2 with compact weights. Terms: the even and the odd part of 1 and -1, and half the difference of the outer taps.
struct F2Compact : F2 {
  static constexpr double kept[ProductTerms::terms][3] = {{0.5, 0, 0.5}, {0, 0.5, 0}, {0.5, 0, -0.5}};
  static constexpr ProductTerms terms[weight_side] = {{0, 2, 1}, {0, 1, 1}, {0, 1, -1}, {0, 2, -1}};
};

// Stride 2: points of the even inputs, then the odd inputs, which share the weight in the middle.
struct F2Stride2 {
  static constexpr int tile = 2, stride = 2, granularity = 1;
  static constexpr int points[tile][5] = {{0, 1, 3}, {0, 1, 2, 3, 4}};  // 1, -1, infinity; two odd ones
  static constexpr int weights_of_point[5] = {0, 1, 2, 3, 3};
  static constexpr int weight_side = 4;
  static constexpr double weights[weight_side][3] = {{0.5, 0, 0.5}, {-0.5, 0, 0.5}, {0, 0, 1}, {0, 1, 0}};

  template <int outputs>
  [[gnu::always_inline]] static void input(const Vector (&d)[2 * outputs + 1], Vector (&t)[2 * outputs + 1]) noexcept {
    t[0] = d[2] + d[0];
    t[1] = d[2] - d[0];
    if constexpr (outputs == 2) t[2] = d[4] - d[0];
#pragma GCC unroll 2
    for (int i = 0; i < outputs; ++i) t[outputs + 1 + i] = d[2 * i + 1];
  }
  template <int outputs>
  [[gnu::always_inline]] static void output(const Vector (&m)[2 * outputs + 1], Vector (&y)[outputs]) noexcept {
    y[0] = (m[0] + m[1]) + m[outputs + 1];
    if constexpr (outputs == 2) y[1] = (m[0] - m[1]) + (m[2] + m[4]);
  }
};

// F2Stride2 with compact weights. Terms: half of each outer tap, and the middle one, which stands alone.
struct F2Stride2Compact : F2Stride2 {
  static constexpr double kept[ProductTerms::terms][3] = {{0, 0, 0.5}, {0.5, 0, 0}, {0, 1, 0}};
  static constexpr ProductTerms terms[weight_side] = {{0, 1, 1}, {0, 1, -1}, {0, 0, 1}, {2, 2, 0}};
};

struct F4Stride2 {
  static constexpr int tile = 4, stride = 2, granularity = 1;
  // 1/2, -1/2, 3/2, -3/2, infinity; four odd ones. Inputs and weights of the first two are negated, so that the weights
  // are sums of the same two terms as those of 3/2.
  static constexpr int points[tile][9] = {
      {0, 1, 5}, {0, 1, 4, 5, 6}, {0, 1, 2, 3, 5, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7, 8}};
  static constexpr int weights_of_point[9] = {0, 1, 2, 3, 4, 5, 5, 5, 5};
  static constexpr int weight_side = 6;
  static constexpr double weights[weight_side][3] = {
      {0.5, 0, 0.25}, {-0.5, 0, 0.25}, {1.0 / 6, 0, 0.25}, {-1.0 / 6, 0, 0.25}, {0, 0, 1}, {0, 1, 0},
  };

  template <int outputs>
  [[gnu::always_inline]] static void input(const Vector (&d)[2 * outputs + 1], Vector (&t)[2 * outputs + 1]) noexcept {
    constexpr int even_points = outputs + 1;
    if constexpr (outputs >= 3) {
      const Vector odd_p = xsimd::fms(Vector(2.25f), d[2], d[6]);   // in d0, d2, ...: 9/4 d'1 - d'3
      const Vector even_p = xsimd::fms(Vector(2.25f), d[0], d[4]);  // 9/4 d'0 - d'2
      const Vector odd_q = xsimd::fnma(Vector(0.25f), d[2], d[6]);
      const Vector even_q = xsimd::fnma(Vector(0.25f), d[0], d[4]);
      t[0] = xsimd::fma(Vector(0.5f), even_p, odd_p);
      t[1] = xsimd::fnma(Vector(0.5f), even_p, odd_p);
      t[2] = xsimd::fma(Vector(1.5f), even_q, odd_q);
      t[3] = xsimd::fnma(Vector(1.5f), even_q, odd_q);
      if constexpr (outputs == 4) t[4] = xsimd::fma(Vector(0.5625f), d[0], xsimd::fnma(Vector(2.5f), d[4], d[8]));
    } else {
      t[0] = xsimd::fma(Vector(2.0f), d[2], d[0]);
      t[1] = xsimd::fms(Vector(2.0f), d[2], d[0]);
      if constexpr (outputs == 2) t[2] = xsimd::fnma(Vector(0.25f), d[0], d[4]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < outputs; ++i) t[even_points + i] = d[2 * i + 1];
  }
  template <int outputs>
  [[gnu::always_inline]] static void output(const Vector (&m)[2 * outputs + 1], Vector (&y)[outputs]) noexcept {
    constexpr int even_points = outputs + 1;
    if constexpr (outputs >= 3) {
      const Vector sum_p = m[0] + m[1], difference_p = m[0] - m[1];
      const Vector sum_q = m[2] + m[3], difference_q = m[2] - m[3];
      y[0] = sum_p + sum_q;
      y[1] = xsimd::fma(Vector(0.5f), difference_p, Vector(1.5f) * difference_q);
      y[2] = xsimd::fma(Vector(0.25f), sum_p, Vector(2.25f) * sum_q);
      if constexpr (outputs == 4)
        y[3] = xsimd::fma(Vector(0.125f), difference_p, xsimd::fma(Vector(3.375f), difference_q, m[4]));
    } else {
      y[0] = m[0] + m[1];
      if constexpr (outputs == 2) y[1] = xsimd::fma(Vector(0.5f), m[0] - m[1], m[2]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < outputs; ++i) y[i] += m[even_points + i];
  }
};

// F4Stride2 with compact weights. Terms: the parts of the even taps, which all its even weights are sums of, and the
// middle tap, which stands alone.
struct F4Stride2Compact : F4Stride2 {
  static constexpr double kept[ProductTerms::terms][3] = {{0, 0, 0.25}, {1.0 / 6, 0, 0}, {0, 1, 0}};
  static constexpr ProductTerms terms[weight_side] = {{0, 1, 3},  {0, 1, -3}, {0, 1, 1},
                                                      {0, 1, -1}, {0, 0, 3},  {2, 2, 0}};
};

// ---- What the kernels ask about a scheme ----

template <class Scheme>
constexpr bool has_terms = requires {
  Scheme::terms;
};
template <class Scheme>
constexpr bool has_terms_in_both_dimensions = requires {
  Scheme::in_both_dimensions;
};
template <class Scheme>
constexpr WinogradWeights kept_weights() {
  if (has_terms_in_both_dimensions<Scheme>) return WinogradWeights::terms;
  if (has_terms<Scheme>) return WinogradWeights::compact;
  return WinogradWeights::whole;
}

// Of two points: whether their weights are sums of the same two terms.
template <class Scheme>
constexpr bool share_terms(int a, int b) {
  const ProductTerms& of_a = Scheme::terms[Scheme::weights_of_point[a]];
  const ProductTerms& of_b = Scheme::terms[Scheme::weights_of_point[b]];
  return of_a.first == of_b.first && of_a.second == of_b.second;
}

template <class Scheme>
constexpr WinogradScheme make_scheme() {
  constexpr int side = span<Scheme>(Scheme::tile);
  constexpr int weight_side = Scheme::weight_side;
  constexpr WinogradWeights kept = kept_weights<Scheme>();
  WinogradScheme scheme{Scheme::tile, Scheme::stride, 0, weight_side, kept, {}, {}, {}, {}, 0};
  if constexpr (kept != WinogradWeights::whole)
    for (int u = 0; u < weight_side; ++u) scheme.terms[u] = Scheme::terms[u];
  for (int v = 0; v < weight_side; ++v)
    for (int u = 0; u < weight_side; ++u)
      for (int y = 0; y < side; ++y)
        for (int x = 0; x < side; ++x)
          if (Scheme::weights_of_point[y] == v && Scheme::weights_of_point[x] == u)
            scheme.at[scheme.positions++] = {static_cast<std::uint8_t>(y), static_cast<std::uint8_t>(x),
                                             static_cast<std::uint8_t>(v * weight_side + u)};
  for (int outputs = 1; outputs <= Scheme::tile; ++outputs)
    for (int i = 0; i < span<Scheme>(computed<Scheme>(outputs)); ++i)
      scheme.needed[outputs - 1] =
          static_cast<std::uint16_t>(scheme.needed[outputs - 1] | 1 << Scheme::points[outputs - 1][i]);
  if constexpr (kept == WinogradWeights::terms) {
    bool paired[side] = {};
    for (int i = 0; i < side; ++i) {
      if (paired[i]) continue;
      int other = i;
      for (int j = side - 1; j > i; --j)
        if (!paired[j] && share_terms<Scheme>(i, j)) other = j;
      paired[i] = paired[other] = true;
      scheme.pairs[scheme.pair_count++] = {static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(other)};
    }
  }
  return scheme;
}

// The positions of a tile of height x width outputs, [span(height)][span(width)].
template <class Scheme, int height, int width>
struct Positions {
  int of[span<Scheme>(height)][span<Scheme>(width)] = {};

  constexpr Positions() {
    const WinogradScheme scheme = make_scheme<Scheme>();
    for (int y = 0; y < span<Scheme>(height); ++y)
      for (int x = 0; x < span<Scheme>(width); ++x)
        for (int p = 0; p < scheme.positions; ++p)
          if (scheme.at[p].row == Scheme::points[height - 1][y] && scheme.at[p].column == Scheme::points[width - 1][x])
            of[y][x] = p;
  }
};
