// Direct convolution as matrix products: output pixels are gathered into panels, kernels/products does the rest.
#pragma once

#include <cstdint>

namespace residua::kernels {

// NHWC images. All counts in pixels; channels in floats.
struct ConvolutionGeometry {
  std::int64_t height, width, channels;  // of the input
  std::int64_t output_height, output_width;
  std::int64_t kernel_height, kernel_width;
  std::int64_t stride_height, stride_width;
  std::int64_t padding_top, padding_left;
  std::int64_t dilation_height, dilation_width;
};

struct ConvolutionKernels {
  // Gathers what output pixels [first_pixel, first_pixel + rows), counted row by row, image after image, read of input
  // channels [first_channel, first_channel + channels) into one panel for the products. Depth runs over the kernel's
  // taps and, within a tap, over the channels: d = (ky * kernel_width + kx) * channels + c. What lies outside the
  // image, and the last chunk behind the depth, are zeros.
  //
  //   panel[((d / lanes) * rows + r) * lanes + d % lanes]
  void (*gather_pixels)(const float* images, const ConvolutionGeometry& geometry, std::int64_t first_pixel, int rows,
                        std::int64_t first_channel, std::int64_t channels, float* panel) noexcept;
  // Packs the weights of output channels [first, first + width) as far as they exist: packed[d * width + k]; zeros for
  // channels beyond output_channels and for d up to `depth`. `weights`: [output_channels][channels][taps].
  void (*pack_weights)(const float* weights, std::int64_t channels, std::int64_t taps, std::int64_t output_channels,
                       std::int64_t first, std::int64_t width, std::int64_t depth, float* packed) noexcept;
};

}  // namespace residua::kernels
