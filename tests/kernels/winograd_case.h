// A random convolution, and Winograd kernels run on it with every buffer guarded.
#pragma once

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "kernels/table.h"
#include "kernels/winograd/winograd_layer.h"
#include "kernels/winograd/winograd_reference.h"
#include "tests/kernels/fills.h"

constexpr int winograd_strides[] = {1, 2};

// The convolution, whichever kernels compute it.
struct WinogradCase {
  std::int64_t images, height, width, channels, output_channels;
  static constexpr int taps = residua::kernels::WinogradScheme::taps;
  int stride;
  residua::kernels::Padding padding;
  bool relu, in_place;
  Fill fill, weight_fill;
  std::vector<float> input, weights, bias, residual;  // an empty residual: none

  residua::kernels::WinogradGeometry geometry() const {
    return residua::kernels::make_winograd_geometry(images, height, width, channels, output_channels, padding, stride);
  }
  residua::kernels::ReferenceConvolution reference() const;
  std::string text() const;
};

// Of at most about `work` multiply-adds.
WinogradCase random_winograd_case(std::mt19937& random, std::int64_t work);
// Fills all tensors of a case whose sizes are set.
void fill_tensors(WinogradCase& c, bool with_residual, std::mt19937& random);

struct WinogradKernelSet {
  std::string name;  // "avx2 4x4"
  residua::kernels::ProductKernels products;
  residua::kernels::WinogradKernels winograd;
};
// All tile sizes for a stride, of every tier of this CPU.
std::vector<WinogradKernelSet> winograd_kernel_sets(int stride);

residua::kernels::WinogradBlocking random_blocking(const WinogradKernelSet& kernels, std::mt19937& random);
std::string text_of(const residua::kernels::WinogradBlocking& blocking);

// The outputs; nothing if a float was written outside of a buffer or between the positions of one.
std::optional<std::vector<float>> run_guarded(const WinogradCase& c, const WinogradKernelSet& kernels,
                                              const residua::kernels::WinogradBlocking& blocking, std::mt19937& random);
