// Products with weights as terms, included once by each instruction set's file inside its anonymous namespace, after
// kernels/products/registers_<tier>.h and winograd_schemes.h.
//
// Weights are made of terms in registers, at every depth anew: first those of a line of positions, t[0..2], which its
// positions share, then each position's.
//
//   terms of a depth    row of positions            weight of a position
//   +---+---+---+
//   | 0 | 1 | 2 |       t[j] = terms[first][j]      weight = t[first] + factor * t[second]
//   | 3 | 4 | 5 |            + factor
//   | 6 | 7 | 8 |            * terms[second][j]
//   +---+---+---+
//
// A line's positions at once make them for least; but registers hold the sums of few rows of all. Where there are more
// rows, two positions at a time whose weights share both of their terms: 4 multiply-adds for 2 * 12.

#include "kernels/products/sums.h"

constexpr bool has_32_registers = most_rows > 8;
// Beside the sums: two terms and the weight, three factors, and with AVX2 a broadcast factor.
constexpr int pair_rows = has_32_registers ? 12 : 4;
// Rows of a line of 6 positions; 0: not even two, which pairs do as well.
constexpr int line_rows = has_32_registers ? 4 : 0;
constexpr int cache_line = 64 / sizeof(float);
constexpr int depth_floats = ProductTerms::terms * ProductTerms::terms * lanes;

struct TermProduct {
  const float* terms;
  std::int64_t chunks;
  bool adds;             // to the sums, in place of zeros
  ProductTerms line;     // makes the terms of the line
  std::int64_t sum_row;  // floats from a row's sums to the next one's
  const float* upcoming;
};

// The rows of one position: `panel` and `sums` of the first of them.
struct TermRows {
  const float* panel;
  std::int64_t chunk;  // floats of the panel, with rows that the product leaves out
  float* sums;
};

template <int rows>
[[gnu::always_inline]] inline void load_sums(const TermProduct& product, const float* from,
                                             Vector (&sums)[rows]) noexcept {
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r)
    sums[r] = product.adds ? Vector::load_unaligned(from + r * product.sum_row) : Vector(0.0f);
}

template <int rows>
[[gnu::always_inline]] inline void store_sums(const Vector (&sums)[rows], float* to, std::int64_t sum_row) noexcept {
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) sums[r].store_unaligned(to + r * sum_row);
}

template <int rows>
[[gnu::always_inline]] inline void add_products(const float* factors, Vector weight, Vector (&sums)[rows]) noexcept {
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) add_product(Vector(factors[r * lanes]), weight, sums[r]);
}

// ---- One or two positions ----

// `terms`: of the first position. The second one's weight is the same but for the factor.
template <int rows, int positions>
[[gnu::noinline]] void multiply_pair(const TermProduct product, const TermRows (&of)[2], const ProductTerms terms,
                                     float second_factor) noexcept {
  Vector first_sums[rows], second_sums[rows];
  load_sums(product, of[0].sums, first_sums);
  if constexpr (positions == 2) load_sums(product, of[1].sums, second_sums);
  const Vector line_factor(product.line.factor), factor(terms.factor), other_factor(second_factor);
  const auto term = [&](int row, int column) { return product.terms + (row * ProductTerms::terms + column) * lanes; };
  const float* a = term(product.line.first, terms.first);
  const float* more_a = term(product.line.second, terms.first);
  const float* b = term(product.line.first, terms.second);
  const float* more_b = term(product.line.second, terms.second);
  const float *panel = of[0].panel, *second_panel = of[1].panel, *upcoming = product.upcoming;
  const bool looks_ahead = upcoming != nullptr;
  for (std::int64_t chunk = 0; chunk < product.chunks; ++chunk) {
#pragma GCC unroll 4
    for (int lane = 0; lane < lanes; ++lane) {
      const int at = lane * depth_floats;
      const Vector ta = xsimd::fma(line_factor, Vector::load_unaligned(more_a + at), Vector::load_unaligned(a + at));
      const Vector tb = xsimd::fma(line_factor, Vector::load_unaligned(more_b + at), Vector::load_unaligned(b + at));
      if (looks_ahead) __builtin_prefetch(upcoming + lane * cache_line, 0, 2);
      add_products(panel + lane, xsimd::fma(factor, tb, ta), first_sums);
      if constexpr (positions == 2) add_products(second_panel + lane, xsimd::fma(other_factor, tb, ta), second_sums);
    }
    a += lanes * depth_floats;
    more_a += lanes * depth_floats;
    b += lanes * depth_floats;
    more_b += lanes * depth_floats;
    panel += of[0].chunk;
    if constexpr (positions == 2) second_panel += of[1].chunk;
    if (looks_ahead) upcoming += lanes * cache_line;
  }
  store_sums(first_sums, of[0].sums, product.sum_row);
  if constexpr (positions == 2) store_sums(second_sums, of[1].sums, product.sum_row);
}

