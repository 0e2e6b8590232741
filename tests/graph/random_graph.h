// Networks that nobody would draw: random nodes on random operands, valid all the same.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "graph/infer.h"
#include "graph/operators.h"

namespace residua::tests {

using namespace graph;

class GraphMaker {
 public:
  // A number below `bound`, which is at least 1: what decides about everything but the values of constants.
  using Choice = std::function<std::size_t(std::size_t bound)>;

  explicit GraphMaker(unsigned seed)
      : GraphMaker(seed, [generator = std::mt19937(seed + 1)](std::size_t bound) mutable {
          return std::uniform_int_distribution<std::size_t>(0, bound - 1)(generator);
        }) {}
  GraphMaker(unsigned seed, Choice below) : generator_(seed), choice_(std::move(below)) {}

  Graph make() {
    const Shape shapes[] = {{batch_dimension, 4, 6, 6},
                            {batch_dimension, 4, unknown_dimension, unknown_dimension},
                            {2, 4, 1, 1},
                            {batch_dimension, 6, 6, 4}};
    graph_.name = "random";
    graph_.inputs = {graph_.add({"x", ElementType::float32, shapes[below(4)], {}})};
    const std::size_t count = 4 + below(14);
    for (int attempt = 0; attempt < 400 && graph_.nodes.size() < count; ++attempt) try_node();
    graph_.outputs = {graph_.nodes.empty() ? graph_.inputs[0] : graph_.nodes.back().output};
    if (graph_.nodes.size() > 2 && below(4) == 0) {
      const TensorId extra = graph_.nodes[below(graph_.nodes.size() - 1)].output;
      graph_.outputs.push_back(extra);
    }
    return std::move(graph_);
  }

