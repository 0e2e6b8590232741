// A program: how one call of a given shape runs, as plans one after the other.
//
//   throughput, 16 images:   segment 0  [1][1][1]...[1]   each thread runs whole images: their activations stay in its
//                                                         core's cache, and no thread waits for another
//                            segment 1  [   8   ][   8  ] all threads run some images together, where a layer's weights
//                                                         are too large to be read again for every image
//   latency, 4 images:       segment 0  [      4        ]
#pragma once

#include <memory>
#include <vector>

#include "engine/plan.h"

namespace residua::engine {

struct ProgramKey {
  std::int64_t batch = 1;
  std::int64_t height = 224;
  std::int64_t width = 224;
  int threads = 1;
  bool whole_images = false;  // the throughput schedule
  bool tuned = false;         // convolutions as measured on this machine
  bool direct = false;        // convolutions as sums of products: no Winograd, no Strassen, no tile registers
  // Tensors of the optimised graph that the run hands out, each once; empty: the graph's first output.
  std::vector<graph::TensorId> outputs = {};
  friend bool operator==(const ProgramKey&, const ProgramKey&) = default;
};

struct Segment {
  std::shared_ptr<const Plan> plan;  // of plan->key.batch images at a time
  bool alone = false;                // by one thread; otherwise by all together
  bool carries = false;              // its plan's first output is what the next segment reads, of all images
  std::size_t carried_at = 0;        // where, in the program's memory
  // Which of the program's outputs the plan's other outputs are, in their order.
  std::vector<std::size_t> outputs = {};
};

// A step of a program, and how often it runs: images of the program / images of its plan.
struct Layer {
  const Step* step;
  double runs;
};

// Immutable once made; shared by contexts. Its segments work one after the other in one block of memory:
//
//   | carried by even segments | by odd ones |  alone:     worker 0's  |  worker 1's  | ...
//                                            |  together:  all workers'      |
struct Program {
  ProgramKey key;
  std::vector<Segment> segments;
  std::vector<Layer> layers;  // of all segments
  // Shapes of one image's outputs: what follows the batch in the tensors' shapes.
  std::vector<graph::Shape> outputs;
  double gflop = 0;         // of the whole batch
  std::size_t bytes = 0;    // of the block
  std::size_t work_at = 0;  // where it begins that segments work
};

// Errors where the network does not take such images.
graph::Result<std::shared_ptr<const Program>> make_program(const graph::Graph& offered, const ProgramKey& key,
                                                           const kernels::KernelTable& kernels, PackedWeights& packed,
                                                           const SelectionOptions& options = {});

}  // namespace residua::engine