// ---- A whole line ----

// The weight of a position from the terms of its line.
template <class Scheme, int column>
[[gnu::always_inline]] inline Vector weight_of(const Vector (&t)[ProductTerms::terms]) noexcept {
  constexpr ProductTerms terms = Scheme::terms[column];
  if constexpr (terms.factor == 1)
    return t[terms.first] + t[terms.second];
  else if constexpr (terms.factor == -1)
    return t[terms.first] - t[terms.second];
  else
    return xsimd::fma(Vector(terms.factor), t[terms.second], t[terms.first]);
}

// The points of a scheme but the last one.
template <int... column>
struct Columns {};
template <class Scheme, int... column>
constexpr auto columns_but_last() {
  if constexpr (sizeof...(column) + 1 == Scheme::weight_side)
    return Columns<column...>();
  else
    return columns_but_last<Scheme, column..., static_cast<int>(sizeof...(column))>();
}

// The positions of all points of a scheme with stride 1, of which tiles without all outputs may leave out the last one,
// infinity: `rows` rows need the others.
template <class Scheme, int rows, int last_rows, int... column>
[[gnu::noinline]] void multiply_line(const TermProduct product, const TermRows* of, Columns<column...>) noexcept {
  constexpr int last = Scheme::weight_side - 1;
  Vector sums[last][rows], last_sums[last_rows > 0 ? last_rows : 1];
  (load_sums(product, of[column].sums, sums[column]), ...);
  if constexpr (last_rows > 0) load_sums(product, of[last].sums, last_sums);
  const Vector line_factor(product.line.factor);
  const float* terms = product.terms + product.line.first * ProductTerms::terms * lanes;
  const float* more = product.terms + product.line.second * ProductTerms::terms * lanes;
  const float* panels[last] = {of[column].panel...};
  const float *last_panel = of[last].panel, *upcoming = product.upcoming;
  const bool looks_ahead = upcoming != nullptr;
  for (std::int64_t chunk = 0; chunk < product.chunks; ++chunk) {
#pragma GCC unroll 4
    for (int lane = 0; lane < lanes; ++lane) {
      Vector t[ProductTerms::terms];
#pragma GCC unroll 3
      for (int j = 0; j < ProductTerms::terms; ++j) {
        const int at = lane * depth_floats + j * lanes;
        t[j] = xsimd::fma(line_factor, Vector::load_unaligned(more + at), Vector::load_unaligned(terms + at));
      }
      if (looks_ahead) {
        __builtin_prefetch(upcoming + lane * 2 * cache_line, 0, 2);
        __builtin_prefetch(upcoming + (lane * 2 + 1) * cache_line, 0, 2);
      }
      (add_products(panels[column] + lane, weight_of<Scheme, column>(t), sums[column]), ...);
      if constexpr (last_rows > 0) add_products(last_panel + lane, weight_of<Scheme, last>(t), last_sums);
    }
    terms += lanes * depth_floats;
    more += lanes * depth_floats;
    ((panels[column] += of[column].chunk), ...);
    if constexpr (last_rows > 0) last_panel += of[last].chunk;
    if (looks_ahead) upcoming += lanes * 2 * cache_line;
  }
  (store_sums(sums[column], of[column].sums, product.sum_row), ...);
  if constexpr (last_rows > 0) store_sums(last_sums, of[last].sums, product.sum_row);
}

// ---- A row of positions, whatever rows of the block need them ----

// Where so many lines of upcoming terms start; nullptr: all have been asked for.
const float* take_lines(WinogradUpcoming& upcoming, std::int64_t lines) noexcept {
  const float* const from = upcoming.next;
  if (from == upcoming.end) return nullptr;
  upcoming.next = upcoming.end - from < lines * cache_line ? upcoming.end : from + lines * cache_line;
  return from;
}

