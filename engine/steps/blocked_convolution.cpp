#include "engine/steps/blocked_convolution.h"

#include <algorithm>
#include <iterator>

#include "engine/arena.h"
#include "engine/caches.h"
#include "engine/layout.h"
#include "engine/threads.h"

namespace residua::engine {
namespace {

constexpr std::size_t weight_input = 1, bias_input = 2, residual_input = 3;

std::int64_t divided_up(std::int64_t value, std::int64_t by) { return (value + by - 1) / by; }
// Floats of whole cache lines.
std::int64_t whole_lines(std::int64_t count) {
  return static_cast<std::int64_t>(whole_cache_lines(static_cast<std::size_t>(count) * sizeof(float)) / sizeof(float));
}

// How the rows are cut. Group i holds blocks blocks * i / groups and following.
struct Blocking {
  std::int64_t rows_per_block, blocks, groups;
  // All panels are gathered first, for all threads or by each for itself, and each block of weights is then read by one
  // thread; otherwise a thread gathers a group and reads all weights for it.
  bool shared;
  std::int64_t columns;  // blocks of output channels that are taken together, with sums for each
  bool in_place() const { return !shared && columns > 1; }  // those take the place of panels

  std::int64_t first_block(std::int64_t group) const { return blocks * group / groups; }
  std::int64_t most_blocks() const { return divided_up(blocks, groups); }  // of any group
};

std::int64_t weight_floats(const BlockedConvolution& convolution) {
  return convolution.channels.count() * convolution.block_weights;
}

// Estimates how long the busiest thread takes with a blocking, in multiply-adds: its share of the products, and what it
// reads from beyond its core's own caches. Good for telling blockings of one layer apart, for nothing else.
double estimate(const BlockedConvolution& convolution, const Blocking& blocking, int threads) {
  // Multiply-adds while a float arrives: some 60e9 a second against some 3e9 from a shared cache, half that from
  // memory.
  constexpr double from_cache = 20, from_memory = 40;
  constexpr double a_part = 30'000;  // taking one, half a microsecond
  const auto weights = static_cast<double>(weight_floats(convolution));
  const auto panels = static_cast<double>(convolution.rows * convolution.row_floats);
  const std::int64_t columns = convolution.channels.count();
  const std::int64_t sets = divided_up(columns, blocking.columns);  // of columns that are taken together
  const std::int64_t parts = blocking.groups * (blocking.shared ? sets : 1);
  const auto turns = static_cast<double>(divided_up(parts, threads));  // of the busiest thread
  const auto columns_a_part = static_cast<double>(blocking.shared ? blocking.columns : columns);
  const double group_rows = static_cast<double>(blocking.most_blocks() * blocking.rows_per_block);
  const double products = turns * group_rows * static_cast<double>(convolution.row_products) * columns_a_part +
                          turns * static_cast<double>(convolution.weight_products) * weights * columns_a_part /
                              static_cast<double>(columns);
  double moved = 0;
  // What is read again comes from the shared cache as far as that keeps it: a core's part, about twice its own cache.
  // The rest is for other cores, and on a rented machine for other people.
  const auto again = [&](double floats) {
    return floats * sizeof(float) <= 2 * static_cast<double>(caches().level2) ? from_cache : from_memory;
  };
  if (blocking.shared) {
    const auto sets_of_thread = static_cast<double>(divided_up(sets, threads));
    const bool stay = panels * sizeof(float) <= static_cast<double>(caches().level2) / 2;
    // Written, and read for the first time by whoever takes the column.
    moved = again(panels) * panels * (2.0 / threads + (stay ? 1 : sets_of_thread)) + from_memory * weights / threads;
  } else if (!weights_stay_in_cache(convolution)) {
    // Threads that read the same weights at about the same time read them from the shared cache.
    moved = from_memory * weights / threads + from_cache * weights * (1 - 1.0 / threads) +
            again(weights) * weights * (turns - 1);
  }
  if (blocking.in_place()) {
    // Written and read as panels, and read as sums, which were written where panels had just been read.
    const double panels_and_sums = group_rows * static_cast<double>(convolution.row_floats_in_place);
    if (panels_and_sums * sizeof(float) > static_cast<double>(caches().level2) / 2)
      moved += turns * from_cache * 3 * panels_and_sums;
  } else if (blocking.columns > 1) {
    const double sums = group_rows * static_cast<double>(convolution.row_sums) * columns_a_part;
    moved +=
        turns * from_cache * 2 * sums + again(weights) * weights * static_cast<double>(blocking.groups - 1) / threads;
  }
  return products + moved + a_part * turns;
}

Blocking choose_blocking(const BlockedConvolution& convolution, int most_rows, int threads) {
  // Half the level 2 cache for panels and sums, if nothing else is asked for; the other half is for weights on their
  // way through.
  const std::size_t panel_bytes = convolution.panel_bytes > 0 ? convolution.panel_bytes : caches().level2 / 2;
  const auto room = static_cast<std::int64_t>(panel_bytes / sizeof(float));
  // A block that fills the registers; fewer rows where its panels would not stay in the cache, but sums enough to hide
  // the latency of multiply-adds.
  constexpr int fewest_rows = 6;
  const std::int64_t row_floats = convolution.row_floats + convolution.row_footprint + convolution.row_sums;
  // Without panels the blocks are given: how many rows the factors lie in.
  const std::int64_t rows =
      convolution.gather ? std::clamp<std::int64_t>(room / row_floats, std::min(fewest_rows, most_rows), most_rows)
                         : most_rows;
  Blocking blocking{};
  blocking.blocks = divided_up(convolution.rows, rows);
  blocking.rows_per_block = divided_up(convolution.rows, blocking.blocks);  // even: no short block at the end
  blocking.blocks = divided_up(convolution.rows, blocking.rows_per_block);

  const std::int64_t block_floats = blocking.rows_per_block * row_floats;
  const std::int64_t together = std::max<std::int64_t>(room / block_floats, 1);
  // With sums for several columns panels need not stay, but those of a position: so many rows, and each weight meets
  // enough of them.
  constexpr std::int64_t most_rows_together = 160;

  // From many small parts, with which threads that start together end together, and one that is held up leaves the
  // others something to take, to few large ones, with which weights are read seldom. A coarser one must be clearly
  // better.
  constexpr double clearly = 0.96;
  const std::int64_t all_columns = convolution.channels.count();
  const std::int64_t most_columns = convolution.keeps_sums && convolution.channels.groups == 1 ? all_columns : 1;
  Blocking best{};
  double best_estimate = 0;
  const auto consider = [&](bool shared, std::int64_t columns, std::int64_t parts_a_thread) {
    if (shared &&
        (convolution.channels.groups > 1 || (weights_stay_in_cache(convolution) && convolution.weight_products == 0)))
      return;
    const std::int64_t sets = shared ? divided_up(all_columns, columns) : 1;
    const std::int64_t wanted = threads == 1 ? 1 : divided_up(parts_a_thread * threads, sets);
    const std::int64_t fewest_groups = columns > 1
                                           ? divided_up(blocking.blocks * blocking.rows_per_block, most_rows_together)
                                           : divided_up(blocking.blocks, together);
    // Panels that all threads share come from elsewhere for each column, however they are cut; and where the room is
    // for one block, each would read all weights for its rows alone.
    std::int64_t groups = shared && columns == 1 && together == 1 ? wanted : std::max(fewest_groups, wanted);
    if (groups > 1) groups = divided_up(groups, threads) * threads;
    Blocking candidate = blocking;
    candidate.shared = shared;
    candidate.columns = columns;
    candidate.groups = std::min(groups, blocking.blocks);
    const double time = estimate(convolution, candidate, threads);
    if (best.groups == 0 || time < clearly * best_estimate) {
      best = candidate;
      best_estimate = time;
    }
  };
  for (std::int64_t columns = 1; columns < 2 * most_columns; columns *= 2)
    for (const bool shared : {false, true})
      if (shared || columns == 1 || columns >= most_columns)
        for (const std::int64_t parts_a_thread : {12, 8, 6, 4, 2, 1})
          consider(shared, std::min(columns, most_columns), parts_a_thread);
  return best;
}

// What the phases of a step share.
struct Work {
  BlockedConvolution convolution;
  Blocking blocking;
  std::shared_ptr<const std::byte> weights;
  std::vector<float> bias;
  bool asks_ahead;  // for the next block's weights, while products go on
  bool own_copies;  // of what is prepared or gathered, each worker one

