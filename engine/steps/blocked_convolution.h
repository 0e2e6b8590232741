// What our own convolutions, direct, Winograd's, Strassen's and those on tile registers, have in common: rows of
// factors (output pixels, tiles, or pairs of pixels) are gathered in blocks, and each block is multiplied by one block
// of output channels at a time.
//
//               output channels, in blocks of vectors * lanes
//              +--------+--------+--------+
//      block 0 |        |        |        |   a block: as many rows as the registers take
//  r   block 1 |        |        |        |
//  o   - - - - +--------+--------+--------+   a group: blocks whose panels stay in the level 2 cache together
//  w   block 2 |        |        |        |
//  s   block 3 |        |        |        |
//              +--------+--------+--------+
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/steps/step.h"

namespace residua::engine {

// The output channels in blocks, and the input channels that each reads. With groups of channels a block takes the
// inputs of all the groups it touches; the weights between groups are zeros.
struct ChannelBlocks {
  std::int64_t inputs = 0, outputs = 0;  // of the whole convolution
  std::int64_t groups = 1;
  std::int64_t vectors = 0, width = 0;  // of a block: width = vectors * lanes
  std::int64_t block_inputs = 0;        // channels that a block reads

  std::int64_t count() const { return (outputs + width - 1) / width; }
  std::int64_t first_input(std::int64_t block) const {
    return groups == 1 ? 0 : block * width / (outputs / groups) * (inputs / groups);
  }
};

// For weights [outputs, inputs / groups, ...]. `reason` is set where blocks and groups do not fit each other.
ChannelBlocks make_channel_blocks(const StepRequest& request, std::string& reason);

// Why whole vectors of channels do not suit an image of fewer channels; "" where there are enough. Kernels that
// broadcast each channel, ours or oneDNN's, take a fifth to four fifths of the time on the first layers of VGG,
// Inception and ResNet-D.
std::string against_few_channels(const StepRequest& request);

// The weights of one block as an ungrouped convolution has them, [width, block_inputs, taps], zeros between groups.
std::vector<float> weights_of_block(const ChannelBlocks& channels, std::span<const float> weights, std::int64_t taps,
                                    std::int64_t block);

// Where a run finds its tensors.
struct ConvolutionTensors {
  const float* input;
  const float* residual;  // nullptr: none
  float* output;
};

// Rows [first, first + count) of one block.
struct RowBlock {
  std::int64_t first;
  int count;
  float* panels;
  int room;          // rows that every block's panels have room for
  bool takes_place;  // its sums, of all blocks of output channels, take the place of its panels
};

// Pieces [first, end) of what a block's panels hold, cut by input channels.
struct PanelPieces {
  std::int64_t first, end;
};

// One block of output channels.
struct ColumnBlock {
  std::int64_t index;
  const float* weights;
  const float* bias;
  std::int64_t count = 1;  // that many blocks, one after another
  const float* upcoming;   // the weights that this thread probably wants next, for the cache to be told; or nullptr
};

// Deals the cache lines of upcoming weights out to products, in order, so that memory brings them while those run. They
// ask for one line a depth or, where the products are so many that it is enough, every second or fourth depth: a core
// asks faster than memory brings, and then waits for what it asked.
class UpcomingLines {
 public:
  static constexpr std::int64_t most_depths_a_line = 4;  // 8 is no faster

  // `floats` from `weights` on, nullptr: none, for `products` of so many depths at which they ask.
  UpcomingLines(const float* weights, std::int64_t floats, std::int64_t depths, std::int64_t products)
      : next_(weights), end_(weights == nullptr ? nullptr : weights + floats) {
    std::int64_t depths_a_line = 1;
    while (2 * depths_a_line <= most_depths_a_line && 2 * depths_a_line * floats <= line * depths * products)
      depths_a_line *= 2;
    step_ = line / depths_a_line;
    product_ = depths * step_;
  }
  // For the next product.
  kernels::UpcomingWeights next() {
    if (next_ == end_) return {};
    const kernels::UpcomingWeights share{next_, step_};
    next_ = end_ - next_ < product_ ? end_ : next_ + product_;
    return share;
  }

 private:
  static constexpr std::int64_t line = 64 / sizeof(float);
  const float *next_, *end_;
  std::int64_t step_, product_;  // floats from one depth, and from one product, to the next
};

struct BlockedConvolution {
  std::string implementation;
  std::string layout;  // name of the packed weights
  std::int64_t rows = 0;
  int most_rows = 0;                 // of a block; 0: as many as the products take
  std::int64_t row_floats = 0;       // of a row in the panels
  std::int64_t row_footprint = 0;    // floats of the cache that a row takes beside those of panels
  std::int64_t row_sums = 0;         // floats of scratch memory that `finish` needs for a row
  std::int64_t worker_floats = 0;    // of scratch memory that it needs however many the rows
  std::int64_t row_products = 0;     // multiply-adds of a row with a block of output channels
  std::int64_t weight_products = 0;  // multiply-adds that making a weight ready costs, each time it meets a group
  std::int64_t block_weights = 0;    // floats of the packed weights of a block of output channels
  std::size_t panel_bytes = 0;       // of the level 2 cache, for panels and sums; 0: half of it
  bool takes_all_columns = false;    // `finish` does better with all blocks of output channels than one by one
  bool keeps_sums = false;           // `finish` can take several of them together, with sums for each
  // With `keeps_sums`: floats of a row in the panels where the sums of all of them take the place of what has been
  // multiplied.
  std::int64_t row_floats_in_place = 0;
  bool cheap_copies = false;  // preparing or gathering all takes less than reading half of it from another core's cache
  bool relu = false;
  ChannelBlocks channels;

  // Where the input is read from a copy in another layout: made by `prepare`, in parts that know no order, before all
  // else; `finish` finds it in place of the input. Copies may be several, made at the same time, as panels may. One of
  // `prepare` and `gather` at most.
  std::int64_t prepared_floats = 0, prepare_parts = 0;
  std::function<void(const float* input, std::int64_t part, float* prepared)> prepare;

  // Packs one block's weights.
  std::function<void(std::span<const float> weights, std::int64_t block, float* packed)> pack;
  // Fills some pieces of the panels of one block of rows, of `panel_pieces` that they can be cut into, with the
  // channels that `channel_block` reads. None where there are no panels.
  std::int64_t panel_pieces = 1;
  std::function<void(const ConvolutionTensors&, const RowBlock&, std::int64_t channel_block, const PanelPieces&)>
      gather;
  // Multiplies blocks of rows by one block of channels and writes outputs.
  std::function<void(const ConvolutionTensors&, std::span<const RowBlock>, const ColumnBlock&, float* sums)> finish;
};

// Whether the weights stay in the level 2 cache beside what else a layer needs there.
bool weights_stay_in_cache(const BlockedConvolution& convolution);

// The step for the node's x, weights, bias and, where it has one, residual.
Step make_blocked_step(const StepRequest& request, BlockedConvolution convolution);

}  // namespace residua::engine
