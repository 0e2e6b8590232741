#include "engine/plan.h"

#include <algorithm>
#include <numeric>

#include "engine/onednn.h"
#include "graph/infer.h"
#include "graph/input_limits.h"
#include "graph/operators.h"
#include "graph/pipeline.h"

namespace residua::engine {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::TensorId;

// Whether the output is the input's memory under another shape: then the node needs no step.
bool is_view(const Graph& graph, const Node& node) {
  if (graph.tensor(node.inputs[0]).is_constant()) return false;  // constants do not live in the arena
  if (node.op == Op::identity) return true;
  if (node.op != Op::flatten && node.op != Op::reshape) return false;
  return is_row_major(graph.tensor(node.inputs[0]).shape) && is_row_major(graph.tensor(node.output).shape);
}

// Who shares memory with whom, and until when. A storage is named by the first tensor that lives in it.
class Storages {
 public:
  explicit Storages(const Graph& graph) : storage_(graph.tensors.size()), last_use_(graph.tensors.size(), -1) {
    std::iota(storage_.begin(), storage_.end(), TensorId{0});
    for (const Node& node : graph.nodes)
      if (is_view(graph, node)) share(node.output, node.inputs[0]);
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
      use(graph.nodes[i].output, static_cast<int>(i));
      for (TensorId input : graph.nodes[i].inputs)
        if (input != graph::no_tensor) use(input, static_cast<int>(i));
    }
    for (TensorId output : graph.outputs) use(output, static_cast<int>(graph.nodes.size()));
  }

  TensorId of(TensorId tensor) const { return storage_[static_cast<std::size_t>(tensor)]; }
  int last_use(TensorId tensor) const { return last_use_[static_cast<std::size_t>(of(tensor))]; }

  // `tensor`, which nothing has been written to yet, moves into the memory of `other`.
  void share(TensorId tensor, TensorId other) {
    const TensorId from = of(tensor), to = of(other);
    for (TensorId& storage : storage_)
      if (storage == from) storage = to;
    int& last = last_use_[static_cast<std::size_t>(to)];
    last = std::max(last, last_use_[static_cast<std::size_t>(from)]);
  }

 private:
  void use(TensorId tensor, int node) {
    int& last = last_use_[static_cast<std::size_t>(of(tensor))];
    last = std::max(last, node);
  }

  std::vector<TensorId> storage_;
  std::vector<int> last_use_;
};

// Whether node `index` is the last to touch the memory of its input `id`, and reads it through that one input only.
bool may_overwrite(const Graph& graph, const Storages& storages, std::size_t index, TensorId id) {
  if (graph.tensor(id).is_constant() || storages.last_use(id) != static_cast<int>(index)) return false;
  const auto& inputs = graph.nodes[index].inputs;
  return std::count_if(inputs.begin(), inputs.end(), [&](TensorId input) {
           return input != graph::no_tensor && storages.of(input) == storages.of(id);
         }) == 1;
}

// Offsets of all tensors, from when each storage is first written to when it is last read.
void place_tensors(Plan& plan, const Storages& storages) {
  const std::size_t count = plan.graph.tensors.size();
  std::vector<int> lifetime_of(count, -1);  // index into lifetimes, by storage
  std::vector<Lifetime> lifetimes;
  const auto live = [&](TensorId id, int first) {
    if (plan.graph.tensor(id).is_constant()) return;
    const TensorId storage = storages.of(id);
    int& index = lifetime_of[static_cast<std::size_t>(storage)];
    if (index < 0) {
      index = static_cast<int>(lifetimes.size());
      lifetimes.push_back({0, first, std::max(first, storages.last_use(id))});
    }
    std::size_t& bytes = lifetimes[static_cast<std::size_t>(index)].bytes;
    bytes = std::max(bytes, float_bytes(plan.graph.tensor(id).shape));
  };
  for (TensorId input : plan.graph.inputs) live(input, -1);
  for (std::size_t i = 0; i < plan.graph.nodes.size(); ++i) live(plan.graph.nodes[i].output, static_cast<int>(i));

  const ArenaPlan arena = plan_arena(lifetimes);
  plan.arena_bytes = arena.bytes;
  plan.arena_lower_bound = arena.lower_bound;
  plan.offsets.assign(count, 0);
  for (std::size_t id = 0; id < count; ++id) {
    const int index = lifetime_of[static_cast<std::size_t>(storages.of(static_cast<TensorId>(id)))];
    if (index >= 0) plan.offsets[id] = arena.offsets[static_cast<std::size_t>(index)];
  }
}