  std::int64_t floats_of_block() const {
    return blocking.rows_per_block * (blocking.in_place() ? convolution.row_floats_in_place : convolution.row_floats);
  }
  std::int64_t shared_parts() const {
    return blocking.groups * divided_up(convolution.channels.count(), blocking.columns);
  }
  std::int64_t prepared_floats() const { return whole_lines(convolution.prepared_floats); }
  std::int64_t shared_panel_floats() const {
    return blocking.shared ? whole_lines(blocking.blocks * floats_of_block()) : 0;
  }
  // Of a worker's scratch memory, without a copy of its own.
  std::int64_t scratch_floats() const {
    const std::int64_t sums = blocking.in_place() ? 0
                                                  : blocking.most_blocks() * blocking.rows_per_block *
                                                        convolution.row_sums * blocking.columns;
    const std::int64_t panels = blocking.shared ? 0 : blocking.most_blocks() * floats_of_block();
    return whole_lines(panels + sums + convolution.worker_floats);
  }

  RowBlock block(std::int64_t index, float* panels) const {
    const std::int64_t first = index * blocking.rows_per_block;
    return {first, static_cast<int>(std::min(blocking.rows_per_block, convolution.rows - first)), panels,
            static_cast<int>(blocking.rows_per_block), blocking.in_place()};
  }
  // The blocks of a group, their panels side by side from `panels` on.
  std::vector<RowBlock>& blocks_of_group(std::int64_t group, float* panels, std::vector<RowBlock>& blocks) const {
    const std::int64_t first = blocking.first_block(group), end = blocking.first_block(group + 1);
    blocks.clear();
    for (std::int64_t i = first; i < end; ++i) blocks.push_back(block(i, panels + (i - first) * floats_of_block()));
    return blocks;
  }
  // As many as there are of `count` channel blocks from one on. `next`: the one that the thread probably takes after
  // them, if there is one of this number.
  void finish(const ConvolutionTensors& tensors, std::span<const RowBlock> blocks, std::int64_t channel_block,
              std::int64_t count, std::int64_t next, float* sums) const {
    const auto* values = reinterpret_cast<const float*>(weights.get());
    const bool upcoming = asks_ahead && next != channel_block && next >= 0 && next < convolution.channels.count();
    convolution.finish(tensors, blocks,
                       {.index = channel_block,
                        .weights = values + channel_block * convolution.block_weights,
                        .bias = bias.data() + channel_block * convolution.channels.width,
                        .count = std::min(count, convolution.channels.count() - channel_block),
                        .upcoming = upcoming ? values + next * convolution.block_weights : nullptr},
                       sums);
  }
};

// Each worker's list of blocks, made once, so that a run allocates nothing. Shared by a phase's copies: a copy of a
// vector would not have the reserved memory.
using BlockLists = std::shared_ptr<std::vector<std::vector<RowBlock>>>;

BlockLists block_lists(const Work& work, int workers) {
  auto lists = std::make_shared<std::vector<std::vector<RowBlock>>>(static_cast<std::size_t>(workers));
  for (auto& list : *lists) list.reserve(static_cast<std::size_t>(work.blocking.most_blocks()));
  return lists;
}

float* floats(std::byte* bytes) { return reinterpret_cast<float*>(bytes); }

// What the input is prepared or gathered as, of a worker's own: made when it takes the first part of a run.
struct OwnCopies {
  std::vector<float*> of_worker;
  std::vector<char> made;  // in this run; of each worker a byte, which it alone writes while parts run

