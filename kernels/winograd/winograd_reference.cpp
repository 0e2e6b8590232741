#include "kernels/winograd/winograd_reference.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace residua::kernels {
namespace {

// ---- Matrices, small and plain ----

using Matrix = std::vector<std::vector<double>>;

Matrix transposed(const Matrix& a) {
  Matrix result(a[0].size(), std::vector<double>(a.size()));
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < a[0].size(); ++j) result[j][i] = a[i][j];
  return result;
}

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix result(a.size(), std::vector<double>(b[0].size()));
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < b[0].size(); ++j)
      for (std::size_t k = 0; k < b.size(); ++k) result[i][j] += a[i][k] * b[k][j];
  return result;
}

// ---- The schemes: Y = A^T ((B^T d B) * (G g G^T)) A ----

struct Scheme {
  Matrix b_transposed, g, a_transposed;
};

// Points 0, +-1, infinity.
Scheme scheme_2x2() {
  return {.b_transposed = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1}},
          .g = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}},
          .a_transposed = {{1, 1, 1, 0}, {0, 1, -1, 1}}};
}

// Points 0, +-p, +-q, infinity with p = 1/sqrt(2), q = sqrt(2), p * q = 1.
Scheme scheme_4x4() {
  const double q = std::numbers::sqrt2, p = q / 2;
  return {.b_transposed = {{1, 0, -2.5, 0, 1, 0},
                           {0, -q, -2, p, 1, 0},
                           {0, q, -2, -p, 1, 0},
                           {0, -p, -0.5, q, 1, 0},
                           {0, p, -0.5, -q, 1, 0},
                           {0, 1, 0, -2.5, 0, 1}},
          .g = {{1, 0, 0},
                {-2.0 / 3, -2 * p / 3, -1.0 / 3},
                {-2.0 / 3, 2 * p / 3, -1.0 / 3},
                {1.0 / 6, q / 6, 1.0 / 3},
                {1.0 / 6, -q / 6, 1.0 / 3},
                {0, 0, 1}},
          .a_transposed = {
              {1, 1, 1, 1, 1, 0}, {0, p, -p, q, -q, 0}, {0, 0.5, 0.5, 2, 2, 0}, {0, p / 2, -p / 2, 2 * q, -2 * q, 1}}};
}

// Points 0, +-1, +-2, +-1/2, infinity.
Scheme scheme_6x6() {
  return {.b_transposed = {{1, 0, -5.25, 0, 5.25, 0, -1, 0},
                           {0, 1, 1, -4.25, -4.25, 1, 1, 0},
                           {0, -1, 1, 4.25, -4.25, -1, 1, 0},
                           {0, 0.5, 0.25, -2.5, -1.25, 2, 1, 0},
                           {0, -0.5, 0.25, 2.5, -1.25, -2, 1, 0},
                           {0, 2, 4, -2.5, -5, 0.5, 1, 0},
                           {0, -2, 4, 2.5, -5, -0.5, 1, 0},
                           {0, -1, 0, 5.25, 0, -5.25, 0, 1}},
          .g = {{1, 0, 0},
                {-2.0 / 9, -2.0 / 9, -2.0 / 9},
                {-2.0 / 9, 2.0 / 9, -2.0 / 9},
                {1.0 / 90, 1.0 / 45, 2.0 / 45},
                {1.0 / 90, -1.0 / 45, 2.0 / 45},
                {32.0 / 45, 16.0 / 45, 8.0 / 45},
                {32.0 / 45, -16.0 / 45, 8.0 / 45},
                {0, 0, 1}},
          .a_transposed = {{1, 1, 1, 1, 1, 1, 1, 0},
                           {0, 1, -1, 2, -2, 0.5, -0.5, 0},
                           {0, 1, 1, 4, 4, 0.25, 0.25, 0},
                           {0, 1, -1, 8, -8, 0.125, -0.125, 0},
                           {0, 1, 1, 16, 16, 0.0625, 0.0625, 0},
                           {0, 1, -1, 32, -32, 0.03125, -0.03125, 1}}};
}

// A scheme for the even inputs and two taps, and the odd inputs beside it:
//
//   input                 weights              output
//   B^T of d0, d2, ...    G of g0, g2          A^T  1
//   d1, d3, ...           g1 each                    1 ...
Scheme with_odd_inputs(const Scheme& even) {
  const std::size_t outputs = even.a_transposed.size(), points = even.g.size(), side = points + outputs;
  const auto matrix = [](std::size_t rows, std::size_t columns) { return Matrix(rows, std::vector<double>(columns)); };
  Scheme scheme{matrix(side, side), matrix(side, 3), matrix(outputs, side)};
  for (std::size_t i = 0; i < points; ++i) {
    for (std::size_t j = 0; j < points; ++j) scheme.b_transposed[i][2 * j] = even.b_transposed[i][j];
    scheme.g[i] = {even.g[i][0], 0, even.g[i][1]};
    for (std::size_t y = 0; y < outputs; ++y) scheme.a_transposed[y][i] = even.a_transposed[y][i];
  }
  for (std::size_t y = 0; y < outputs; ++y) {
    scheme.b_transposed[points + y][2 * y + 1] = 1;
    scheme.g[points + y] = {0, 1, 0};
    scheme.a_transposed[y][points + y] = 1;
  }
  return scheme;
}

