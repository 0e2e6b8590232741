// The table of our own inner loops: one entry a kernel, filled tier by tier for the CPU at hand.
//
// Every kernel is single-threaded, allocates nothing and throws nothing; pointers need no alignment beyond that of
// float, and buffers may not overlap unless a kernel says so. Activations are NHWC: a pixel's channels stand side by
// side.
#pragma once

#include <cstdint>

#include "kernels/convolution/convolution.h"
#include "kernels/cpu.h"
#include "kernels/grouped/grouped.h"
#include "kernels/products/products.h"
#include "kernels/stem/stem.h"
#include "kernels/strassen/strassen.h"
#include "kernels/tiles/tiles.h"
#include "kernels/winograd/winograd.h"

namespace residua::kernels {

// One pooling window sliding over one NHWC image. All counts in pixels; channels in floats.
//
//   input  [height][width][channels]
//   output row `y`: windows that start at input row y * stride_height - padding_top
struct PoolGeometry {
  std::int64_t channels;
  std::int64_t height, width;
  std::int64_t output_height, output_width;
  std::int64_t kernel_height, kernel_width;
  std::int64_t stride_height, stride_width;
  std::int64_t padding_top, padding_left;
  std::int64_t padding_bottom, padding_right;  // counted by average_pool_row when the padding is part of the mean
  std::int64_t dilation_height, dilation_width;
  bool count_include_pad;
};

// Evenly spaced values: x / scale is rounded to a whole number of [minimum, maximum] - zero_point, which times `factor`
// plus `offset` is the result. Whole numbers of at most 17 bits.
struct QuantizationGrid {
  float scale, zero_point, minimum, maximum;
  float factor, offset;
};

struct KernelTable {
  InstructionSet instruction_set;
  // The tier of all kernels but those on tiles.
  InstructionSet vector_set() const {
    return instruction_set < InstructionSet::amx ? instruction_set : InstructionSet::avx512;
  }
  // Products wait for what they multiply, not for multiply-adds: fewer of those for more data are no bargain, weights
  // are worth asking for, and should meet more rows once they are there.
  bool loads_bind_products;

  // Planes to pixels: output[i * channels + c] = planes[c * plane_stride + i] for i < pixels.
  void (*interleave_planes)(const float* planes, std::int64_t plane_stride, std::int64_t channels, std::int64_t pixels,
                            float* output) noexcept;
  // RGB bytes to normalised floats: output[3 * i + c] = input[3 * i + c] * scale[c] + shift[c] for i < pixels.
  void (*normalize_pixels)(const std::uint8_t* input, std::int64_t pixels, const float scale[3], const float shift[3],
                           float* output) noexcept;

  // Row `y` of max pooling. A NaN in a window makes the result NaN, as PyTorch has it. Every window must hold at
  // least one input pixel.
  void (*max_pool_row)(const float* image, const PoolGeometry& geometry, std::int64_t y, float* output_row) noexcept;
  // Row `y` of average pooling. The divisor is the number of input pixels in the window or, with count_include_pad,
  // of pixels in the window that lie within the padded image.
  void (*average_pool_row)(const float* image, const PoolGeometry& geometry, std::int64_t y,
                           float* output_row) noexcept;
  // output[c] = mean over `pixels` of image[p * stride + c] for c < channels. `stride` >= channels, in floats.
  void (*global_average)(const float* image, std::int64_t pixels, std::int64_t stride, std::int64_t channels,
                         float* output) noexcept;

  // output[i * channels + c] = input[i * channels + c] * scale[c] + shift[c], or `minimum` where that is less; NaN
  // stays. output may be input.
  void (*scale_shift)(const float* input, std::int64_t pixels, std::int64_t channels, const float* scale,
                      const float* shift, float minimum, float* output) noexcept;
  // output[i * channels + c] = input[i * channels + c] * gate[c] + residual[i * channels + c], or `minimum` where that
  // is less; NaN stays. No residual: nullptr. output may be input or residual.
  void (*gate_channels)(const float* input, std::int64_t pixels, std::int64_t channels, const float* gate,
                        const float* residual, float minimum, float* output) noexcept;
  // Adds to sums[c] and squares[c] those of input[i * channels + c] - pivot[c] over i < pixels. A pivot near the mean
  // keeps the variance, squares / n - (sums / n)^2, from being a small difference of large numbers.
  void (*channel_moments)(const float* input, std::int64_t pixels, std::int64_t channels, const float* pivot,
                          double* sums, double* squares) noexcept;
  // output[i] = 1 / (1 + exp(-input[i])), to 4 units in the last place where that is a normal
  // number; NaN stays. output may be input.
  void (*sigmoid)(const float* input, std::int64_t count, float* output) noexcept;
  // output may be input; NaN stays.
  void (*quantize)(const float* input, std::int64_t count, const QuantizationGrid& grid, float* output) noexcept;

  // Convolutions: matrix products of gathered pixels, of transformed tiles where the kernel is small, or of sums of
  // pairs of pixels where it is 1x1; channel by channel where groups are narrow.
  ProductKernels products;
  ConvolutionKernels convolution;
  GroupedKernels grouped;
  TileKernels tiles;
  StrassenKernels strassen;
  StemKernels stem;
  WinogradKernels winograd_6x6;                                            // stride 1
  WinogradKernels winograd_4x4, winograd_4x4_compact, winograd_4x4_terms;  // stride 1
  WinogradKernels winograd_2x2, winograd_2x2_compact;                      // stride 1
  WinogradKernels winograd_4x4_stride_2, winograd_4x4_stride_2_compact;
  WinogradKernels winograd_2x2_stride_2, winograd_2x2_stride_2_compact;

  // Fused multiply-adds on registers alone, to measure the peak rate. Returns a value that depends on all of them, so
  // that none can be left out, and writes how many floating-point operations it did.
  float (*multiply_add_burst)(std::int64_t iterations, double* operations) noexcept;
};

// The best table for `cpu`, not above `cap`. Pure: equal arguments give equal tables.
KernelTable make_kernel_table(const CpuFeatures& cpu, InstructionSet cap = InstructionSet::amx);

}  // namespace residua::kernels
