#include <cmath>
#include <random>

#include "graph/architectures/resnet_layers.h"

namespace residua::graph {
namespace {

// Uniform numbers that are the same on every platform: the standard leaves its distributions open, not its engine. Two
// numbers a draw: the wide networks have 127 million weights.
class Uniform {
 public:
  explicit Uniform(std::uint64_t seed) : engine_(seed) {}

  Tensor draw(const std::string& name, const Shape& shape, float low, float high) {
    std::int64_t count = 1;
    for (const Dimension dimension : shape) count *= dimension;  // check_configuration bounds it
    const auto size = static_cast<std::size_t>(count);
    const std::shared_ptr<float[]> values(new float[size]);
    float* const value = values.get();
    const float scale = (high - low) / 0x1p24f;
    for (std::size_t i = 0; i < size; i += 2) {
      const std::uint64_t bits = engine_();
      value[i] = low + static_cast<float>(bits >> 40) * scale;
      if (i + 1 < size) value[i + 1] = low + static_cast<float>(bits & 0xffffff) * scale;
    }
    const auto* bytes = reinterpret_cast<const std::byte*>(values.get());
    return {name, ElementType::float32, shape, {std::shared_ptr<const std::byte>(values, bytes), size * sizeof(float)}};
  }

 private:
  std::mt19937_64 engine_;
};

// Draws layer by layer and follows the mean square of the activations, so that each batch norm's statistics fit what it
// gets: without that, a deep network's activations grow by a quarter a block.
class Network {
 public:
  explicit Network(std::uint64_t seed) : uniform_(seed) {}

  std::map<std::string, Tensor> draw(const ResNetLayers& layers) && {
    double square = 1;
    for (const ConvolutionLayer& each : layers.stem) {
      if (layers.pre_activation)
        convolution(each, 1);
      else
        square = after_relu(layer(each, square, 0.8f, 1.2f));
    }
    if (layers.max_pool) square *= 2;  // the largest of nine
    for (const ResidualBlock& block : layers.blocks)
      square = layers.pre_activation ? pre_activated_residual(block, square) : residual(block, square);
    if (layers.pre_activation) square = after_relu(norm(layers.last_norm, layers.features, square, 0.8f, 1.2f));
    const auto bound = static_cast<float>(std::sqrt(3 / (static_cast<double>(layers.features) * square)));
    add(layers.classifier + ".weight", classifier_shape(layers), -bound, bound);
    add(layers.classifier + ".bias", {layers.classes}, -0.1f, 0.1f);
    return std::move(tensors_);
  }

 private:
  static double after_relu(double square) { return square / 2; }

  void add(const std::string& name, const Shape& shape, float low, float high) {
    tensors_.emplace(name, uniform_.draw(name, shape, low, high));
  }

  // Weights that hand on the mean square of what comes in, times the square of `gain`.
  void convolution(const ConvolutionLayer& layer, double gain) {
    const std::int64_t inputs = layer.in_channels / layer.groups;
    const auto fan_in = static_cast<double>(inputs * layer.kernel * layer.kernel);
    const auto bound = static_cast<float>(gain * std::sqrt(3 / fan_in));  // variance 1 / fan_in
    add(layer.convolution + ".weight", {layer.out_channels, inputs, layer.kernel, layer.kernel}, -bound, bound);
  }

  // Returns the mean square after the norm, given that before it.
  double norm(const std::string& name, std::int64_t count, double square, float least_scale, float largest_scale) {
    const auto variance = static_cast<float>(square);
    const Shape channels{count};
    add(name + ".weight", channels, least_scale, largest_scale);
    add(name + ".bias", channels, -0.1f, 0.1f);
    add(name + ".running_mean", channels, -0.2f * std::sqrt(variance), 0.2f * std::sqrt(variance));
    add(name + ".running_var", channels, 0.8f * variance, 1.25f * variance);
    const double scale = (least_scale + largest_scale) / 2;
    return scale * scale;
  }

  // Returns the mean square after the batch norm, given that of the convolution's input.
  double layer(const ConvolutionLayer& layer, double square, float least_scale, float largest_scale) {
    convolution(layer, 1);
    return norm(layer.batch_norm, layer.out_channels, square, least_scale, largest_scale);
  }

  double pre_activated_residual(const ResidualBlock& block, double square) {
    constexpr double small = 0.35;  // as trained residuals are beside what they are added to
    double branch = square;
    for (const ConvolutionLayer& each : block.branch) {
      const bool last = &each == &block.branch.back();
      branch = after_relu(norm(each.batch_norm, each.in_channels, branch, 0.8f, 1.2f));
      convolution(each, last ? small : 1);
    }
    if (block.projection) {
      convolution(*block.projection, 1);
      square = branch;
    }
    return square + small * small * branch;
  }

  // Its factors lie about 1/2; returns the mean of their squares.
  double gate(const ResidualBlock& block) {
    const std::string& name = block.gate->name;
    const std::int64_t outer = block.out_channels, inner = block.gate->channels;
    const auto bound = [](std::int64_t fan_in) {
      return static_cast<float>(std::sqrt(3.0 / static_cast<double>(fan_in)));
    };
    add(name + ".fc1.weight", {inner, outer, 1, 1}, -bound(outer), bound(outer));
    add(name + ".fc1.bias", {inner}, -0.1f, 0.1f);
    add(name + ".fc2.weight", {outer, inner, 1, 1}, -bound(inner), bound(inner));
    add(name + ".fc2.bias", {outer}, -0.1f, 0.1f);
    return 0.25;
  }

  double residual(const ResidualBlock& block, double square) {
    double branch = square;
    for (std::size_t i = 0; i < block.branch.size(); ++i) {
      const bool last = i + 1 == block.branch.size();
      // A trained network's residuals are small beside what they are added to.
      branch =
          last ? layer(block.branch[i], branch, 0.2f, 0.5f) : after_relu(layer(block.branch[i], branch, 0.8f, 1.2f));
    }
    if (block.gate) branch *= gate(block);
    if (block.projection) return after_relu(layer(*block.projection, square, 0.8f, 1.2f) + branch);
    return square + branch;  // the shortcut holds nothing negative: relu takes little
  }

  Uniform uniform_;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace

std::map<std::string, Tensor> random_weights(const ResNetConfiguration& configuration, std::uint64_t seed) {
  if (const Status status = check_configuration(configuration); !status) throw InternalError(status.error().message);
  return Network(seed).draw(layers_of(configuration));
}

}  // namespace residua::graph