// Even inputs at +-1, infinity.
Scheme scheme_2x2_stride_2() {
  return with_odd_inputs({.b_transposed = {{1, 1, 0}, {-1, 1, 0}, {-1, 0, 1}},
                          .g = {{0.5, 0.5}, {-0.5, 0.5}, {0, 1}},
                          .a_transposed = {{1, 1, 0}, {1, -1, 1}}});
}

// Even inputs at +-1/2, +-3/2, infinity.
Scheme scheme_4x4_stride_2() {
  return with_odd_inputs({.b_transposed = {{-1.125, -2.25, 0.5, 1, 0},
                                           {1.125, -2.25, -0.5, 1, 0},
                                           {-0.375, -0.25, 1.5, 1, 0},
                                           {0.375, -0.25, -1.5, 1, 0},
                                           {0.5625, 0, -2.5, 0, 1}},
                          .g = {{-0.5, -0.25}, {0.5, -0.25}, {1.0 / 6, 0.25}, {-1.0 / 6, 0.25}, {0, 1}},
                          .a_transposed = {{1, 1, 1, 1, 0},
                                           {0.5, -0.5, 1.5, -1.5, 0},
                                           {0.25, 0.25, 2.25, 2.25, 0},
                                           {0.125, -0.125, 3.375, -3.375, 1}}});
}

Scheme scheme_of(int tile, int stride) {
  if (stride == 1) return tile == 6 ? scheme_6x6() : tile == 4 ? scheme_4x4() : scheme_2x2();
  return tile == 4 ? scheme_4x4_stride_2() : scheme_2x2_stride_2();
}

// ---- Access ----

std::size_t output_index(const WinogradGeometry& g, std::int64_t image, std::int64_t y, std::int64_t x,
                         std::int64_t k) {
  return static_cast<std::size_t>(((image * g.output_height + y) * g.output_width + x) * g.output_channels + k);
}

std::size_t output_count(const ReferenceConvolution& convolution) {
  const WinogradGeometry& g = convolution.geometry;
  return static_cast<std::size_t>(g.images * g.output_height * g.output_width * g.output_channels);
}

// Input pixel (y, x) counted from the corner of the padded image; the padding is zeros.
double input_at(const ReferenceConvolution& convolution, std::int64_t image, std::int64_t y, std::int64_t x,
                std::int64_t c) {
  const WinogradGeometry& g = convolution.geometry;
  y -= g.padding_top;
  x -= g.padding_left;
  if (y < 0 || y >= g.height || x < 0 || x >= g.width) return 0;
  return convolution.input[((image * g.height + y) * g.width + x) * g.channels + c];
}

const float* weights_of(const ReferenceConvolution& convolution, std::int64_t k, std::int64_t c) {
  return convolution.weights + (k * convolution.geometry.channels + c) * convolution.taps * convolution.taps;
}

double finished(const ReferenceConvolution& convolution, double sum, std::size_t index, std::int64_t k) {
  sum += convolution.bias[k];
  if (convolution.residual != nullptr) sum += convolution.residual[index];
  return convolution.relu && sum < 0 ? 0 : sum;
}

// Calls visit(image, y, x) for the first output of every tile.
template <class Visit>
void for_each_tile(const ReferenceConvolution& convolution, int tile, const Visit& visit) {
  const WinogradGeometry& g = convolution.geometry;
  for (std::int64_t image = 0; image < g.images; ++image)
    for (std::int64_t y = 0; y < g.output_height; y += tile)
      for (std::int64_t x = 0; x < g.output_width; x += tile) visit(image, y, x);
}

}  // namespace

std::vector<double> convolve_directly(const ReferenceConvolution& convolution) {
  const WinogradGeometry& g = convolution.geometry;
  std::vector<double> output(output_count(convolution));
  const std::int64_t taps = convolution.taps;
  std::vector<double> window(
      static_cast<std::size_t>(g.channels * taps * taps));  // as the weights of one output channel
  for_each_tile(convolution, 1, [&](std::int64_t image, std::int64_t y, std::int64_t x) {
    for (std::int64_t c = 0; c < g.channels; ++c)
      for (std::int64_t i = 0; i < taps; ++i)
        for (std::int64_t j = 0; j < taps; ++j)
          window[static_cast<std::size_t>((c * taps + i) * taps + j)] =
              input_at(convolution, image, y * convolution.stride + i, x * convolution.stride + j, c);
    for (std::int64_t k = 0; k < g.output_channels; ++k) {
      const float* weights = weights_of(convolution, k, 0);
      double sum = 0;
      for (std::size_t n = 0; n < window.size(); ++n) sum += window[n] * weights[n];
      const std::size_t index = output_index(g, image, y, x, k);
      output[index] = finished(convolution, sum, index, k);
    }
  });
  return output;
}

