// A step of a plan: one node placed on one implementation, with everything decided.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "engine/packed_weights.h"
#include "engine/threads.h"
#include "graph/graph.h"
#include "kernels/table.h"

namespace residua::engine {

// The memory of one running plan: an arena, scratch memory that all its workers share, and some for each worker.
struct Binding {
  std::byte* arena = nullptr;
  std::byte* shared_scratch = nullptr;
  std::byte* scratch = nullptr;
  std::size_t scratch_bytes = 0;                      // of one worker
  const std::vector<std::size_t>* offsets = nullptr;  // into the arena, one a tensor
  std::vector<dnnl::stream> streams;                  // one a worker

  int workers() const { return static_cast<int>(streams.size()); }
  float* address(graph::TensorId id) const {
    return reinterpret_cast<float*>(arena + (*offsets)[static_cast<std::size_t>(id)]);
  }
  std::byte* scratch_of(int worker) const { return scratch + static_cast<std::size_t>(worker) * scratch_bytes; }
};

struct Step {
  std::string name;
  graph::Op op{};
  std::string implementation;
  double gflop = 0;  // of direct convolution: 2 per multiply-add, over the whole batch of the plan
  graph::TensorId output = graph::no_tensor;
  // The input whose memory the output takes over; no_tensor: the output has memory of its own.
  graph::TensorId overwrites = graph::no_tensor;
  std::size_t scratch_bytes = 0;         // for each worker
  std::size_t shared_scratch_bytes = 0;  // for all together
  // Fixes the addresses. The phases it returns decide nothing, may be run any number of times, one run at a time, and
  // keep alive what they need beyond the binding.
  std::function<std::vector<Phase>(const Binding&)> bind;
};

// What an implementation may look at when it makes a step.
struct StepRequest {
  const graph::Graph& graph;  // every shape static
  const graph::Node& node;
  int threads;  // that will share the step's parts
  // Images of the whole run: what an algorithm is chosen by, so that bits depend neither on the schedule nor on
  // threads.
  std::int64_t run_batch;
  const kernels::KernelTable& kernels;
  PackedWeights& packed;
  // Whether this node is the last to read that input, so that the output may take its memory.
  std::function<bool(graph::TensorId)> may_overwrite;
  // Memory for transformed weights is short: of two forms that differ in size alone only the smaller one is taken.
  bool saves_memory = false;

  const graph::Tensor& input(std::size_t index) const { return graph.tensor(node.input(index)); }
  bool has_input(std::size_t index) const { return node.input(index) != graph::no_tensor; }
  const graph::Tensor& output() const { return graph.tensor(node.output); }

  // Where input `index` lies once bound: in the arena, or, for a constant, packed in the activation layout. nullptr for
  // one that is left out.
  std::function<const float*(const Binding&)> locate(std::size_t index) const;
  // A step that has the node's name, op, output and the given implementation.
  Step make_step(std::string implementation) const;
};

// One phase that does 0 <= i < count in contiguous ranges: a few for each thread, so that none waits long.
Phase in_ranges(int threads, std::int64_t count, std::function<void(std::int64_t begin, std::int64_t end)> work);

// What running a node costs, as far as its shape tells.
struct Cost {
  double multiplications = 0;          // of one image
  std::size_t weight_bytes = 0;        // of the packed weights, padding included (oneDNN's own padding is not known)
  std::size_t added_weight_bytes = 0;  // of those, beyond the weights' own size because the algorithm transforms them
};

// One way to run an op.
struct Implementation {
  graph::Op op;
  const char* name;
  // Why it cannot take this node, "" where it can. A convolution's answer depends neither on sizes of images and
  // batches nor on threads: a memory limit is shared out once, for all plans.
  std::string (*reject)(const StepRequest& request);
  Step (*make)(const StepRequest& request);
  // Convolutions only.
  Cost (*cost)(const StepRequest& request) = nullptr;
  // Why it should not, though it can: a rule on shapes, which measuring overrules. "" where nothing speaks against it.
  std::string (*discourage)(const StepRequest& request) = nullptr;
  // Not for direct convolution: it adds up pixels or channels before it multiplies, so that one infinity or NaN reaches
  // outputs that have no part in it; or it splits floats, so that outputs that read an infinity are NaN.
  bool transforms = false;
  // Why it must not take a node of this size, though the others of its kind it can: memory beyond all proportion.
  // Measuring does not overrule that. "" where it may.
  std::string (*too_large)(const StepRequest& request) = nullptr;
};

// One function a file of this folder: the implementations it offers.
std::vector<Implementation> grouped_convolution_implementations();
std::vector<Implementation> tile_convolution_implementations();
std::vector<Implementation> tile_winograd_implementations();
std::vector<Implementation> winograd_convolution_implementations();
std::vector<Implementation> stem_convolution_implementations();
std::vector<Implementation> strassen_convolution_implementations();
std::vector<Implementation> direct_convolution_implementations();
std::vector<Implementation> onednn_convolution_implementations();
std::vector<Implementation> onednn_fully_connected_implementations();
std::vector<Implementation> elementwise_implementations();
std::vector<Implementation> onednn_elementwise_implementations();
std::vector<Implementation> batch_norm_implementations();
std::vector<Implementation> group_norm_implementations();
std::vector<Implementation> channel_gate_implementations();
std::vector<Implementation> pooling_implementations();
std::vector<Implementation> image_copy_implementations();
std::vector<Implementation> copy_implementations();
// Takes every op: the interpreter. Correct, slow, and it allocates.
Implementation interpreter_implementation();

}  // namespace residua::engine
