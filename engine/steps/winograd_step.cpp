#include "engine/steps/winograd_step.h"

#include <algorithm>
#include <utility>

#include "engine/arena.h"
#include "engine/caches.h"
#include "engine/steps/convolution_cost.h"

namespace residua::engine {

using kernels::WinogradGeometry;
using kernels::WinogradKernels;
using kernels::WinogradScheme;
using kernels::WinogradTiling;
using kernels::WinogradWeights;

namespace {

std::string name_of(const WinogradScheme& scheme) {
  const std::string tile = std::to_string(scheme.tile);
  return "winograd " + tile + "x" + tile + (scheme.stride == 1 ? "" : " stride " + std::to_string(scheme.stride)) +
         (scheme.kept == WinogradWeights::compact ? " compact"
          : scheme.kept == WinogradWeights::terms ? " terms"
                                                  : "");
}

// Of a panel.
std::int64_t depth_of(const StepRequest& request, const ChannelBlocks& channels) {
  const std::int64_t lanes = request.kernels.products.lanes;
  return (channels.block_inputs + lanes - 1) / lanes * lanes;
}

// Where a block's panels and, for a column, its sums lie: of position 0, and from position to position, in floats.
struct Place {
  float* panels;
  std::int64_t panel_stride;
  float* sums;
  std::int64_t sum_stride;
};

// How panels and sums lie in memory. Where sums take the place of panels, those of a position lie where the panels of
// the position `behind` before it have been multiplied:
//
//   | sums 0 | sums 1 | sums 2 | ...
//            |panels 0|panels 1|panels 2| ...    behind = 1
struct Layout {
  std::int64_t positions, depth, width;  // of a row's panel at a position, of its sums for a column
  std::int64_t columns;                  // of the convolution
  std::int64_t behind;

  std::int64_t slot() const { return std::max(depth, columns * width); }  // of a row and a position
  std::int64_t row_in_place() const { return (positions + behind) * slot(); }
  Place place_in_panels(const RowBlock& block, std::int64_t column) const {
    const std::int64_t stride = block.count * slot();
    return {block.panels + behind * stride, stride, block.panels + column * block.count * width, stride};
  }
  kernels::WinogradPanels panels_of(const RowBlock& block, std::int64_t first_chunk) const {
    if (!block.takes_place) return {block.panels, block.count * depth, first_chunk};
    const Place place = place_in_panels(block, 0);
    return {place.panels, place.panel_stride, first_chunk};
  }
};

// What is multiplied: blocks of rows by some blocks of output channels, one after another.
struct Operands {
  std::span<const RowBlock> blocks;
  const ColumnBlock& columns;
  std::int64_t chunks;
  int vectors;
  std::int64_t column_weights;  // from column to column, in floats
  const Layout& layout;
  float* sums;

