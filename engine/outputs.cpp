#include "engine/outputs.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "engine/scores.h"
#include "graph/infer.h"
#include "graph/operators.h"
#include "graph/passes/passes.h"

namespace residua::engine {
namespace {

using graph::Error;
using graph::ErrorCode;
using graph::Graph;
using graph::Node;
using graph::Op;
using graph::Result;
using graph::Tensor;
using graph::TensorId;

const Node* producer_of(const Graph& graph, TensorId id) {
  const auto found =
      std::find_if(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) { return node.output == id; });
  return found == graph.nodes.end() ? nullptr : &*found;
}

// The node before `id`, past nodes that only change a shape.
const Node* producer_past_views(const Graph& graph, TensorId id) {
  const Node* node = producer_of(graph, id);
  while (node && (node->op == Op::flatten || node->op == Op::reshape || node->op == Op::identity))
    node = producer_of(graph, node->inputs[0]);
  return node;
}

// What a softmax at the end reads, or the first output itself.
TensorId logits_of(const Graph& graph) {
  const Node* last = producer_past_views(graph, graph.outputs[0]);
  return last && last->op == Op::softmax ? last->inputs[0] : graph.outputs[0];
}

// The classifier and the global average that it reads; nullptr where the logits come about otherwise.
struct Head {
  const Node* classifier = nullptr;  // of none, the average itself makes the logits
  const Node* pool = nullptr;
};

Head head_of(const Graph& graph) {
  const Node* last = producer_past_views(graph, logits_of(graph));
  if (last && last->op == Op::global_average_pool) return {nullptr, last};
  if (!last || last->op != Op::fully_connected || !graph.tensor(last->input(1)).is_constant()) return {};
  const Node* pool = producer_past_views(graph, last->inputs[0]);
  if (!pool || pool->op != Op::global_average_pool) return {};
  return {last, pool};
}

std::optional<TensorId> pooled_of(const Graph& graph) {
  const auto last = [&](Op op) {
    return std::find_if(graph.nodes.rbegin(), graph.nodes.rend(), [&](const Node& node) { return node.op == op; });
  };
  if (const auto classifier = last(Op::fully_connected); classifier != graph.nodes.rend()) {
    const Node* node = producer_past_views(graph, classifier->inputs[0]);
    if (node) return node->output;
  }
  if (const auto pool = last(Op::global_average_pool); pool != graph.nodes.rend()) return pool->output;
  return std::nullopt;
}

// The level at which a map's sides are nearest to 1/2^level of the image's; nothing where height and width differ in
// it.
std::optional<int> level_of(const graph::Shape& map, const graph::Shape& image) {
  const auto level = [&](std::size_t axis) {
    return static_cast<int>(std::lround(
        std::log2(static_cast<double>(image[axis]) / static_cast<double>(std::max<std::int64_t>(map[axis], 1)))));
  };
  return level(2) == level(3) ? std::optional(level(2)) : std::nullopt;
}

// The last tensor of each level, up to the average over all places. All paths lead through a tensor if, once it is
// computed, nothing else that came before is needed.
std::map<int, TensorId> pyramid_of(const Graph& graph) {
  std::map<int, TensorId> pyramid;
  const graph::Shape& image = graph.tensor(graph.inputs[0]).shape;
  if (image.size() != 4) return pyramid;
  std::map<TensorId, std::size_t> last_use;  // of what leads from the image to the first output
  std::set<TensorId> needed{graph.outputs[0]};
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    if (!needed.contains(node.output)) continue;
    for (const TensorId input : node.inputs)
      if (input != graph::no_tensor && !graph.tensor(input).is_constant() && needed.insert(input).second)
        last_use.emplace(input, i);
  }
  std::size_t needed_until = last_use.contains(graph.inputs[0]) ? last_use.at(graph.inputs[0]) : 0;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (!needed.contains(node.output)) continue;
    const bool all_lead_through = needed_until <= i;
    if (const auto use = last_use.find(node.output); use != last_use.end())
      needed_until = std::max(needed_until, use->second);
    if (!all_lead_through) continue;
    const graph::Shape& shape = graph.tensor(node.output).shape;
    if (node.op == Op::global_average_pool || shape.size() != 4) break;
    if (const auto level = level_of(shape, image)) pyramid[*level] = node.output;
  }
  return pyramid;
}

// Whether a run can hand it out: floats that depend on the images, a row for each.
bool is_offered(const Tensor& tensor) {
  return !tensor.is_constant() && graph::is_floating_point(tensor.type) && !tensor.shape.empty() &&
         tensor.shape[0] == graph::batch_dimension;
}

// The tensor that took `name`'s place: the first one after it, along the file's own nodes, that is still there.
std::optional<std::string> heir_of(const Graph& imported, const Graph& optimized, std::string_view name) {
  std::set<std::string_view> names;
  for (const Node& node : optimized.nodes) names.insert(optimized.tensor(node.output).name);
  std::set<TensorId> reached;
  for (std::size_t id = 0; id < imported.tensors.size(); ++id)
    if (imported.tensors[id].name == name) reached.insert(static_cast<TensorId>(id));
  if (reached.empty()) return std::nullopt;
  for (const Node& node : imported.nodes) {
    if (std::none_of(node.inputs.begin(), node.inputs.end(), [&](TensorId id) { return reached.contains(id); }))
      continue;
    const std::string& candidate = imported.tensor(node.output).name;
    if (names.contains(candidate)) return candidate;
    reached.insert(node.output);
  }
  return "";
}

}  // namespace

