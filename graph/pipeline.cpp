#include "graph/pipeline.h"

#include <array>

#include "graph/passes/passes.h"
#include "graph/text.h"
#include "graph/verify.h"

namespace residua::graph {
namespace {

constexpr std::array<Pass, 16> all_passes{{
    {"remove_dead", "every node leads to an output, every tensor is used", remove_dead},
    {"fold_shape_arithmetic", "shapes, axes and counts that can be known are attributes", fold_shape_arithmetic},
    {"fold_constants", "no node computes from constants alone what a small constant can hold", fold_constants},
    {"remove_noops", "no node hands on its input unchanged", remove_noops},
    {"canonical_input_layout", "images come in as NCHW", canonical_input_layout},
    {"canonical_reshape", "no chain of reshapes or transposes; [N, rest] is a flatten", canonical_reshape},
    {"merge_slices", "no chain of slices along different axes", merge_slices},
    {"merge_channels", "channels of one tensor are scaled and shifted together, not one by one", merge_channels},
    {"canonical_pooling", "whatever averages whole images is a global_average_pool", canonical_pooling},
    {"canonical_classifier", "matrix products with constants are fully_connected, and read a pool directly",
     canonical_classifier},
    {"fold_padding", "no pad stands before a window op that can pad itself", fold_padding},
    {"fold_batch_norm", "no batch_norm or constant per channel stands behind a layer that can take it",
     fold_batch_norm},
    {"fuse_group_norm", "a group norm is one node, with its scale and shift", fuse_group_norm},
    {"fuse_channel_gate", "a factor for each channel of each image is a channel_gate", fuse_channel_gate},
    {"fuse_residual_add", "residual sums are inputs of a convolution or a channel_gate", fuse_residual_add},
    {"fuse_relu", "relu behind a convolution, a norm or a channel_gate is its activation", fuse_relu},
}};

// Networks of the ResNet family settle in the first round and the second changes nothing. The bound is for graphs made
// to keep the passes busy.
constexpr int most_rounds = 4;

// Equal for equal graphs: structure as text, constants by where their bytes and row factors lie, since a pass that
// changes one makes a new one.
std::string signature_of(const Graph& graph) {
  std::string signature = to_text(graph, {0, false});
  for (const Tensor& tensor : graph.tensors) {
    if (!tensor.is_constant()) continue;
    for (const void* address : {static_cast<const void*>(tensor.constant.bytes.get()),
                                static_cast<const void*>(tensor.constant.row_scale.get())})
      signature += std::to_string(reinterpret_cast<std::uintptr_t>(address)) + " ";
  }
  return signature;
}

Result<Graph> run_pass(const Pass& pass, Graph graph) {
  const auto failure = [&pass](const std::string& what) {
    return Error{ErrorCode::internal, "pass " + std::string(pass.name) + ": " + what};
  };
  try {
    graph = pass.run(std::move(graph));
  } catch (const InternalError& error) {
    return failure(error.what());
  }
  if (const Status status = verify(graph); !status) return failure(status.error().message);
  return graph;
}

}  // namespace

std::span<const Pass> optimization_passes() { return all_passes; }

Result<Graph> run_passes(std::span<const Pass> passes, Graph graph, const PassObserver& observer) {
  RESIDUA_RETURN_IF_ERROR(verify(graph));
  if (observer) observer("imported", graph);
  std::string signature = signature_of(graph);
  bool changed = true;
  for (int round = 0; changed && round < most_rounds; ++round) {
    changed = false;
    for (const Pass& pass : passes) {
      RESIDUA_ASSIGN(graph, run_pass(pass, std::move(graph)));
      std::string after = signature_of(graph);
      if (after == signature) continue;
      signature = std::move(after);
      changed = true;
      if (observer) observer(pass.name, graph);
    }
  }
  return graph;
}

Result<Graph> optimize(Graph graph, const PassObserver& observer) {
  return run_passes(all_passes, std::move(graph), observer);
}

}  // namespace residua::graph
