#include "engine/steps/tile_step.h"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "engine/caches.h"
#include "engine/layout.h"
#include "engine/steps/convolution_geometry.h"
#include "engine/steps/onednn_convolution_step.h"

namespace residua::engine {

using kernels::TileSizes;

namespace {

// Some blocks for threads to share, of some columns each: a thread splits the first weights of a block, of a column or
// of a tile, before it multiplies, and the others while it does. Of such widths the one that fills up least.
ChannelBlocks channel_blocks(const StepRequest& request) {
  constexpr std::int64_t unit = 2 * TileSizes::column, blocks = 4, widest = 4 * unit;
  const graph::Shape& weight = request.input(1).shape;
  const auto whole = [](std::int64_t channels, std::int64_t width) { return (channels + width - 1) / width * width; };
  std::int64_t width = std::clamp(whole((weight[0] + blocks - 1) / blocks, unit), unit, widest);
  for (std::int64_t narrower = width - unit; narrower > 0; narrower -= unit)
    if (whole(weight[0], narrower) < whole(weight[0], width)) width = narrower;
  return {.inputs = weight[1],
          .outputs = weight[0],
          .groups = 1,
          .vectors = width / request.kernels.products.lanes,
          .width = width,
          .block_inputs = weight[1]};
}

}  // namespace

std::string reject_on_tiles(const StepRequest& request) {
  if (request.kernels.tiles.convolve == nullptr) return "there are no tile registers here, or they are not to be used";
  if (std::string reason = reject_without_constant_weights(request); !reason.empty()) return reason;
  if (graph::attributes_of<graph::ConvolutionAttributes>(request.node).groups != 1) return "the channels are in groups";
  const graph::Shape& weight = request.input(1).shape;
  if (weight[1] == 0 || weight[1] % TileSizes::chunk != 0)
    return std::to_string(weight[1]) + " channels are no multiple of a tile's " + std::to_string(TileSizes::chunk);
  if (weight[0] < 2 * TileSizes::column)
    return std::to_string(weight[0]) + " output channels are fewer than two columns of tiles";
  return "";
}

std::string against_few_pixels(const StepRequest& request) {
  constexpr std::int64_t fewest_pixels = 16;
  const graph::Shape& y = request.output().shape;
  const std::int64_t pixels = request.run_batch * y[2] * y[3];
  if (pixels >= fewest_pixels || request.saves_memory) return "";  // one form of the weights is less than two
  return "for " + std::to_string(pixels) + " pixels splitting weights takes longer than multiplying by them";
}

TileVerdict tiles_or_vectors(const StepRequest& request) {
  if (!reject_on_tiles(request).empty() || !against_few_pixels(request).empty()) return {};
  const graph::Shape& weight = request.input(1).shape;
  const graph::Shape& y = request.output().shape;
  // Winograd's algorithm on vectors reads no more weights where they are terms, and of many tiles seldom enough where
  // they are more; of few channels its panels and sums stay in the cache. Then it takes about a quarter longer at most
  // than tile registers that a core has to itself, and down to two thirds of the time where two threads share them:
  // docs/decisions/tile-registers.md, where they are shared. With a stride it saves less.
  struct Bound {
    std::int64_t channels;                  // the geometric mean of both sides', or more
    std::int64_t fewest_tiles, most_tiles;  // of 4x4
  };
  constexpr std::int64_t any = std::numeric_limits<std::int64_t>::max();
  static constexpr Bound plain[] = {{1024, 5, any}}, with_stride[] = {{90, 0, any}};  // 64 channels to 128 on
  // Under a memory limit weights are no terms.
  static constexpr Bound without_terms[] = {{256, 0, 4}, {512, 0, 31}, {1024, 0, any}};
  const bool strided = graph::attributes_of<graph::ConvolutionAttributes>(request.node).strides[0] > 1;
  const std::int64_t tiles = request.run_batch * ((y[2] + 3) / 4) * ((y[3] + 3) / 4);
  std::span<const Bound> bounds = plain;
  if (strided)
    bounds = with_stride;
  else if (request.saves_memory)
    bounds = without_terms;
  const bool on_tiles = std::ranges::any_of(bounds, [&](Bound bound) {
    return weight[0] * weight[1] >= bound.channels * bound.channels && tiles >= bound.fewest_tiles &&
           tiles <= bound.most_tiles;
  });
  const std::string reason = "for " + std::to_string(weight[1]) + " by " + std::to_string(weight[0]) +
                             " channels and " + std::to_string(tiles) + " tiles of 4x4 ";
  if (on_tiles) return {.against_vectors = reason + "tile registers are faster", .against_tiles = ""};
  return {.against_vectors = "", .against_tiles = reason + "vectors lose less where threads share a core"};
}

TileLayer make_tile_layer(const StepRequest& request) {
  const kernels::ConvolutionGeometry g = convolution_geometry(request);
  return {
      .tiles = request.kernels.tiles,
      .geometry = g,
      .channels = channel_blocks(request),
      .relu = graph::attributes_of<graph::ConvolutionAttributes>(request.node).activation == graph::Activation::relu,
      .steps = g.kernel_height * g.kernel_width * g.channels / TileSizes::chunk,
      .threads = request.threads,
      .arrange = {}};
}

int most_rows(const BlockedConvolution& convolution, const TileLayer& layer, std::int64_t rows) {
  // Threads that share channels; they share rows where weights stay in the cache.
  const bool no_shares = layer.threads == 1;
  const bool shares_channels = layer.threads <= layer.channels.count() && !weights_stay_in_cache(convolution);
  const bool one_block = rows <= TileSizes::most_rows_alone && (no_shares || shares_channels);
  return one_block ? TileSizes::most_rows_alone : TileSizes::most_rows;
}

BlockedConvolution blocked_tiles(const TileLayer& layer) {
  const ChannelBlocks& channels = layer.channels;
  const std::int64_t depth = layer.steps * TileSizes::chunk, width = channels.width;
  const std::int64_t taps = layer.geometry.kernel_height * layer.geometry.kernel_width;
  // Beside products of tiles, splitting a weight takes as long as so many of a vector unit's multiply-adds, and one of
  // the tiles' own 2/5 of one: docs/decisions/tile-registers.md.
  constexpr std::int64_t splitting = 10;
  BlockedConvolution convolution;
  const auto scratch = [&](std::int64_t rows) { return TileSizes::scratch_floats(rows, layer.positions); };
  convolution.row_sums = (scratch(1) - scratch(0)) * layer.positions;
  convolution.worker_floats = scratch(0);
  convolution.panel_bytes = caches().level2 * 3 / 4;
  convolution.takes_all_columns = true;
  convolution.cheap_copies = true;
  convolution.row_products = depth * width * 2 / 5;
  convolution.weight_products = splitting;
  convolution.block_weights = depth * width;
  convolution.channels = channels;
  convolution.pack = [=](std::span<const float> weights, std::int64_t block, float* packed) {
    const std::vector<float> values = weights_of_block(channels, weights, taps, block);
    std::vector<float> by_step(static_cast<std::size_t>(depth * width));
    layer.arrange(values.data(), by_step.data());
    layer.tiles.pack_weights(by_step.data(), layer.positions, layer.steps / layer.positions,
                             static_cast<int>(width / TileSizes::column), packed);
  };
  return convolution;
}

void multiply_tiles(const TileLayer& layer, const kernels::TileFactors& factors, const kernels::TileBlocks& blocks,
                    float* output, const float* residual, const ColumnBlock& column, float* scratch) {
  const std::int64_t outputs = layer.channels.outputs, width = layer.channels.width, channel = column.index * width;
  const auto convolve = layer.positions > 1 ? layer.tiles.convolve_lines : layer.tiles.convolve;
  layer.tiles.configure(factors.rows_per_block);
  convolve(factors, blocks, {.weights = column.weights, .steps = layer.steps / layer.positions},
           layer.geometry.output_height * layer.geometry.output_width,
           {.output = output + channel,
            .residual = residual ? residual + channel : nullptr,
            .bias = column.bias,
            .stride = outputs,
            .channels = std::min(column.count * width, outputs - channel),
            .relu = layer.relu},
           scratch);
  layer.tiles.release();
}

void read_copies(BlockedConvolution& convolution, const TileLayer& layer, std::int64_t images,
                 const std::function<std::int64_t(std::int64_t images)>& copy_size,
                 std::function<kernels::TileFactors(const kernels::Bfloat16* copies, int rows_per_block)> factors_in) {
  const kernels::TileFactors of_any = factors_in(nullptr, 1);
  const bool pairs = kernels::go_in_pairs(of_any, images);
  const std::int64_t rows = of_any.rows;
  const std::int64_t most = images == 1 ? most_rows(convolution, layer, rows) : TileSizes::most_rows;
  const std::int64_t blocks = (rows + most - 1) / most;
  const auto rows_per_block = static_cast<int>(pairs ? 2 * rows : (rows + blocks - 1) / blocks);
  convolution.rows = (pairs ? (images + 1) / 2 : images * blocks) * rows_per_block;
  convolution.most_rows = rows_per_block;
  convolution.prepared_floats = (copy_size(kernels::images_with_room(of_any, images)) + 1) / 2;
  convolution.finish = [=, factors_in = std::move(factors_in)](const ConvolutionTensors& tensors,
                                                               std::span<const RowBlock> list,
                                                               const ColumnBlock& column, float* scratch) {
    kernels::TileFactors factors = factors_in(split_values(tensors.input), rows_per_block);
    if (pairs) factors = kernels::in_pairs(factors, images);
    multiply_tiles(layer, factors, {list.front().first / rows_per_block, static_cast<std::int64_t>(list.size())},
                   tensors.output, tensors.residual, column, scratch);
  };
}

}  // namespace residua::engine
