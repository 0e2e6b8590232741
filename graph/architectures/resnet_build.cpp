#include <set>

#include "graph/architectures/resnet_layers.h"
#include "graph/infer.h"
#include "graph/verify.h"

namespace residua::graph {
namespace {

using Tensors = std::map<std::string, Tensor>;

constexpr double batch_norm_epsilon = 1e-5;

Error mismatch(std::string message) { return {ErrorCode::mismatch, std::move(message)}; }

// Each expected tensor is there with its shape, and nothing else is.
Status check_tensors(const ResNetConfiguration& configuration, const ResNetLayers& layers, const Tensors& tensors) {
  std::set<std::string> expected;
  for (const auto& [name, shape] : expected_tensors(layers)) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) {
      return mismatch("tensor '" + name + "' " + to_string(shape) + " of " + configuration.name + " is missing");
    }
    const Tensor& tensor = found->second;
    if (tensor.shape != shape) {
      return mismatch("tensor '" + name + "': found " + to_string(tensor.shape) + ", expected " + to_string(shape) +
                      " for " + configuration.name);
    }
    if (tensor.type != ElementType::float32 || !tensor.is_constant()) {
      return mismatch("tensor '" + name + "': found " + std::string(name_of(tensor.type)) +
                      (tensor.is_constant() ? "" : " without values") + ", expected a float32 constant");
    }
    expected.insert(name);
  }
  for (const auto& [name, tensor] : tensors) {
    if (expected.contains(name) || name.ends_with(".num_batches_tracked")) continue;
    return mismatch("tensor '" + name + "' " + to_string(tensor.shape) + " has no place in " + configuration.name);
  }
  return {};
}

// Lays nodes one after another; each method returns the tensor it makes. Shapes are inferred at the end.
class Builder {
 public:
  Builder(const ResNetConfiguration& configuration, const Tensors& weights) : weights_(weights) {
    graph_.name = configuration.name;
    graph_.inputs = {
        graph_.add({"input", ElementType::float32, {batch_dimension, 3, unknown_dimension, unknown_dimension}, {}})};
  }

  Graph build(const ResNetLayers& layers) && {
    TensorId x = graph_.inputs[0];
    for (const ConvolutionLayer& layer : layers.stem) {
      const bool last = &layer == &layers.stem.back();
      x = convolution(x, layer);
      if (!layer.batch_norm.empty()) x = relu(normed(x, layer.batch_norm), last ? "relu" : layer.batch_norm + ".relu");
    }
    if (layers.max_pool) x = node(Op::max_pool, "maxpool", {x}, PoolAttributes{{3, 3}, {2, 2}, {1, 1, 1, 1}});
    for (const ResidualBlock& block : layers.blocks)
      x = layers.pre_activation ? pre_activated_residual(x, block) : residual(x, block);
    if (!layers.last_norm.empty()) x = relu(normed(x, layers.last_norm), layers.last_norm + ".relu");
    x = node(Op::global_average_pool, "avgpool", {x});
    x = node(Op::flatten, "flatten", {x}, AxisAttributes{1});
    x = classified(x, layers);
    graph_.tensor(x).name = "logits";
    graph_.outputs = {x};
    return std::move(graph_);
  }

 private:
  TensorId node(Op op, std::string name, std::vector<TensorId> inputs, Attributes attributes = {}) {
    const TensorId output = graph_.add({name, ElementType::float32, {}, {}});
    graph_.nodes.push_back({op, std::move(name), std::move(inputs), output, std::move(attributes)});
    return output;
  }

  TensorId weight(const std::string& name) {
    Tensor tensor = weights_.at(name);
    tensor.name = name;
    return graph_.add(std::move(tensor));
  }

  TensorId relu(TensorId x, std::string name) { return node(Op::relu, std::move(name), {x}); }

  // The weights of a classifier that is a 1x1 convolution are those of a matrix product.
  TensorId classified(TensorId x, const ResNetLayers& layers) {
    const TensorId matrix = weight(layers.classifier + ".weight");
    graph_.tensor(matrix).shape = {layers.classes, layers.features};
    return node(Op::fully_connected, layers.classifier, {x, matrix, weight(layers.classifier + ".bias")});
  }

  TensorId normed(TensorId x, const std::string& norm) {
    return node(Op::batch_norm, norm,
                {x, weight(norm + ".weight"), weight(norm + ".bias"), weight(norm + ".running_mean"),
                 weight(norm + ".running_var")},
                BatchNormAttributes{batch_norm_epsilon});
  }

