// Matrix products on packed panels: the inner loop of our convolutions, direct and Winograd.
//
// A product multiplies `rows` rows of factors (pixels, or tiles) by the weights of one block of output channels:
//
//   sums[r][k] = sum over d of panel[r][d] * weights[d][k]
//
//   panel    [chunks][rows][lanes]     factor (r, d) at ((d / lanes) * rows + r) * lanes + d % lanes
//   weights  [chunks * lanes][width]   width = `vectors` * lanes output channels
//
// Depths that are no multiple of `lanes` are filled up with zeros on both sides. Each sum is one chain of
// multiply-adds in the order of d (fused from avx2 on), whatever the rows and the width: within a tier, equal inputs
// give equal bits in any blocking.
#pragma once

#include <cstdint>

namespace residua::kernels {

// Where the sums of a convolution go, and what is added on the way.
//
//   output[r * stride + k] = activation(sums[r][k] + bias[k] + residual[r * stride + k])   for k < channels
struct ProductTarget {
  float* output;
  const float* residual;  // nullptr: none; may be `output`
  const float* bias;      // `vectors` * lanes floats, filled up with zeros
  std::int64_t stride;    // of output and residual, in floats
  std::int64_t channels;  // 1 .. vectors * lanes
  bool relu;              // NaN stays NaN
};

// Weights that are wanted soon from memory. Products of many rows tell the cache of a line every depth, `step` floats
// behind the one before: lines in a row, as memory brings them best.
struct UpcomingWeights {
  const float* first = nullptr;  // nullptr: none
  std::int64_t step = 0;         // less than a line: each is asked for more than once, at a slower pace
};

// A product, or a slice of its depth: `chunks` of the panel and of the weights.
struct ProductSlice {
  const float* panel;
  const float* weights;
  std::int64_t chunks;  // >= 1
  bool adds = false;    // to the sums of the slices before, in place of zeros
  UpcomingWeights upcoming = {};
};

// Weights of a slice that are kept as terms, [chunks * lanes][terms][width]: those of each depth are the sum of two,
//
//   term[first] + factor * term[second]
struct ProductTerms {
  static constexpr int terms = 3;
  std::uint8_t first, second;
  float factor;
};

// The kernels of one tier with the sizes that panels and weights must be packed for.
struct ProductKernels {
  int rows;     // the most rows of a panel
  int lanes;    // floats of a vector: the depth's unit
  int vectors;  // the most vectors of a block of output channels
  // The chunks of a slice whose weights serve several panels from the level 1 cache; 0: slices don't pay.
  int slice_chunks;
  // Products with weights as terms ask every so many depths. The depths whose terms are six cache lines, one for each
  // position of a row of F(4x4) to ask for: at an even pace, since memory asked for more than it gives holds up who
  // asks, and rests later. Divides `lanes`.
  int depths_a_request;

  // Writes the bare sums: sums[r * vectors * lanes + k]. 1 <= rows <= the tier's, likewise vectors.
  void (*multiply)(const ProductSlice& slice, int rows, int vectors, float* sums) noexcept;
  // Likewise, with weights that are kept as terms.
  void (*multiply_terms)(const ProductSlice& slice, const ProductTerms& terms, int rows, int vectors,
                         float* sums) noexcept;
  // Writes convolution outputs, all of `target.channels`. The slice is the whole depth, and adds to nothing.
  void (*convolve)(const ProductSlice& slice, int rows, int vectors, const ProductTarget& target) noexcept;
};

}  // namespace residua::kernels