// Whether the row's positions but the last are needed by the same rows, and the last one by no more.
template <class Scheme>
bool is_whole_line(const WinogradRowOfPositions& row) noexcept {
  const WinogradBlock::Rows all = row.rows[0], last = row.rows[Scheme::weight_side - 1];
  bool whole = all.count > 0 && last.count <= all.count;
  for (int column = 1; column < Scheme::weight_side - 1; ++column)
    whole &= row.rows[column].first == all.first && row.rows[column].count == all.count;
  return whole;
}

// Rows [from, ...) of those that need the position in a column.
template <class Scheme>
TermRows rows_of(const WinogradRowOfPositions& row, const WinogradSlice& slice, int column, int from) noexcept {
  static constexpr Positions<Scheme, Scheme::tile, Scheme::tile> positions;
  const auto [first, count] = row.rows[column];
  const std::int64_t position = positions.of[row.row][column];
  return {row.panels + position * row.panel_stride + (slice.first_chunk * count + from) * lanes, count * lanes,
          row.sums + position * row.sum_stride + (first + from) * row.sum_row};
}

template <class Scheme>
void multiply_whole_line(const WinogradRowOfPositions& row, const WinogradSlice& slice, TermProduct product,
                         WinogradUpcoming& upcoming) noexcept {
  constexpr int last = Scheme::weight_side - 1;
  TermRows of[last + 1];
  for (int column = 0; column <= last; ++column) of[column] = rows_of<Scheme>(row, slice, column, 0);
  product.upcoming = take_lines(upcoming, 2 * lanes * slice.chunks);
  with_rows<line_rows>(row.rows[0].count, [&]<int rows>() noexcept {
    // Rows of the last position may be none.
    with_rows<rows + 1>(row.rows[last].count + 1, [&]<int more>() noexcept {
      multiply_line<Scheme, rows, more - 1>(product, of, columns_but_last<Scheme>());
    });
  });
}

// One or two positions of a row, which the same rows need: part by part, as many as fit the registers.
template <class Scheme, int positions>
void multiply_positions(const WinogradRowOfPositions& row, const WinogradSlice& slice, TermProduct product, int first,
                        int second, WinogradUpcoming& upcoming) noexcept {
  const ProductTerms &terms = Scheme::terms[Scheme::weights_of_point[first]],
                     &others = Scheme::terms[Scheme::weights_of_point[second]];
  const int all = row.rows[first].count, parts = (all + pair_rows - 1) / pair_rows;
  for (int part = 0; part < parts; ++part) {
    const int from = all * part / parts, end = all * (part + 1) / parts;
    const TermRows of[] = {rows_of<Scheme>(row, slice, first, from), rows_of<Scheme>(row, slice, second, from)};
    product.upcoming = take_lines(upcoming, lanes * slice.chunks);
    with_rows<pair_rows>(
        end - from, [&]<int rows>() noexcept { multiply_pair<rows, positions>(product, of, terms, others.factor); });
  }
}

template <class Scheme>
void multiply_row(const WinogradRowOfPositions& row, const WinogradSlice& slice, WinogradUpcoming& upcoming) noexcept {
  static constexpr WinogradScheme scheme = make_scheme<Scheme>();
  const TermProduct product{slice.terms,           slice.chunks,
                            slice.first_chunk > 0, Scheme::terms[Scheme::weights_of_point[row.row]],
                            row.sum_row,           nullptr};
  if constexpr (line_rows > 0 && Scheme::stride == 1) {
    if (row.rows[0].count <= line_rows && is_whole_line<Scheme>(row)) {
      multiply_whole_line<Scheme>(row, slice, product, upcoming);
      return;
    }
  }
  for (int i = 0; i < scheme.pair_count; ++i) {
    const auto [first, second] = scheme.pairs[i];
    const WinogradBlock::Rows a = row.rows[first], b = row.rows[second];
    if (first != second && a.first == b.first && a.count == b.count) {
      multiply_positions<Scheme, 2>(row, slice, product, first, second, upcoming);
    } else {
      multiply_positions<Scheme, 1>(row, slice, product, first, first, upcoming);
      if (first != second) multiply_positions<Scheme, 1>(row, slice, product, second, second, upcoming);
    }
  }
}

template <class Scheme>
constexpr auto product_of_rows() -> decltype(WinogradKernels::multiply_row) {
  if constexpr (kept_weights<Scheme>() == WinogradWeights::terms)
    return multiply_row<Scheme>;
  else
    return nullptr;
}