  OwnCopies(const Work& work, const Binding& binding) : made(static_cast<std::size_t>(binding.workers())) {
    for (int worker = 0; worker < binding.workers(); ++worker)
      of_worker.push_back(floats(binding.scratch_of(worker)) + work.scratch_floats());
  }
};

Phase forget_copies(const std::shared_ptr<OwnCopies>& copies) {
  return {1, [=](std::int64_t, int) { std::ranges::fill(copies->made, char{0}); }};
}

Phase prepare_input(const std::shared_ptr<const Work>& work, const float* input, float* prepared, int threads) {
  return in_ranges(threads, work->convolution.prepare_parts, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) work->convolution.prepare(input, part, prepared);
  });
}

void gather_block(const Work& work, const ConvolutionTensors& tensors, std::int64_t block, const PanelPieces& pieces,
                  float* panels) {
  work.convolution.gather(tensors, work.block(block, panels + block * work.floats_of_block()), 0, pieces);
}

// All panels, for all threads. Few blocks are cut, so that each thread gathers about as much.
Phase gather_panels(const std::shared_ptr<const Work>& work, const ConvolutionTensors& tensors, float* panels,
                    int threads) {
  constexpr std::int64_t parts_a_thread = 4;
  const std::int64_t blocks = work->blocking.blocks, all = work->convolution.panel_pieces;
  const std::int64_t cuts = threads == 1 ? 1 : std::min(divided_up(parts_a_thread * threads, blocks), all);
  return {blocks * cuts, [=](std::int64_t part, int) {
            const std::int64_t cut = part % cuts;
            gather_block(*work, tensors, part / cuts, {all * cut / cuts, all * (cut + 1) / cuts}, panels);
          }};
}