  TensorId convolution(TensorId x, const ConvolutionLayer& layer) {
    ConvolutionAttributes attributes;
    const std::int64_t padding = layer.kernel / 2;
    attributes.strides = {layer.stride, layer.stride};
    attributes.padding = {padding, padding, padding, padding};
    attributes.groups = layer.groups;
    return node(Op::convolution, layer.convolution, {x, weight(layer.convolution + ".weight")}, attributes);
  }

  TensorId normed_convolution(TensorId x, const ConvolutionLayer& layer) {
    return normed(convolution(x, layer), layer.batch_norm);
  }

  // As timm has it: the average of an odd image's last row or column is over what there is.
  TensorId averaged(TensorId x, const ResidualBlock& block) {
    if (!block.average_shortcut || block.stride == 1) return x;
    PoolAttributes pool;
    pool.kernel = pool.strides = {block.stride, block.stride};
    pool.ceil_mode = true;
    return node(Op::average_pool, block.name + ".shortcut.average", {x}, pool);
  }

  TensorId gated(TensorId x, const Gate& gate) {
    TensorId y = node(Op::global_average_pool, gate.name + ".average", {x});
    y = node(Op::convolution, gate.name + ".fc1",
             {y, weight(gate.name + ".fc1.weight"), weight(gate.name + ".fc1.bias")}, ConvolutionAttributes{});
    y = relu(y, gate.name + ".relu");
    y = node(Op::convolution, gate.name + ".fc2",
             {y, weight(gate.name + ".fc2.weight"), weight(gate.name + ".fc2.bias")}, ConvolutionAttributes{});
    y = node(Op::sigmoid, gate.name + ".sigmoid", {y});
    return node(Op::multiply, gate.name, {x, y});
  }

  TensorId shortcut(TensorId x, const ResidualBlock& block) {
    if (block.projection) return normed_convolution(averaged(x, block), *block.projection);
    if (block.stride != 1) {
      x = node(Op::slice, block.name + ".shortcut.slice", {x},
               SliceAttributes{{0, 0}, {INT64_MAX, INT64_MAX}, {2, 3}, {block.stride, block.stride}});
    }
    if (block.in_channels != block.out_channels) {
      const std::int64_t half = (block.out_channels - block.in_channels) / 2;  // new channels on both sides
      x = node(Op::pad, block.name + ".shortcut.pad", {x}, PadAttributes{{0, half, 0, 0}, {0, half, 0, 0}, 0});
    }
    return x;
  }

  TensorId residual(TensorId x, const ResidualBlock& block) {
    TensorId y = x;
    for (std::size_t i = 0; i < block.branch.size(); ++i) {
      if (i > 0) y = relu(y, block.name + ".relu" + std::to_string(i));
      y = normed_convolution(y, block.branch[i]);
    }
    if (block.gate) y = gated(y, *block.gate);
    return relu(node(Op::add, block.name + ".add", {y, shortcut(x, block)}), block.name + ".relu");
  }

  // He et al. 2016: the first norm and relu are the shortcut's too, where it has a projection.
  TensorId pre_activated_residual(TensorId x, const ResidualBlock& block) {
    TensorId y = x, shortcut = x;
    for (const ConvolutionLayer& layer : block.branch) {
      y = relu(normed(y, layer.batch_norm), layer.batch_norm + ".relu");
      if (&layer == &block.branch.front() && block.projection) shortcut = convolution(y, *block.projection);
      y = convolution(y, layer);
    }
    return node(Op::add, block.name + ".add", {y, shortcut});
  }

  Graph graph_;
  const Tensors& weights_;
};

}  // namespace

Result<Graph> build_resnet(const ResNetConfiguration& configuration, const Tensors& tensors) {
  RESIDUA_RETURN_IF_ERROR(check_configuration(configuration));
  RESIDUA_RETURN_IF_ERROR(check_family(tensors));
  const ResNetLayers layers = layers_of(configuration, naming_of(tensors));
  RESIDUA_RETURN_IF_ERROR(check_tensors(configuration, layers, tensors));
  RESIDUA_ASSIGN(Graph graph, infer_shapes(Builder(configuration, tensors).build(layers)));
  RESIDUA_RETURN_IF_ERROR(verify(graph));
  return graph;
}

}  // namespace residua::graph
