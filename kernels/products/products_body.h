// Bodies of the matrix products, included once by each instruction set's file inside its anonymous namespace, after
// `Vector`; `most_rows`: the rows whose sums fit the registers beside one row of weights and a factor; `slice_chunks`;
// `unrolled_lanes`, a part of the lanes; and add_product(factor, weight, sum).

constexpr int lanes = static_cast<int>(Vector::size);
constexpr int most_vectors = 2;
static_assert(lanes % unrolled_lanes == 0);
// Of weights as terms: three of two vectors each are six cache lines in 16 / lanes depths.
constexpr int depths_a_request = 16 / lanes;
static_assert(lanes % depths_a_request == 0);

#include "kernels/products/sums.h"

// Weights as they are multiplied: [depth][vectors * lanes].
template <int vectors>
struct WholeWeights {
  // Whether products of so many rows may be told of upcoming weights. Those of few are soon done; their code is saved.
  static constexpr bool look_ahead(int rows) { return slice_chunks != 0 || (vectors == 2 && rows > most_rows / 2); }
  static constexpr int step = vectors * lanes;  // floats from one depth to the next
  static constexpr int request = 1;             // depths for one line that is asked for
  const float* weights;

  Vector load(int at) const noexcept { return Vector::load_unaligned(weights + at); }
  void advance() noexcept { weights += lanes * step; }
};

// Weights kept as terms.
template <int vectors>
struct WeightTerms {
  static constexpr bool look_ahead(int) { return true; }
  static constexpr int step = ProductTerms::terms * vectors * lanes;
  static constexpr int request = depths_a_request;
  const float *first, *second;
  Vector factor;

  WeightTerms(const float* weights, const ProductTerms& terms) noexcept
      : first(weights + terms.first * vectors * lanes),
        second(weights + terms.second * vectors * lanes),
        factor(terms.factor) {}
  Vector load(int at) const noexcept {
    return xsimd::fma(factor, Vector::load_unaligned(second + at), Vector::load_unaligned(first + at));
  }
  void advance() noexcept {
    first += lanes * step;
    second += lanes * step;
  }
};

struct NoLines {
  void fetch() noexcept {}
};

// The loops over rows and vectors are unrolled whole, so that the sums never leave the registers. Each vector of
// weights is loaded once a depth and serves all rows. Each factor is broadcast once and serves all vectors: with
// AVX-512, 44 instructions with 16 loads for 28 multiply-adds.
template <int rows, int vectors, bool looks_ahead, class Weights, class Lines = NoLines>
[[gnu::always_inline]] inline void accumulate(const float* panel, Weights weights, std::int64_t chunks,
                                              Vector (&sums)[rows][vectors], [[maybe_unused]] UpcomingWeights upcoming,
                                              Lines lines = {}) noexcept {
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    for (int first = 0; first < lanes; first += unrolled_lanes) {
      lines.fetch();
#pragma GCC unroll 16
      for (int lane = first; lane < first + unrolled_lanes; ++lane) {
        Vector weight[vectors];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) weight[v] = weights.load(lane * Weights::step + v * lanes);
        // Into the level 2 cache: the first level's few miss buffers are for loads.
        if constexpr (looks_ahead)
          if (lane % Weights::request == 0) {
            __builtin_prefetch(upcoming.first, 0, 2);
            upcoming.first += upcoming.step;
          }
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
          for (int v = 0; v < vectors; ++v) add_product(Vector(panel[r * lanes + lane]), weight[v], sums[r][v]);
        }
      }
    }
    panel += rows * lanes;
    weights.advance();
  }
}

// Calls run.template operator()<looks_ahead>().
template <class Weights, int rows, class Run>
[[gnu::always_inline]] inline void with_look_ahead(const ProductSlice& slice, const Run& run) noexcept {
  constexpr bool may_look_ahead = Weights::look_ahead(rows);
  if (may_look_ahead && slice.upcoming.first != nullptr)
    run.template operator()<may_look_ahead>();
  else
    run.template operator()<false>();
}