std::vector<double> convolve_by_winograd(const ReferenceConvolution& convolution, int tile) {
  const Scheme scheme = scheme_of(tile, convolution.stride);
  const std::size_t side = scheme.b_transposed.size(), taps = static_cast<std::size_t>(convolution.taps);
  const Matrix b = transposed(scheme.b_transposed), g_transposed = transposed(scheme.g),
               a = transposed(scheme.a_transposed);
  const WinogradGeometry& g = convolution.geometry;
  std::vector<double> output(output_count(convolution));
  for_each_tile(convolution, tile, [&](std::int64_t image, std::int64_t y0, std::int64_t x0) {
    for (std::int64_t k = 0; k < g.output_channels; ++k) {
      Matrix sums(side, std::vector<double>(side));
      for (std::int64_t c = 0; c < g.channels; ++c) {
        Matrix pixels(side, std::vector<double>(side)), weights(taps, std::vector<double>(taps));
        for (std::size_t i = 0; i < side; ++i)
          for (std::size_t j = 0; j < side; ++j)
            pixels[i][j] = input_at(convolution, image, y0 * convolution.stride + static_cast<std::int64_t>(i),
                                    x0 * convolution.stride + static_cast<std::int64_t>(j), c);
        for (std::size_t i = 0; i < taps * taps; ++i) weights[i / taps][i % taps] = weights_of(convolution, k, c)[i];
        const Matrix v = product(product(scheme.b_transposed, pixels), b);
        const Matrix u = product(product(scheme.g, weights), g_transposed);
        for (std::size_t i = 0; i < side; ++i)
          for (std::size_t j = 0; j < side; ++j) sums[i][j] += v[i][j] * u[i][j];
      }
      const Matrix outputs = product(product(scheme.a_transposed, sums), a);
      for (std::int64_t y = y0; y < std::min(y0 + tile, g.output_height); ++y)
        for (std::int64_t x = x0; x < std::min(x0 + tile, g.output_width); ++x) {
          const std::size_t index = output_index(g, image, y, x, k);
          const double sum = outputs[static_cast<std::size_t>(y - y0)][static_cast<std::size_t>(x - x0)];
          output[index] = finished(convolution, sum, index, k);
        }
    }
  });
  return output;
}

std::vector<double> winograd_error_scales(const ReferenceConvolution& convolution, int tile) {
  const WinogradGeometry& g = convolution.geometry;
  const auto squared_taps = static_cast<std::size_t>(convolution.taps) * static_cast<std::size_t>(convolution.taps);
  std::vector<double> weight_sums(static_cast<std::size_t>(g.output_channels * g.channels));
  for (std::size_t n = 0; n < weight_sums.size(); ++n)
    for (std::size_t i = 0; i < squared_taps; ++i)
      weight_sums[n] += std::abs(double{convolution.weights[n * squared_taps + i]});
  std::vector<double> scales(output_count(convolution));
  std::vector<double> largest(static_cast<std::size_t>(g.channels));
  const std::int64_t stride = convolution.stride, span = (tile - 1) * stride + convolution.taps;
  for_each_tile(convolution, tile, [&](std::int64_t image, std::int64_t y0, std::int64_t x0) {
    for (std::int64_t c = 0; c < g.channels; ++c) {
      double& most = largest[static_cast<std::size_t>(c)];
      most = 0;
      for (std::int64_t i = 0; i < span; ++i)
        for (std::int64_t j = 0; j < span; ++j)
          most = std::max(most, std::abs(input_at(convolution, image, y0 * stride + i, x0 * stride + j, c)));
    }
    for (std::int64_t k = 0; k < g.output_channels; ++k) {
      double sum = std::abs(double{convolution.bias[k]});
      for (std::size_t c = 0; c < largest.size(); ++c)
        sum += largest[c] * weight_sums[static_cast<std::size_t>(k) * largest.size() + c];
      for (std::int64_t y = y0; y < std::min(y0 + tile, g.output_height); ++y)
        for (std::int64_t x = x0; x < std::min(x0 + tile, g.output_width); ++x) {
          const std::size_t index = output_index(g, image, y, x, k);
          scales[index] = sum + (convolution.residual != nullptr ? std::abs(double{convolution.residual[index]}) : 0);
        }
    }
  });
  return scales;
}

}  // namespace residua::kernels