 private:
  std::size_t below(std::size_t bound) { return choice_(bound); }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::size_t>(high - low + 1)));
  }

  // Recent tensors more often, so that chains grow.
  TensorId operand() {
    if (graph_.nodes.empty() || below(6) == 0) return graph_.inputs[0];
    const std::size_t back = std::min(below(3) == 0 ? below(6) : 0, graph_.nodes.size() - 1);
    return graph_.nodes[graph_.nodes.size() - 1 - back].output;
  }

  TensorId constant(const Shape& shape, float low = -1, float high = 1) {
    std::uniform_real_distribution<float> distribution(low, high);
    std::vector<float> values(static_cast<std::size_t>(element_count(shape).value()));
    const bool neutral = below(5) == 0;
    for (float& value : values) value = neutral && low < 0 ? static_cast<float>(below(2)) : distribution(generator_);
    return graph_.add(make_float_constant("c", shape, values));
  }
  TensorId integers(const std::vector<std::int64_t>& values) {
    return graph_.add(make_integer_constant("i", {static_cast<Dimension>(values.size())}, values));
  }

  void try_node() {
    static constexpr Op ops[] = {Op::convolution, Op::convolution, Op::convolution, Op::batch_norm,
                                 Op::batch_norm,  Op::relu,        Op::relu,        Op::add,
                                 Op::add,         Op::multiply,    Op::subtract,    Op::divide,
                                 Op::pad,         Op::pad,         Op::max_pool,    Op::average_pool,
                                 Op::slice,       Op::reshape,     Op::flatten,     Op::squeeze,
                                 Op::unsqueeze,   Op::transpose,   Op::reduce_mean, Op::global_average_pool,
                                 Op::identity,    Op::clip,        Op::matmul,      Op::fully_connected,
                                 Op::concat,      Op::sigmoid,     Op::shape_of,    Op::group_norm,
                                 Op::group_norm,  Op::channel_gate};
    Node node;
    node.op = ops[below(std::size(ops))];
    node.name = "n";
    node.attributes = info_of(node.op).default_attributes;
    const TensorId x = operand();
    if (!is_floating_point(graph_.tensor(x).type)) return;
    const std::size_t tensors = graph_.tensors.size(), nodes = graph_.nodes.size();
    node.inputs = {x};
    fill(node, graph_.tensor(x).shape);
    const Result<TensorType> type = infer(graph_, node);
    // Small, and nothing that grows with what is not known.
    std::int64_t size = 1;
    for (const Dimension dimension : type ? type->shape : Shape{}) size *= is_static(dimension) ? dimension : 8;
    if (!type || size == 0 || size > 4000) {
      graph_.tensors.resize(tensors);
      graph_.nodes.resize(nodes);
      return;
    }
    node.output = graph_.add({"t", type->type, type->shape, {}});
    graph_.nodes.push_back(node);
    if (node.op == Op::shape_of) reshape_by(x, node.output);
  }

  // x in its own shape, which the network has computed
  void reshape_by(TensorId x, TensorId shape) {
    Node node{Op::reshape, "r", {x, shape}, no_tensor, ReshapeAttributes{}};
    const Result<TensorType> type = infer(graph_, node);
    node.output = graph_.add({"t", type->type, type->shape, {}});
    graph_.nodes.push_back(node);
  }

  void fill(Node& node, const Shape& x) {
    const Dimension channels = x.size() > 1 && is_static(x[1]) ? x[1] : 4;
    switch (node.op) {
      case Op::convolution:
        fill_convolution(node, channels);
        break;
      case Op::fully_connected:
        node.inputs.push_back(constant({3, channels}));
        break;
      case Op::matmul:
        node.inputs.push_back(constant({x.empty() || !is_static(x.back()) ? 4 : x.back(), 3}));
        break;
      case Op::batch_norm:
        for (int i = 0; i < 3; ++i) node.inputs.push_back(constant({channels}));
        node.inputs.push_back(constant({channels}, 0.5f, 2));
        break;
      case Op::group_norm: {
        const Dimension groups = std::array<Dimension, 3>{1, 2, channels}[below(3)];
        node.attributes = GroupNormAttributes{groups, 0.5};
        for (int i = 0; i < 2; ++i) node.inputs.push_back(constant({channels}));
        break;
      }
      case Op::channel_gate:
        node.inputs.push_back(below(2) == 0 ? operand() : pooled(node.inputs[0]));
        if (below(2) == 0) node.inputs.push_back(operand());
        if (below(3) == 0) node.attributes = ChannelGateAttributes{Activation::relu};
        break;
      case Op::add:
      case Op::subtract:
      case Op::multiply:
      case Op::divide:
        fill_arithmetic(node, channels);
        break;
      case Op::max_pool:
      case Op::average_pool:
        node.attributes = PoolAttributes{{between(1, 3), between(1, 3)},
                                         {between(1, 2), between(1, 2)},
                                         {between(0, 1), between(0, 1), between(0, 1), between(0, 1)},
                                         {1, 1},
                                         below(4) == 0,
                                         below(2) == 0};
        break;
      default:
        fill_layout(node, x);
    }
  }

  // One value a channel where x holds images, else x.
  TensorId pooled(TensorId x) {
    Node node{Op::global_average_pool, "p", {x}, no_tensor, NoAttributes{}};
    const Result<TensorType> type = infer(graph_, node);
    if (!type) return x;
    node.output = graph_.add({"t", type->type, type->shape, {}});
    graph_.nodes.push_back(node);
    return node.output;
  }

  void fill_convolution(Node& node, Dimension channels) {
    const std::int64_t kernel = between(1, 3);
    const TensorId weight = constant({below(2) == 0 ? channels : 4, channels, kernel, kernel});
    node.inputs.push_back(weight);
    if (below(2) == 0) node.inputs.push_back(constant({graph_.tensor(weight).shape[0]}));
    ConvolutionAttributes attributes;
    const std::int64_t padding = kernel / 2;
    if (below(3) > 0) attributes.padding = {padding, padding, padding, padding};
    if (below(5) == 0) attributes.strides = {2, 2};
    if (below(6) == 0) attributes.activation = Activation::relu;
    node.attributes = attributes;
  }

  void fill_arithmetic(Node& node, Dimension channels) {
    const float low = node.op == Op::divide ? 0.5f : -1.0f;
    const Shape shapes[] = {{}, {1}, {channels}, {channels, 1, 1}, {1, channels, 1, 1}, {1, channels}};
    const bool constants = node.op == Op::divide || below(2) == 0;
    node.inputs.push_back(constants ? constant(shapes[below(6)], low, 2) : operand());
    if (node.op != Op::divide && below(2) == 0) std::swap(node.inputs[0], node.inputs[1]);
  }

  void fill_layout(Node& node, const Shape& x) {
    const auto rank = static_cast<std::int64_t>(x.size());
    switch (node.op) {
      case Op::pad: {
        PadAttributes pad{std::vector<std::int64_t>(x.size(), 0), std::vector<std::int64_t>(x.size(), 0)};
        for (std::size_t i = 2; i < x.size(); ++i) {
          pad.before[i] = between(0, 1);
          pad.after[i] = between(below(6) == 0 ? -1 : 0, 1);
        }
        if (below(6) == 0) pad.mode = PadMode::edge;
        if (below(6) == 0) pad.value = -std::numeric_limits<double>::infinity();
        node.attributes = pad;
        break;
      }
      case Op::slice:
        node.attributes = SliceAttributes{
            {between(-2, 1)}, {between(0, 1) ? INT64_MAX : between(1, 5)}, {between(-rank, rank)}, {between(1, 2)}};
        break;
      case Op::reshape: {
        const std::vector<std::int64_t> targets[] = {{0, -1}, {0, 0, -1}, {0, -1, 1, 1}, {-1, 4}, {0, 2, -1, 3}};
        const std::vector<std::int64_t>& target = targets[below(5)];
        if (below(3) == 0) {
          node.inputs.push_back(integers(target));
        } else {
          node.attributes = ReshapeAttributes{target};
        }
        break;
      }
      case Op::flatten:
        node.attributes = AxisAttributes{between(0, 2)};
        break;
      case Op::concat:
        node.attributes = AxisAttributes{1};
        if (below(2) == 0) node.inputs.push_back(operand());
        break;
      case Op::squeeze:
      case Op::unsqueeze:
        if (below(3) == 0) {
          node.inputs.push_back(integers({between(1, 3)}));
        } else {
          node.attributes = AxesAttributes{{between(-rank, rank)}};
        }
        break;
      case Op::transpose: {
        TransposeAttributes transpose{{0, 1, 2, 3}};
        for (std::size_t i = 3; i > 1; --i) std::swap(transpose.permutation[i], transpose.permutation[1 + below(i)]);
        node.attributes = transpose;
        break;
      }
      case Op::reduce_mean:
        node.attributes = ReduceAttributes{{2, 3}, below(2) == 0};
        break;
      case Op::clip:
        node.attributes = ClipAttributes{between(0, 1) ? 0.0 : -0.5, between(0, 1) ? 1e39 : 0.75};
        break;
      default:
        break;
    }
  }

  std::mt19937 generator_;
  Choice choice_;
  Graph graph_;
};

}  // namespace residua::tests