// All that is prepared, or all panels.
void make_copy(const Work& work, const ConvolutionTensors& tensors, float* copy) {
  const BlockedConvolution& convolution = work.convolution;
  for (std::int64_t part = 0; part < convolution.prepare_parts; ++part) convolution.prepare(tensors.input, part, copy);
  if (!convolution.gather) return;
  for (std::int64_t block = 0; block < work.blocking.blocks; ++block)
    gather_block(work, tensors, block, {0, convolution.panel_pieces}, copy);
}

Phase group_by_group(const std::shared_ptr<const Work>& work, const ConvolutionTensors& tensors,
                     const Binding& binding) {
  return {work->blocking.groups, [=, lists = block_lists(*work, binding.workers())](std::int64_t part, int worker) {
            float* const panels = floats(binding.scratch_of(worker));
            float* const sums = panels + work->blocking.most_blocks() * work->floats_of_block();
            const auto& blocks = work->blocks_of_group(part, panels, (*lists)[static_cast<std::size_t>(worker)]);
            const ChannelBlocks& channels = work->convolution.channels;
            // Blocks of several groups read different channels: one by one.
            const bool all = work->convolution.takes_all_columns && channels.groups == 1;
            const std::int64_t count = all ? channels.count() : work->blocking.columns;
            for (std::int64_t channel_block = 0; channel_block < channels.count(); channel_block += count) {
              if (work->convolution.gather && (channel_block == 0 || channels.groups > 1))
                for (const RowBlock& block : blocks)
                  work->convolution.gather(tensors, block, channel_block, {0, work->convolution.panel_pieces});
              work->finish(tensors, blocks, channel_block, count, channel_block + count, sums);
            }
          }};
}

// Some blocks of weights with a group of rows. `panels`: where those are gathered, if they are.
void multiply_part(const Work& work, const ConvolutionTensors& tensors, float* panels, std::int64_t part, int worker,
                   std::vector<RowBlock>& blocks, float* sums) {
  const std::int64_t groups = work.blocking.groups, columns = work.blocking.columns, group = part % groups;
  work.blocks_of_group(group, panels + work.blocking.first_block(group) * work.floats_of_block(), blocks);
  work.finish(tensors, blocks, part / groups * columns, columns, part_after(part, worker) / groups * columns, sums);
}