  std::int64_t block_count() const { return static_cast<std::int64_t>(blocks.size()); }
  Place place_of(const RowBlock& block, std::int64_t column) const {
    if (block.takes_place) return layout.place_in_panels(block, column);
    const std::int64_t rows = blocks.back().first + blocks.back().count - blocks.front().first;
    return {block.panels, block.count * layout.depth,
            sums + (column * rows + block.first - blocks.front().first) * layout.positions * layout.width,
            block.count * layout.width};
  }
};

// The products of one position, of all blocks, with one column's weights of it. Where slices pay, each serves all
// blocks from the level 1 cache. Products tell the cache of `upcoming`, what is multiplied after these, on the way.
void multiply_position(const kernels::ProductKernels& products, const WinogradTiling& tiling, int position,
                       const Operands& operands, std::int64_t column, const float* weights, bool asks_ahead,
                       const float* upcoming) {
  const std::int64_t lanes = products.lanes, width = operands.vectors * lanes, chunks = operands.chunks;
  const std::int64_t slice = products.slice_chunks > 0 ? std::min<std::int64_t>(products.slice_chunks, chunks) : chunks;
  for (std::int64_t chunk = 0; chunk < chunks; chunk += slice) {
    const std::int64_t count = std::min(slice, chunks - chunk), floats = count * lanes * width;
    const float* const next = chunk + count < chunks ? weights + floats : upcoming;
    UpcomingLines lines(asks_ahead ? next : nullptr, floats, count * lanes, operands.block_count());
    for (const RowBlock& block : operands.blocks) {
      const auto [first, rows] = rows_needing(tiling, position, block.first, block.count);
      const kernels::UpcomingWeights share = lines.next();
      if (rows == 0) continue;
      const Place place = operands.place_of(block, column);
      products.multiply(
          {place.panels + position * place.panel_stride + chunk * rows * lanes, weights, count, chunk > 0, share}, rows,
          operands.vectors, place.sums + position * place.sum_stride + first * width);
    }
    weights += floats;
  }
}

// The products of all positions with whole weights. Position by position, so that its panels, of all blocks, are still
// in the level 2 cache for the next column. With `asks_ahead` each position's products ask for the weights of the next.
void multiply_whole(const kernels::ProductKernels& products, const WinogradTiling& tiling, const Operands& operands,
                    bool asks_ahead) {
  const int last = tiling.scheme.weight_positions() - 1;
  const std::int64_t position_weights = operands.chunks * products.lanes * operands.vectors * products.lanes;
  for (int position = 0; position < tiling.scheme.positions; ++position) {
    const int at = tiling.scheme.at[position].weights;
    for (std::int64_t column = 0; column < operands.columns.count; ++column) {
      const float* const weights = operands.columns.weights + at * position_weights;
      const float* upcoming = nullptr;
      if (column + 1 < operands.columns.count)
        upcoming = weights + (column + 1) * operands.column_weights;
      else if (at != last)
        upcoming = weights + position_weights;
      multiply_position(products, tiling, position, operands, column, weights + column * operands.column_weights,
                        asks_ahead, upcoming);
    }
  }
}

// A column's products at positions [first, last), a row of them, with compact weights. All positions read the row's
// terms, the first time from memory and then, a slice of the depth at a time, from the level 1 cache. So that memory
// never rests, the first products ask for what comes next, in the end for `upcoming`.
void multiply_compact_row(const kernels::ProductKernels& products, const WinogradTiling& tiling, int first, int last,
                          const Operands& operands, std::int64_t column, const float* weights, const float* upcoming) {
  const WinogradScheme& scheme = tiling.scheme;
  const std::int64_t width = operands.vectors * products.lanes, step = kernels::ProductTerms::terms * width;
  const std::int64_t chunks = operands.chunks;
  const auto level1 = static_cast<std::int64_t>(caches().level1 / sizeof(float));
  const std::int64_t most_chunks = std::max<std::int64_t>(level1 * 3 / 4 / (step * products.lanes), 1);
  for (std::int64_t chunk = 0; chunk < chunks; chunk += most_chunks) {
    const std::int64_t count = std::min(most_chunks, chunks - chunk), floats = count * products.lanes * step;
    UpcomingLines lines(chunk + count < chunks ? weights + floats : upcoming, floats,
                        count * products.lanes / products.depths_a_request, (last - first) * operands.block_count());
    for (int position = first; position < last; ++position) {
      const kernels::ProductTerms& terms = scheme.terms[scheme.at[position].weights % scheme.weight_side];
      for (const RowBlock& block : operands.blocks) {
        const auto [row, rows] = rows_needing(tiling, position, block.first, block.count);
        if (rows == 0) continue;
        const Place place = operands.place_of(block, column);
        products.multiply_terms({place.panels + position * place.panel_stride + chunk * rows * products.lanes, weights,
                                 count, chunk > 0, lines.next()},
                                terms, rows, operands.vectors, place.sums + position * place.sum_stride + row * width);
      }
    }
    weights += floats;
  }
}

// Positions whose weights are made of the same terms: a row of them, or with stride 2 several.
int row_of(const WinogradScheme& scheme, int position) { return scheme.at[position].weights / scheme.weight_side; }
int end_of_row(const WinogradScheme& scheme, int first) {
  int last = first;
  while (last < scheme.positions && row_of(scheme, last) == row_of(scheme, first)) ++last;
  return last;
}
std::int64_t longest_row(const WinogradScheme& scheme) {
  int longest = 0;
  for (int first = 0; first < scheme.positions; first = end_of_row(scheme, first))
    longest = std::max(longest, end_of_row(scheme, first) - first);
  return longest;
}

// The products of all positions with compact weights, a row of positions after the other.
void multiply_compact(const kernels::ProductKernels& products, const WinogradTiling& tiling, const Operands& operands) {
  const WinogradScheme& scheme = tiling.scheme;
  const std::int64_t row_weights =
      kernels::ProductTerms::terms * operands.chunks * products.lanes * operands.vectors * products.lanes;
  for (int first = 0, last = 0; first < scheme.positions; first = last) {
    last = end_of_row(scheme, first);
    const float* const row = operands.columns.weights + row_of(scheme, first) * row_weights;
    for (std::int64_t column = 0; column < operands.columns.count; ++column) {
      const float* upcoming = nullptr;
      if (column + 1 < operands.columns.count)
        upcoming = row + (column + 1) * operands.column_weights;
      else if (last < scheme.positions)
        upcoming = row + row_weights;
      multiply_compact_row(products, tiling, first, last, operands, column, row + column * operands.column_weights,
                           upcoming);
    }
  }
}

// A block's products at the positions of one row.
kernels::WinogradRowOfPositions row_of_positions(const WinogradTiling& tiling, int row, const RowBlock& block,
                                                 std::int64_t depth, std::int64_t width, float* sums) {
  kernels::WinogradRowOfPositions operands{row,  {}, block.panels, block.count * depth, sums, block.count * width,
                                           width};
  for (int position = 0; position < tiling.scheme.positions; ++position)
    if (const auto& at = tiling.scheme.at[position]; at.row == row)
      operands.rows[at.column] = rows_needing(tiling, position, block.first, block.count);
  return operands;
}

// The products of all positions with weights as terms, vector by vector of output channels and, for weights to be read
// from the level 1 cache, a slice of the depth at a time. What else belongs there is the sums: those of all positions,
// or where there are too many of two rows of them, whose weights are made of the same terms; then each slice comes
// three times from the level 2 cache. So that memory never rests, the first products ask for some lines of what comes
// next at every depth.
void multiply_by_rows(const kernels::ProductKernels& products, const WinogradKernels& winograd,
                      const WinogradTiling& tiling, std::span<const RowBlock> blocks, const ColumnBlock& column,
                      std::int64_t chunks, int vectors, float* sums) {
  const WinogradScheme& scheme = tiling.scheme;
  const std::int64_t lanes = products.lanes, width = vectors * lanes, depth = chunks * lanes;
  const std::int64_t chunk_terms = scheme.kept_weights() * lanes * lanes;
  const auto level1 = static_cast<std::int64_t>(caches().level1 / sizeof(float));
  const std::int64_t most_chunks = std::max<std::int64_t>(level1 * 3 / 4 / chunk_terms, 1);
  std::int64_t rows = 0;
  for (const RowBlock& block : blocks) rows += block.count;
  const bool all_at_once = scheme.positions * rows * lanes <= level1 / 4;
  // Of the column's terms, and behind them of the next column's.
  const float* const end = column.weights + vectors * chunks * chunk_terms;
  for (int v = 0; v < vectors; ++v) {
    const float* const terms = column.weights + v * chunks * chunk_terms;
    for (int pair = 0; pair < scheme.pair_count; pair = all_at_once ? scheme.pair_count : pair + 1)
      for (std::int64_t chunk = 0; chunk < chunks; chunk += most_chunks) {
        const kernels::WinogradSlice slice{terms + chunk * chunk_terms, chunk, std::min(most_chunks, chunks - chunk)};
        const std::int64_t floats = slice.chunks * chunk_terms;
        kernels::WinogradUpcoming upcoming{};
        if (pair == 0) {  // what comes next has not been asked for yet
          if (const float* const next = slice.terms + floats; next != end)
            upcoming = {next, next + floats};
          else if (column.upcoming != nullptr)
            upcoming = {column.upcoming, column.upcoming + floats};
        }
        const auto multiply_row = [&](int row) {
          float* block_sums = sums + v * lanes;
          for (const RowBlock& block : blocks) {
            winograd.multiply_row(row_of_positions(tiling, row, block, depth, width, block_sums), slice, upcoming);
            block_sums += scheme.positions * block.count * width;
          }
        };
        for (int i = pair; i < (all_at_once ? scheme.pair_count : pair + 1); ++i) {
          const auto [first, second] = scheme.pairs[i];
          multiply_row(first);
          if (first != second) multiply_row(second);
        }
      }
  }
}

}  // namespace

BlockedConvolution blocked_winograd(const StepRequest& request, const WinogradKernels& winograd,
                                    const WinogradGeometry& g, const ChannelBlocks& channels) {
  const kernels::ProductKernels products = request.kernels.products;
  const WinogradScheme& scheme = winograd.scheme;
  const WinogradTiling tiling = make_winograd_tiling(scheme, g);
  const std::int64_t depth = depth_of(request, channels), chunks = depth / products.lanes, width = channels.width;
  const int vectors = static_cast<int>(channels.vectors);
  // Elsewhere it costs more than it brings: docs/decisions/convolutions.md, on upcoming weights.
  const bool asks_ahead = products.slice_chunks > 0 || request.kernels.loads_bind_products;
  const bool relu =
      graph::attributes_of<graph::ConvolutionAttributes>(request.node).activation == graph::Activation::relu;

  BlockedConvolution convolution;
  convolution.implementation = name_of(scheme) + " " + std::string(name_of(request.kernels.vector_set()));
  convolution.layout = name_of(scheme);
  convolution.rows = tiling.tiles();
  if (scheme.kept == WinogradWeights::terms) {
    convolution.most_rows = kernels::WinogradBlock::most_rows;  // the kernels share them out to the registers
    convolution.cheap_copies = true;
  }
  convolution.row_floats = scheme.positions * depth;
  convolution.row_sums = scheme.positions * width;
  convolution.row_products = scheme.positions * depth * width;
  convolution.block_weights = scheme.kept_weights() * depth * width;
  convolution.channels = channels;
  const bool compact = scheme.kept == WinogradWeights::compact;
  const Layout layout{scheme.positions, depth, width, channels.count(), compact ? longest_row(scheme) : 1};
  // Weights that the shared cache keeps can be read for each group of rows.
  const auto weight_bytes = static_cast<std::size_t>(channels.count() * convolution.block_weights) * sizeof(float);
  convolution.keeps_sums = scheme.kept != WinogradWeights::terms && request.kernels.loads_bind_products &&
                           weight_bytes > 2 * caches().level2;
  convolution.row_floats_in_place = layout.row_in_place();
  convolution.pack = [=](std::span<const float> weights, std::int64_t block, float* packed) {
    const std::vector<float> values =
        weights_of_block(channels, weights, WinogradScheme::taps * WinogradScheme::taps, block);
    winograd.transform_weights(values.data(), channels.block_inputs, width, 0, width, depth, packed);
  };
  constexpr std::int64_t piece = cache_line / sizeof(float);  // channels: whole vectors of any tier
  convolution.panel_pieces = (channels.block_inputs + piece - 1) / piece;
  convolution.gather = [=](const ConvolutionTensors& tensors, const RowBlock& block, std::int64_t channel_block,
                           const PanelPieces& pieces) {
    const std::int64_t first = pieces.first * piece, end = std::min(pieces.end * piece, channels.block_inputs);
    winograd.transform_input(tensors.input, g, block_of_tiles(tiling, block.first, block.count),
                             channels.first_input(channel_block) + first, end - first,
                             layout.panels_of(block, first / products.lanes));
  };
  convolution.finish = [=](const ConvolutionTensors& tensors, std::span<const RowBlock> blocks,
                           const ColumnBlock& columns, float* sums) {
    const Operands operands{blocks, columns, chunks, vectors, tiling.scheme.kept_weights() * depth * width,
                            layout, sums};
    if (tiling.scheme.kept == WinogradWeights::terms)
      multiply_by_rows(products, winograd, tiling, blocks, columns, chunks, vectors, sums);
    else if (compact)
      multiply_compact(products, tiling, operands);
    else
      multiply_whole(products, tiling, operands, asks_ahead);
    // The target's bias starts at channel 0.
    const kernels::WinogradTarget target{tensors.output, tensors.residual, columns.bias - columns.index * width, relu};
    for (std::int64_t column = 0; column < columns.count; ++column)
      for (const RowBlock& block : blocks) {
        const Place place = operands.place_of(block, column);
        winograd.transform_output(place.sums, place.sum_stride, g, block_of_tiles(tiling, block.first, block.count),
                                  (columns.index + column) * width, vectors, target);
      }
  };
  return convolution;
}

Cost winograd_cost(const StepRequest& request, const WinogradKernels& winograd, const WinogradGeometry& g,
                   const ChannelBlocks& channels) {
  const WinogradTiling tiling = make_winograd_tiling(winograd.scheme, g);
  const auto bytes = static_cast<std::size_t>(channels.count() * channels.width * winograd.scheme.kept_weights() *
                                              depth_of(request, channels)) *
                     sizeof(float);
  const std::int64_t products_per_image = count_products(tiling) / g.images;
  const std::int64_t group_inputs = channels.inputs / channels.groups;
  // Terms stand beside the form that other numbers of images need.
  const std::size_t replaced = winograd.scheme.kept == WinogradWeights::terms ? 0 : own_weight_bytes(request);
  return {.multiplications = static_cast<double>(products_per_image * channels.outputs * group_inputs),
          .weight_bytes = bytes,
          .added_weight_bytes = bytes - std::min(bytes, replaced)};
}

}  // namespace residua::engine