bool holds_only_floats(const Graph& graph) {
  return std::all_of(graph.nodes.begin(), graph.nodes.end(),
                     [&](const Node& node) { return graph::is_floating_point(graph.tensor(node.output).type); });
}

// The graph for this shape. With every size known, shape arithmetic that was open until now folds away.
graph::Result<Graph> specialize(const Graph& optimized, const PlanKey& key) {
  const graph::Shape& declared = optimized.tensor(optimized.inputs.at(0)).shape;
  const graph::Shape wanted{key.batch, declared.at(1), key.height, key.width};
  RESIDUA_ASSIGN(Graph graph, graph::with_input_shape(optimized, wanted));
  if (holds_only_floats(graph)) return graph;
  RESIDUA_ASSIGN(graph, graph::optimize(std::move(graph)));
  for (const Node& node : graph.nodes)
    if (!graph::is_floating_point(graph.tensor(node.output).type))
      return graph::Error{graph::ErrorCode::unsupported,
                          "node '" + node.name + "' (" + std::string(graph::info_of(node.op).name) +
                              "): its integers depend on the pixels; only shape arithmetic on integers is supported"};
  return graph;
}

// Outputs that a run computes, and activations whose bytes, and sums of bytes, stay far from what 64 bits hold.
graph::Status check_plannable(const Graph& graph) {
  const auto most = static_cast<std::int64_t>(graph::value_of(graph::Limit::activation_elements));
  for (TensorId id : graph.outputs)
    if (graph.tensor(id).is_constant())
      return graph::Error{graph::ErrorCode::unsupported,
                          "output '" + graph.tensor(id).name + "' is a constant: it does not depend on the image"};
  std::int64_t total = 0;
  for (const graph::Tensor& tensor : graph.tensors) {
    if (tensor.is_constant()) continue;
    RESIDUA_ASSIGN(const std::int64_t elements, graph::element_count(tensor.shape));
    total += std::min(elements, most + 1);
    const std::string what = "tensor '" + tensor.name + "' of shape " + graph::to_string(tensor.shape);
    RESIDUA_RETURN_IF_ERROR(graph::check_limit(graph::Limit::activation_elements, static_cast<std::uint64_t>(total),
                                               what + ": elements of all activations so far"));
    RESIDUA_RETURN_IF_ERROR(graph::check_limit(graph::Limit::arena_bytes, float_bytes(tensor.shape), what + ": bytes"));
  }
  return {};
}

}  // namespace

graph::Result<std::shared_ptr<const Plan>> make_plan(const Graph& optimized, const PlanKey& key,
                                                     const kernels::KernelTable& kernels, PackedWeights& packed,
                                                     const SelectionOptions& options) {
  const auto plan = std::make_shared<Plan>();
  plan->key = key;
  RESIDUA_ASSIGN(plan->graph, specialize(optimized, key));
  RESIDUA_RETURN_IF_ERROR(check_plannable(plan->graph));
  const OneOpenmpThread one_thread;  // oneDNN's primitives keep the setting they are made under
  Storages storages(plan->graph);
  for (std::size_t i = 0; i < plan->graph.nodes.size(); ++i) {
    const Node& node = plan->graph.nodes[i];
    if (is_view(plan->graph, node)) continue;
    Selection selection =
        select({.graph = plan->graph,
                .node = node,
                .threads = key.threads,
                .run_batch = key.run_batch,
                .kernels = kernels,
                .packed = packed,
                .may_overwrite = [&](TensorId id) { return may_overwrite(plan->graph, storages, i, id); }},
               options);
    if (selection.step.overwrites != graph::no_tensor) storages.share(node.output, selection.step.overwrites);
    plan->scratch_bytes = std::max(plan->scratch_bytes, selection.step.scratch_bytes);
    plan->shared_scratch_bytes = std::max(plan->shared_scratch_bytes, selection.step.shared_scratch_bytes);
    plan->gflop += selection.step.gflop;
    plan->steps.push_back(std::move(selection.step));
    plan->rejections.push_back(std::move(selection.rejections));
    if (options.step_made) (*options.step_made)();
  }
  place_tensors(*plan, storages);
  RESIDUA_RETURN_IF_ERROR(graph::check_limit(graph::Limit::arena_bytes,
                                             plan->arena_bytes + plan->scratch_bytes + plan->shared_scratch_bytes,
                                             "activations and scratch memory of a run: bytes"));
  return std::shared_ptr<const Plan>(plan);
}

}  // namespace residua::engine
