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
  friend bool operator==(const ProgramKey&, const ProgramKey&) = default;
};

struct Segment {
  std::shared_ptr<const Plan> plan;  // of plan->key.batch images at a time
  bool alone = false;                // by one thread; otherwise by all together
};

// A step of a program, and how often it runs: images of the program / images of its plan.
struct Layer {
  const Step* step;
  double runs;
};

// Immutable once made; shared by contexts.
struct Program {
  ProgramKey key;
  std::vector<Segment> segments;
  std::vector<Layer> layers;  // of all segments
  double gflop = 0;           // of the whole batch
};

// Errors where the network does not take such images.
graph::Result<std::shared_ptr<const Program>> make_program(const graph::Graph& optimized, const ProgramKey& key,
                                                           const kernels::KernelTable& kernels, PackedWeights& packed,
                                                           const SelectionOptions& options = {});

}  // namespace residua::engine