std::vector<Phase> gather_then_multiply(const std::shared_ptr<const Work>& work, const ConvolutionTensors& tensors,
                                        const Binding& binding) {
  float* const panels = floats(binding.shared_scratch) + work->prepared_floats();
  const Phase multiply{work->shared_parts(),
                       [=, lists = block_lists(*work, binding.workers())](std::int64_t part, int worker) {
                         multiply_part(*work, tensors, panels, part, worker, (*lists)[static_cast<std::size_t>(worker)],
                                       floats(binding.scratch_of(worker)));
                       }};
  if (!work->convolution.gather) return {multiply};
  return {gather_panels(work, tensors, panels, binding.workers()), multiply};
}

std::vector<Phase> multiply_own_copies(const std::shared_ptr<const Work>& work, const ConvolutionTensors& tensors,
                                       const Binding& binding) {
  const auto copies = std::make_shared<OwnCopies>(*work, binding);
  const Phase multiply{
      work->shared_parts(), [=, lists = block_lists(*work, binding.workers())](std::int64_t part, int worker) {
        const auto of = static_cast<std::size_t>(worker);
        float* const copy = copies->of_worker[of];
        if (!copies->made[of]) make_copy(*work, tensors, copy);
        copies->made[of] = 1;
        ConvolutionTensors own = tensors;
        if (work->convolution.prepare) own.input = copy;
        multiply_part(*work, own, copy, part, worker, (*lists)[of], floats(binding.scratch_of(worker)));
      }};
  return {forget_copies(copies), multiply};
}

}  // namespace

bool weights_stay_in_cache(const BlockedConvolution& convolution) {
  return static_cast<std::size_t>(weight_floats(convolution)) * sizeof(float) <= caches().level2 * 3 / 4;
}

ChannelBlocks make_channel_blocks(const StepRequest& request, std::string& reason) {
  const graph::Shape& weight = request.input(1).shape;
  ChannelBlocks channels;
  channels.outputs = weight[0];
  if (request.node.op == graph::Op::convolution)
    channels.groups = graph::attributes_of<graph::ConvolutionAttributes>(request.node).groups;
  channels.inputs = weight[1] * channels.groups;
  const kernels::ProductKernels& products = request.kernels.products;
  channels.vectors = channels.outputs <= products.lanes ? 1 : products.vectors;
  channels.width = channels.vectors * products.lanes;
  channels.block_inputs = channels.inputs;
  if (channels.groups == 1) return channels;
  const std::int64_t group_outputs = channels.outputs / channels.groups;
  if (channels.outputs % channels.width != 0 ||
      (channels.width % group_outputs != 0 && group_outputs % channels.width != 0))
    reason = "groups of " + std::to_string(group_outputs) + " channels do not fit blocks of " +
             std::to_string(channels.width);
  channels.block_inputs = weight[1] * std::max<std::int64_t>(channels.width / group_outputs, 1);
  // Measured on ResNeXt: with groups of half a block's width multiplying the zeros between them still pays.
  constexpr std::int64_t most_waste = 2;
  const std::int64_t waste = channels.block_inputs / weight[1];
  if (reason.empty() && waste > most_waste)
    reason = "groups of " + std::to_string(group_outputs) + " channels: " + std::to_string(waste - 1) + " of " +
             std::to_string(waste) + " products would be with zeros";
  return channels;
}

std::string against_few_channels(const StepRequest& request) {
  const std::int64_t channels = request.input(0).shape[1], lanes = request.kernels.products.lanes;
  if (channels >= lanes) return "";
  return std::to_string(channels) + " channels are fewer than the " + std::to_string(lanes) + " lanes of a vector";
}

