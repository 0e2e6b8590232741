// Strassen's step on 1x1 convolutions: seven matrix products where eight are due (Strassen 1969, in Winograd's form
// with 15 additions: Probert, SIAM J. Comput. 5, 1976).
//
// Pixels two and two, input channels and a block's output channels in halves make 2x2 blocks of all three matrices:
//
//   [ A11 A12 ]   [ B11 B12 ]   [ C11 C12 ]    rows of A and C: the even pixels of an image above, the odd ones below
//   [ A21 A22 ] * [ B21 B22 ] = [ C21 C22 ]    columns of A, rows of B: input channels; columns of B and C: outputs
//
//   S1 = A21 + A22   S2 = S1 - A11   S3 = A11 - A21   S4 = A12 - S2
//   T1 = B12 - B11   T2 = B22 - T1   T3 = B22 - B12   T4 = T2 - B21
//
//   P0 = A11 B11   P1 = A12 B21   P2 = S4 B22   P3 = A22 T4   P4 = S1 T1   P5 = S2 T2   P6 = S3 T3
//
//   C11 = P0 + P1    C12 = P0 + P5 + P4 + P2    C21 = P0 + P5 + P6 - P3    C22 = P0 + P5 + P6 + P4
//
// The additions are made while panels are gathered, while weights are packed, and on sums that the level 1 cache still
// holds. Pairs are neighbours in one image, whatever is computed together, so bits depend on nothing else; a NaN or an
// infinity in one pixel reaches the other of its pair.
#pragma once

#include <cstdint>

namespace residua::kernels {

// A 1x1 convolution without padding over NHWC images. Each image's output pixels, row by row, are paired (0, 1), (2, 3)
// ...; where they are odd in number, the last one's partner is zero.
struct PairGeometry {
  std::int64_t height, width, channels;  // of the input; channels: a multiple of 2 * lanes
  std::int64_t output_height, output_width;
  std::int64_t stride_height, stride_width;
  std::int64_t pairs;  // of one image: half its output pixels, rounded up
};

// Where the outputs of a block of channels go, and what is added on the way: bias, then residual, then ReLU (NaN stays
// NaN).
struct PairTarget {
  float* output;          // of image 0, pixel 0, the block's first channel
  const float* residual;  // nullptr: none; the same layout; may be `output`
  const float* bias;      // of the block's first channel
  std::int64_t stride;    // floats from pixel to pixel
  bool relu;
};

constexpr int strassen_products = 7;

// The kernels of one tier. They feed and empty the products of the same tier (kernels/products): a pair is a row.
struct StrassenKernels {
  // Gathers pairs [first, first + rows), counted image after image, into seven panels for half the channels:
  //
  //   panels[((p * chunks + chunk) * rows + r) * lanes + lane], chunks = channels / 2 / lanes
  void (*gather_pairs)(const float* images, const PairGeometry& geometry, std::int64_t first, int rows,
                       float* panels) noexcept;
  // The outputs of the same pairs from sums[(p * rows + r) * half + k], half = vectors * lanes: channels [0, half) of a
  // block come from C11 and C21, [half, 2 * half) from C12 and C22.
  void (*combine)(const float* sums, const PairGeometry& geometry, std::int64_t first, int rows, int vectors,
                  const PairTarget& target) noexcept;
  // Packs the weights of one block of 2 * half output channels, [2 * half][channels], summed in double:
  // packed[(p * channels / 2 + c) * half + k].
  void (*pack_weights)(const float* weights, std::int64_t channels, std::int64_t half, float* packed) noexcept;
};

}  // namespace residua::kernels
