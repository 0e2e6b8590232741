// 3x3 convolutions on our Winograd kernels (kernels/winograd/winograd.h).

#include <algorithm>

#include "engine/caches.h"
#include "engine/format_numbers.h"
#include "engine/layout.h"
#include "engine/steps/blocked_convolution.h"
#include "engine/steps/convolution_cost.h"
#include "engine/steps/onednn_convolution_step.h"
#include "engine/steps/tile_step.h"
#include "engine/steps/winograd_step.h"

namespace residua::engine {
namespace {

using kernels::WinogradGeometry;
using kernels::WinogradKernels;
using kernels::WinogradTiling;
using kernels::WinogradWeights;

std::string reject(const StepRequest& request, const WinogradKernels& winograd) {
  if (std::string reason = reject_without_constant_weights(request); !reason.empty()) return reason;
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  const graph::Shape& weight = request.input(1).shape;
  if (weight[2] != 3 || weight[3] != 3) return "the kernel is not 3x3";
  const int stride = winograd.scheme.stride;
  if (node.strides[0] != stride || node.strides[1] != stride) return "the stride is not " + std::to_string(stride);
  if (node.dilations[0] != 1 || node.dilations[1] != 1) return "the kernel is dilated";
  if (request.saves_memory && winograd.scheme.kept != WinogradWeights::compact)
    return "under a memory limit weights are compact";
  std::string reason = against_few_channels(request);
  if (reason.empty()) static_cast<void>(make_channel_blocks(request, reason));
  return reason;
}

WinogradGeometry geometry_of(const StepRequest& request) {
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  const graph::Shape& x = request.input(0).shape;
  const graph::Shape& y = request.output().shape;
  return {.images = x[0],
          .height = x[2],
          .width = x[3],
          .channels = x[1],
          .output_height = y[2],
          .output_width = y[3],
          .output_channels = y[1],
          .padding_top = node.padding.top,
          .padding_left = node.padding.left};
}

Step make(const StepRequest& request, const WinogradKernels& winograd) {
  std::string reason;
  const ChannelBlocks channels = make_channel_blocks(request, reason);
  return make_blocked_step(request, blocked_winograd(request, winograd, geometry_of(request), channels));
}

// Of transformed weights that are not compact.
std::size_t whole_bytes(const StepRequest& request, const WinogradKernels& winograd) {
  const kernels::WinogradScheme& scheme = winograd.scheme;
  return float_count(request.input(1).shape) / static_cast<std::size_t>(scheme.taps * scheme.taps) *
         static_cast<std::size_t>(scheme.weight_positions()) * sizeof(float);
}

// In the level 2 cache. Beside the other layers' even what would fit has often gone from there; three quarters and less
// stay.
bool whole_weights_stay(const StepRequest& request, const WinogradKernels& winograd) {
  return whole_bytes(request, winograd) <= caches().level2 * 3 / 4;
}

// In the shared cache: a core's part of it is about twice its own. What it keeps does not come from memory.
bool shared_cache_keeps_whole_weights(const StepRequest& request, const WinogradKernels& winograd) {
  return whole_bytes(request, winograd) <= 2 * caches().level2;
}

// Tiles of the whole run.
std::int64_t count_tiles(const StepRequest& request, const WinogradKernels& winograd) {
  return make_winograd_tiling(winograd.scheme, geometry_of(request)).tiles() / request.input(0).shape[0] *
         request.run_batch;
}

// Blocks of rows are large enough to share the multiply-adds that make a weight.
bool rows_share_weights(const StepRequest& request) {
  constexpr int fewest_rows = 8;
  return request.kernels.products.rows >= fewest_rows;
}

// Why making weights takes longer than reading whole ones; "" where it may not: those come from memory, and there are
// rows to share what making them takes, or so few tiles that memory is all that is waited for.
std::string against_making_weights(const StepRequest& request, const WinogradKernels& winograd) {
  constexpr std::int64_t few_tiles = 4;
  const bool few =
      winograd.scheme.tile == 4 && winograd.scheme.stride == 1 && count_tiles(request, winograd) <= few_tiles;
  if (!rows_share_weights(request) && !few)
    return std::to_string(request.kernels.products.rows) + " rows of sums are too few to make each weight for";
  if (whole_weights_stay(request, winograd)) return "whole weights stay in the level 2 cache";
  // Few rows gain by less to read from memory alone: not 64 channels at 8x8, whole weights of 0.6 MB.
  if (!rows_share_weights(request) && shared_cache_keeps_whole_weights(request, winograd))
    return "whole weights stay near the cores";
  return "";
}

// Why weights as terms are slower than compact ones. Of 4 tiles a line of positions at a time fits the registers, and
// two positions of up to 16 where what is read more often, panels, leaves the terms room in the caches.
std::string against_terms(const StepRequest& request, const WinogradKernels& winograd) {
  if (!rows_share_weights(request)) return "a line's weights and their sums do not fit the registers";
  if (std::string reason = against_making_weights(request, winograd); !reason.empty()) return reason;
  // What two level 2 caches keep takes longer to make than to read: 128 channels, whole weights of 2.4 MB.
  if (whole_bytes(request, winograd) / 2 <= 2 * caches().level2) return "compact weights stay near the cores";
  const bool small = float_count(request.input(1).shape) * sizeof(float) <= 2 * caches().level2;
  const std::int64_t most_tiles = small ? 16 : 4, tiles = count_tiles(request, winograd);
  if (tiles > most_tiles) return "for " + std::to_string(tiles) + " tiles reading more takes less than making weights";
  return "";
}

// Why compact weights are slower than whole ones; "" where those come from memory for few tiles.
std::string against_compact(const StepRequest& request, const WinogradKernels& winograd) {
  if (std::string reason = against_making_weights(request, winograd); !reason.empty()) return reason;
  const std::int64_t most_tiles = shared_cache_keeps_whole_weights(request, winograd) ? 40 : 96,
                     tiles = count_tiles(request, winograd);
  if (tiles > most_tiles) return "for " + std::to_string(tiles) + " tiles whole weights are read seldom enough";
  return "";
}

// Why tiles of 6x6 are no better than tiles of 4x4: they multiply less, and read 64 weights where those are 36.
std::string against_6x6(const StepRequest& request) {
  constexpr std::size_t most_added_bytes = std::size_t{8} << 20;  // of a layer's weights
  const WinogradKernels &large = request.kernels.winograd_6x6, &small = request.kernels.winograd_4x4;
  const std::size_t added_bytes = whole_bytes(request, large) - whole_bytes(request, small);
  if (added_bytes > most_added_bytes) return "weights would take " + megabytes(added_bytes) + " more";

  // Multiply-adds of a core while a float arrives from a shared cache: measured on CPUs that start one of AVX2's a
  // cycle; others multiply faster by the width of their vectors and the number of their units. For one image, so that
  // all batches have the same weights and the same bits.
  const std::int64_t a_float =
      (request.kernels.products.lanes > 8 ? 24 : 8) * (request.kernels.loads_bind_products ? 2 : 1);
  const WinogradGeometry g = geometry_of(request);
  const std::int64_t products_of_4x4 = count_products(make_winograd_tiling(small.scheme, g)) / g.images,
                     products_of_6x6 = count_products(make_winograd_tiling(large.scheme, g)) / g.images;
  const std::int64_t saved = std::max<std::int64_t>(products_of_4x4 - products_of_6x6, 0) /
                             (large.scheme.weight_positions() - small.scheme.weight_positions());
  if (saved < a_float)
    return "tiles of 6x6 save " + std::to_string(saved) +
           " multiplications for a weight that they read more, and pay from " + std::to_string(a_float) + " on";
  return "";
}

Cost cost(const StepRequest& request, const WinogradKernels& winograd) {
  std::string reason;
  Cost cost = winograd_cost(request, winograd, geometry_of(request), make_channel_blocks(request, reason));
  // While memory is waited for, making weights costs nothing.
  const double rows = request.kernels.products.rows;
  switch (winograd.scheme.kept) {
    case WinogradWeights::whole:
      break;
    case WinogradWeights::compact:
      if (!against_compact(request, winograd).empty()) cost.multiplications *= 1 + 1 / rows;
      break;
    case WinogradWeights::terms:
      if (!against_terms(request, winograd).empty()) cost.multiplications *= 1 + 3 / rows;
      break;
  }
  return cost;
}

// Tiles of 4x4 have 36 transformed weights, or compact 18, where 2x2 has 16, or 12, and direct convolution 9. With few
// tiles reading them from memory, though not from the shared cache, takes longer than the products that they save; or,
// where the weights stay in a core's own cache, one thread computes and the others watch. With stride 2 they save a
// fifth, for three times the data of a tile.
std::string discourage(const StepRequest& request, const WinogradKernels& winograd) {
  if (std::string reason = tiles_or_vectors(request).against_vectors; !reason.empty()) return reason;
  if (winograd.scheme.tile == 6) return against_6x6(request);
  if (winograd.scheme.stride == 1 && !request.saves_memory && against_6x6(request).empty())
    return "tiles of 6x6 multiply less";
  if (winograd.scheme.tile == 4 && winograd.scheme.stride == 2 && request.kernels.loads_bind_products)
    return "loads bind products on this CPU, and tiles of 2x2 are less to load";
  const bool weights_stay = whole_weights_stay(request, winograd);
  const bool makes_weights = winograd.scheme.kept != WinogradWeights::whole;
  const bool little_to_read = makes_weights || shared_cache_keeps_whole_weights(request, winograd);
  const std::int64_t fewest_tiles = little_to_read && winograd.scheme.stride == 1 && !weights_stay ? 4 : 8;
  const std::int64_t tiles = count_tiles(request, winograd);
  if (winograd.scheme.tile == 4 && tiles < fewest_tiles)
    return std::to_string(tiles) + " tiles are too few " + (weights_stay ? "to share out" : "for so many weights");
  if (request.saves_memory) return "";
  const bool has_terms = winograd.scheme.tile == 4 && winograd.scheme.stride == 1;
  if (has_terms) {
    std::string reason = against_terms(request, winograd);
    if (winograd.scheme.kept == WinogradWeights::terms) return reason;
    if (reason.empty()) return "weights as terms are least to read";
  }
  std::string reason = against_compact(request, winograd);
  if (winograd.scheme.kept == WinogradWeights::compact) return reason;
  return reason.empty() ? "compact weights are less to read" : "";
}

// One of the kernel table's schemes.
template <WinogradKernels kernels::KernelTable::*winograd>
Implementation implementation(const char* name) {
  return {graph::Op::convolution,
          name,
          [](const StepRequest& request) { return reject(request, request.kernels.*winograd); },
          [](const StepRequest& request) { return make(request, request.kernels.*winograd); },
          [](const StepRequest& request) { return cost(request, request.kernels.*winograd); },
          [](const StepRequest& request) { return discourage(request, request.kernels.*winograd); },
          true};
}

}  // namespace

std::vector<Implementation> winograd_convolution_implementations() {
  using kernels::KernelTable;
  return {implementation<&KernelTable::winograd_6x6>("winograd 6x6"),
          implementation<&KernelTable::winograd_4x4_compact>("winograd 4x4 compact"),
          implementation<&KernelTable::winograd_4x4_terms>("winograd 4x4 terms"),
          implementation<&KernelTable::winograd_4x4>("winograd 4x4"),
          implementation<&KernelTable::winograd_2x2_compact>("winograd 2x2 compact"),
          implementation<&KernelTable::winograd_2x2>("winograd 2x2"),
          implementation<&KernelTable::winograd_4x4_stride_2_compact>("winograd 4x4 stride 2 compact"),
          implementation<&KernelTable::winograd_4x4_stride_2>("winograd 4x4 stride 2"),
          implementation<&KernelTable::winograd_2x2_stride_2_compact>("winograd 2x2 stride 2 compact"),
          implementation<&KernelTable::winograd_2x2_stride_2>("winograd 2x2 stride 2")};
}

}  // namespace residua::engine