std::vector<float> weights_of_block(const ChannelBlocks& channels, std::span<const float> weights, std::int64_t taps,
                                    std::int64_t block) {
  const std::int64_t group_inputs = channels.inputs / channels.groups;
  const std::int64_t group_outputs = channels.outputs / channels.groups;
  std::vector<float> values(static_cast<std::size_t>(channels.width * channels.block_inputs * taps), 0.0f);
  for (std::int64_t k = 0; k < std::min(channels.width, channels.outputs - block * channels.width); ++k) {
    const std::int64_t output = block * channels.width + k;
    const std::int64_t input = output / group_outputs * group_inputs - channels.first_input(block);
    std::copy_n(weights.data() + output * group_inputs * taps, group_inputs * taps,
                values.data() + (k * channels.block_inputs + input) * taps);
  }
  return values;
}

Step make_blocked_step(const StepRequest& request, BlockedConvolution convolution) {
  const auto work = std::make_shared<Work>();
  work->blocking = choose_blocking(
      convolution, convolution.most_rows > 0 ? convolution.most_rows : request.kernels.products.rows, request.threads);
  // Even weights that stay in the cache have left it for other layers' since the last run. Where they serve few rows,
  // nothing is faster than reading them.
  constexpr std::int64_t fewest_rows = 8;
  work->asks_ahead = convolution.rows >= fewest_rows;
  const ChannelBlocks& channels = convolution.channels;
  work->weights =
      request.packed.get(request.input(weight_input),
                         {convolution.layout + " " + std::string(name_of(request.kernels.vector_set())),
                          static_cast<std::size_t>(weight_floats(convolution)) * sizeof(float), channels.count()},
                         [&](std::span<const float> values, std::int64_t block, std::byte* packed) {
                           convolution.pack(values, block, floats(packed) + block * convolution.block_weights);
                         });
  if (request.has_input(bias_input)) work->bias = graph::read_floats(request.input(bias_input));
  work->bias.resize(static_cast<std::size_t>(channels.count() * channels.width), 0.0f);

  Step step = request.make_step(convolution.implementation);
  if (request.has_input(residual_input) && request.may_overwrite(request.node.input(residual_input)))
    step.overwrites = request.node.input(residual_input);
  const Blocking& blocking = work->blocking;
  work->convolution = std::move(convolution);
  // Of a copy that all cores wrote each reads most from the others' caches, which takes longer than to make all of a
  // small one.
  const std::int64_t copied = work->prepared_floats() + work->shared_panel_floats();
  const bool small = static_cast<std::size_t>(copied) * sizeof(float) <= caches().level2 * 3 / 4;
  work->own_copies = work->convolution.cheap_copies && blocking.shared && small && request.threads > 1;
  const auto bytes = [](std::int64_t count) { return static_cast<std::size_t>(count) * sizeof(float); };
  step.scratch_bytes = bytes(work->scratch_floats() + (work->own_copies ? copied : 0));
  step.shared_scratch_bytes = bytes(work->own_copies ? 0 : copied);

  const auto locate_input = request.locate(0);
  const auto locate_residual = request.locate(residual_input);
  step.bind = [=, shared_work = std::shared_ptr<const Work>(work),
               output = request.node.output](const Binding& binding) -> std::vector<Phase> {
    ConvolutionTensors tensors{locate_input(binding), locate_residual(binding), binding.address(output)};
    std::vector<Phase> phases;
    const auto add = [&](std::vector<Phase> more) { std::ranges::move(more, std::back_inserter(phases)); };
    if (shared_work->own_copies) {
      add(multiply_own_copies(shared_work, tensors, binding));
      return phases;
    }
    if (shared_work->convolution.prepare) {
      float* const prepared = floats(binding.shared_scratch);
      phases.push_back(prepare_input(shared_work, tensors.input, prepared, binding.workers()));
      tensors.input = prepared;
    }
    if (shared_work->blocking.shared)
      add(gather_then_multiply(shared_work, tensors, binding));
    else
      phases.push_back(group_by_group(shared_work, tensors, binding));
    return phases;
  };
  return step;
}

}  // namespace residua::engine