// One loop in each function: where two share the sums, or what comes before and behind, gcc moves AVX2's sums from
// register to register in one of them.
template <int rows, int vectors, bool looks_ahead, class Weights>
[[gnu::noinline]] void multiply_rows(const ProductSlice& slice, const Weights weights, float* output) noexcept {
  Vector sums[rows][vectors];
  if (slice.adds) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sums[r][v] = Vector::load_unaligned(output + (r * vectors + v) * lanes);
  } else {
    clear(sums);
  }
  accumulate<rows, vectors, looks_ahead>(slice.panel, weights, slice.chunks, sums, slice.upcoming);
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) sums[r][v].store_unaligned(output + (r * vectors + v) * lanes);
}

template <int rows, int vectors, class Weights>
void multiply_rows(const ProductSlice& slice, const Weights& weights, float* output) noexcept {
  with_look_ahead<Weights, rows>(
      slice, [&]<bool looks_ahead>() noexcept { multiply_rows<rows, vectors, looks_ahead>(slice, weights, output); });
}

// `target` by value: the outputs might else be where it lies, and each store would have it read again.
template <int rows, int vectors>
void convolve_rows(const ProductSlice& slice, const ProductTarget target) noexcept {
  Vector sums[rows][vectors];
  clear(sums);
  with_look_ahead<WholeWeights<vectors>, rows>(slice, [&]<bool looks_ahead>() noexcept {
    accumulate<rows, vectors, looks_ahead>(slice.panel, WholeWeights<vectors>{slice.weights}, slice.chunks, sums,
                                           slice.upcoming,
                                           TargetLines<vectors>{target.output, target.residual, target.stride, rows});
  });
  if (target.channels < vectors * lanes) {
    float values[rows * vectors * lanes];
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sums[r][v].store_unaligned(values + (r * vectors + v) * lanes);
    finish_part<vectors>(values, rows, target);
    return;
  }
  Vector bias[vectors];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) bias[v] = Vector::load_unaligned(target.bias + v * lanes);
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) sums[r][v] += bias[v];
  if (target.residual != nullptr) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v)
        sums[r][v] += Vector::load_unaligned(target.residual + r * target.stride + v * lanes);
  }
  if (target.relu) {
    // In this order the instruction hands a NaN on.
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sums[r][v] = xsimd::max(Vector(0.0f), sums[r][v]);
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) sums[r][v].store_unaligned(target.output + r * target.stride + v * lanes);
}

void multiply(const ProductSlice& slice, int rows, int vectors, float* sums) noexcept {
  with_rows<most_rows>(rows, [&]<int count>() noexcept {
    if (vectors == 2)
      multiply_rows<count, 2>(slice, WholeWeights<2>{slice.weights}, sums);
    else
      multiply_rows<count, 1>(slice, WholeWeights<1>{slice.weights}, sums);
  });
}

void multiply_terms(const ProductSlice& slice, const ProductTerms& terms, int rows, int vectors, float* sums) noexcept {
  with_rows<most_rows>(rows, [&]<int count>() noexcept {
    if (vectors == 2)
      multiply_rows<count, 2>(slice, WeightTerms<2>(slice.weights, terms), sums);
    else
      multiply_rows<count, 1>(slice, WeightTerms<1>(slice.weights, terms), sums);
  });
}

void convolve(const ProductSlice& slice, int rows, int vectors, const ProductTarget& target) noexcept {
  with_rows<most_rows>(rows, [&]<int count>() noexcept {
    if (vectors == 2)
      convolve_rows<count, 2>(slice, target);
    else
      convolve_rows<count, 1>(slice, target);
  });
}

constexpr ProductKernels product_kernels{most_rows,        lanes,    most_vectors,   slice_chunks,
                                         depths_a_request, multiply, multiply_terms, convolve};
