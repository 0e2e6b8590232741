// What convolutions on tile registers (kernels/tiles/tiles.h) have in common.
#pragma once

#include <functional>
#include <string>

#include "engine/steps/blocked_convolution.h"

namespace residua::engine {

// Why a convolution cannot run on tile registers, "" where it can.
std::string reject_on_tiles(const StepRequest& request);

// Why it should not though it can, for its few pixels; "" where it has enough.
std::string against_few_pixels(const StepRequest& request);

// Whether Winograd's algorithm runs a 3x3 convolution on vectors or tile registers do: what speaks against the one, or
// against the other, "" against what is left. Nothing where there are no tile registers, or too few pixels for them.
struct TileVerdict {
  std::string against_vectors, against_tiles;
};
TileVerdict tiles_or_vectors(const StepRequest& request);

struct TileLayer {
  kernels::TileKernels tiles;
  kernels::ConvolutionGeometry geometry;
  ChannelBlocks channels;
  bool relu;
  std::int64_t steps;  // of the depth, of all positions together
  int positions = 1;
  int threads = 1;
  // Weights of a block of output channels as the kernels pack them, [steps][TileSizes::chunk][width], from
  // [width][channels][taps].
  std::function<void(const float* weights, float* by_step)> arrange;
};
TileLayer make_tile_layer(const StepRequest& request);

// All but names, rows, gathering or preparing, and `finish`.
BlockedConvolution blocked_tiles(const TileLayer& layer);

// Rows of a block, where there are so many in all: few make one block, as long as each thread finds channels of its
// own.
int most_rows(const BlockedConvolution& convolution, const TileLayer& layer, std::int64_t rows);

// Multiplies and writes outputs. The thread's tile registers are its own meanwhile, and given back.
void multiply_tiles(const TileLayer& layer, const kernels::TileFactors& factors, const kernels::TileBlocks& blocks,
                    float* output, const float* residual, const ColumnBlock& column, float* scratch);

// Floats in which so many values lie, split.
constexpr std::int64_t split_floats(std::int64_t values) { return values * kernels::TileSizes::parts / 2; }
inline kernels::Bfloat16* split_values(float* memory) { return reinterpret_cast<kernels::Bfloat16*>(memory); }
inline const kernels::Bfloat16* split_values(const float* memory) {
  return reinterpret_cast<const kernels::Bfloat16*>(memory);
}

// What a copy of an image in planes or lines may take of scratch memory, in values of two bytes: 32 MB. A larger one
// does not stay in any cache, and a photo of a camera's size would need half a gigabyte.
constexpr std::int64_t largest_copy = std::int64_t{16} << 20;

// Lets a convolution read its factors where `prepare` has copied them, without panels. Blocks of rows lie in one image
// each, cut evenly, or are two images. `copy_size`: what the copies of so many images take, in values; `factors_in`:
// where factors lie in that memory, for blocks of so many rows.
void read_copies(BlockedConvolution& convolution, const TileLayer& layer, std::int64_t images,
                 const std::function<std::int64_t(std::int64_t images)>& copy_size,
                 std::function<kernels::TileFactors(const kernels::Bfloat16* copies, int rows_per_block)> factors_in);

}  // namespace residua::engine
