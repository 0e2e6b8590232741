// What a caller can ask a run for: tensors of the optimised graph by name, and what is made of them.
//
// Fusing leaves one tensor of a group of nodes, the last: a convolution with its batch norm, residual sum and ReLU
// answers to the name of what the ReLU wrote. Some names stand for what classifiers have in common, whatever a file
// calls it; they come before the file's own.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace residua::engine {

inline constexpr std::string_view logits_name = "logits";                // scores before any softmax
inline constexpr std::string_view probabilities_name = "probabilities";  // after it
inline constexpr std::string_view pooled_name = "pooled";                // what the last fully connected layer reads
// Scores at every place of the last feature map: what the classifier says of it before the pool takes the mean (class
// activation maps, Zhou et al., arXiv:1512.04150). Their mean over all places is the logits.
inline constexpr std::string_view class_map_name = "class_map";

// The pyramid that detectors and segmenters stand on (Lin et al., arXiv:1612.03144), where the network has it: C2 is
// the last feature map with a side of a quarter of the image's, C3 of an eighth, C4 and C5 likewise. Only maps that all
// paths through the network lead through count: what a stage ends with, not what is inside of a residual block.
inline constexpr int first_pyramid_level = 2, last_pyramid_level = 5;

struct OutputSource {
  graph::TensorId tensor = graph::no_tensor;  // of the offered graph
  bool softmax = false;                       // its softmax, which the graph itself does not have
  friend bool operator==(const OutputSource&, const OutputSource&) = default;
};

// Where a run writes one output.
struct Output {
  OutputSource source;
  std::span<float> values;               // row-major [batch, values of an image], or [batch, top]
  std::int64_t top = 0;                  // > 0: only the largest, best first
  std::span<std::int32_t> indices = {};  // with top: of those values, [batch, top]
};

struct NamedTensor {
  std::string name;
  std::string op;  // of the node that writes it
  OutputSource source;
};

// The optimised graph and, where its last layers are a global average and a fully connected layer, the class map behind
// the features: a node that leads to no output. Tensors keep their numbers.
struct OfferedGraph {
  graph::Graph graph;
  graph::TensorId class_map = graph::no_tensor;  // where the average itself makes the logits, what it reads
};
graph::Result<OfferedGraph> offer(graph::Graph optimized);

// All that a run can hand out: the names above first, as far as they exist, then the graph's tensors in the order in
// which they are computed. `one_image`: the offered graph for one image of known size, which tells levels apart.
std::vector<NamedTensor> named_outputs(const OfferedGraph& offered, const graph::Graph& one_image);

// The tensor behind a name of `list`, "" for the graph's first output. `imported` tells a name that fusing took from
// one that never was.
graph::Result<OutputSource> find_output(std::span<const NamedTensor> list, const graph::Graph& optimized,
                                        const graph::Graph& imported, std::string_view name);

// `offered` as far as these tensors need it, which become its outputs in this order. Empty: its own first output.
graph::Graph with_outputs(const graph::Graph& offered, std::span<const graph::TensorId> tensors);

// Writes `outputs` of `rows` images that were made of the same tensor `from`, row-major [rows, values] (which may be
// one of the outputs' own memory only if that is the last and asks for no top), beginning with image `first` of theirs.
void derive_output(const Output& output, const float* from, std::int64_t values, std::int64_t first, std::int64_t rows);

}  // namespace residua::engine