Result<OfferedGraph> offer(Graph optimized) {
  const Head head = head_of(optimized);
  const bool is_pixel = head.pool && optimized.tensor(head.pool->inputs[0]).shape.size() == 4;
  if (!is_pixel) return OfferedGraph{std::move(optimized)};
  const TensorId features = head.pool->inputs[0];
  if (!head.classifier) return OfferedGraph{std::move(optimized), features};
  // The same weights, [classes, channels], as a 1x1 convolution's.
  Tensor weights = optimized.tensor(head.classifier->input(1));
  weights.shape.insert(weights.shape.end(), {1, 1});
  Node map;
  map.op = Op::convolution;
  map.name = class_map_name;
  map.attributes = graph::ConvolutionAttributes{};
  optimized.tensors.push_back(std::move(weights));
  map.inputs = {features, static_cast<TensorId>(optimized.tensors.size() - 1), head.classifier->input(2)};
  RESIDUA_ASSIGN(const graph::TensorType type, graph::infer(optimized, map));
  Tensor scores;
  scores.name = class_map_name;
  scores.type = type.type;
  scores.shape = type.shape;
  optimized.tensors.push_back(std::move(scores));
  const auto class_map = static_cast<TensorId>(optimized.tensors.size() - 1);
  map.output = class_map;
  optimized.nodes.push_back(std::move(map));
  return OfferedGraph{std::move(optimized), class_map};
}

std::vector<NamedTensor> named_outputs(const OfferedGraph& offered, const Graph& one_image) {
  const Graph& graph = offered.graph;
  std::vector<NamedTensor> list;
  std::set<std::string> taken;
  const auto add = [&](std::string name, const OutputSource& source, std::string_view op) {
    if (!name.empty() && taken.insert(name).second) list.push_back({std::move(name), std::string(op), source});
  };
  const auto op_of = [&](TensorId id) {
    const Node* node = producer_of(graph, id);
    return node ? graph::info_of(node->op).name : std::string_view();
  };
  const TensorId logits = logits_of(graph);
  const bool has_softmax = logits != graph.outputs[0];
  add(std::string(logits_name), {logits, false}, op_of(logits));
  add(std::string(probabilities_name), {graph.outputs[0], !has_softmax}, graph::info_of(Op::softmax).name);
  if (const auto pooled = pooled_of(graph)) add(std::string(pooled_name), {*pooled, false}, op_of(*pooled));
  if (offered.class_map != graph::no_tensor)
    add(std::string(class_map_name), {offered.class_map, false}, op_of(offered.class_map));
  for (const auto& [level, tensor] : pyramid_of(one_image))
    if (level >= first_pyramid_level && level <= last_pyramid_level && is_offered(graph.tensor(tensor)))
      add("C" + std::to_string(level), {tensor, false}, op_of(tensor));
  for (const Node& node : graph.nodes)
    if (const Tensor& tensor = graph.tensor(node.output); is_offered(tensor))
      add(tensor.name, {node.output, false}, graph::info_of(node.op).name);
  return list;
}

Result<OutputSource> find_output(std::span<const NamedTensor> list, const Graph& optimized, const Graph& imported,
                                 std::string_view name) {
  if (name.empty()) return OutputSource{optimized.outputs[0], false};
  const auto found = std::find_if(list.begin(), list.end(), [&](const NamedTensor& each) { return each.name == name; });
  if (found != list.end()) return found->source;
  const std::string quoted = "tensor '" + std::string(name) + "'";
  const auto heir = heir_of(imported, optimized, name);
  if (!heir)
    return Error{ErrorCode::mismatch,
                 "the network has no " + quoted + "; residua_model_get_tensor lists those that a run can give"};
  return Error{ErrorCode::mismatch,
               quoted + " is fused into another step and never computed by itself" +
                   (heir->empty() ? std::string() : "; the first tensor after it that is computed is '" + *heir + "'")};
}

Graph with_outputs(const Graph& offered, std::span<const TensorId> tensors) {
  Graph result = offered;
  result.outputs.assign(tensors.begin(), tensors.end());
  if (tensors.empty()) result.outputs = {offered.outputs[0]};
  return graph::remove_dead(std::move(result));
}

void derive_output(const Output& output, const float* from, std::int64_t values, std::int64_t first,
                   std::int64_t rows) {
  const auto width = static_cast<std::size_t>(values), top = static_cast<std::size_t>(output.top);
  std::vector<float> probabilities(output.source.softmax && top > 0 ? width : 0);
  for (std::int64_t i = 0; i < rows; ++i) {
    const float* row = from + i * values;
    const auto place = static_cast<std::size_t>(first + i);
    if (top == 0) {
      float* const target = output.values.data() + place * width;
      if (output.source.softmax)
        softmax(row, 1, width, target);
      else if (target != row)
        std::copy(row, row + width, target);
      continue;
    }
    if (output.source.softmax) {
      softmax(row, 1, width, probabilities.data());
      row = probabilities.data();
    }
    const std::span<std::int32_t> indices = output.indices.subspan(place * top, top);
    top_k({row, width}, indices);
    for (std::size_t k = 0; k < top; ++k) output.values[place * top + k] = row[static_cast<std::size_t>(indices[k])];
  }
}

}  // namespace residua::engine
