#include "graph/architectures/resnet_layers.h"

#include <algorithm>

namespace residua::graph {
namespace {

constexpr int most_channels = 1 << 16;
constexpr int most_blocks = 1000;
constexpr std::size_t most_stages = 16;

// Channels of a block's 3x3 convolution.
std::int64_t width_of(const ResNetConfiguration& configuration, int channels) {
  if (!configuration.bottleneck) return channels;
  return std::int64_t{channels} * configuration.width_per_group / 64 * configuration.groups;
}

}  // namespace

ResNetNaming naming_of(const std::map<std::string, Tensor>& tensors) {
  ResNetNaming naming;
  if (tensors.contains("linear.weight") && !tensors.contains("fc.weight")) naming.classifier = "linear";
  const bool shortcut = std::any_of(tensors.begin(), tensors.end(), [](const auto& entry) {
    return entry.first.find(".shortcut.0.weight") != std::string::npos;
  });
  if (shortcut) naming.shortcut = "shortcut";
  return naming;
}

Status check_configuration(const ResNetConfiguration& configuration) {
  const auto invalid = [&](const std::string& what) {
    return Error{ErrorCode::invalid_argument, "network '" + configuration.name + "': " + what};
  };
  const auto in_range = [](int value, int most) { return value >= 1 && value <= most; };
  if (configuration.blocks.empty() || configuration.blocks.size() > most_stages ||
      configuration.blocks.size() != configuration.channels.size()) {
    return invalid(std::to_string(configuration.blocks.size()) + " stages with " +
                   std::to_string(configuration.channels.size()) + " channel counts, expected 1 to 16 of each");
  }
  if (!in_range(configuration.groups, most_channels) || !in_range(configuration.width_per_group, most_channels) ||
      !in_range(configuration.classes, 1 << 24)) {
    return invalid("groups, width and classes must be positive and not huge");
  }
  if (!configuration.bottleneck && (configuration.groups != 1 || configuration.width_per_group != 64)) {
    return invalid("only bottleneck blocks have groups and a width of their own");
  }
  const std::vector<int>&deep_stem = configuration.deep_stem, &gates = configuration.gates;
  const auto all_in_range = [&](const std::vector<int>& values) {
    return std::all_of(values.begin(), values.end(), [&](int value) { return in_range(value, most_channels); });
  };
  if ((!deep_stem.empty() && (deep_stem.size() != 2 || configuration.cifar_stem)) || !all_in_range(deep_stem) ||
      (!gates.empty() && gates.size() != configuration.blocks.size()) || !all_in_range(gates)) {
    return invalid("a deep stem has two channel counts before its last one, and gates have one a stage, each positive");
  }
  if (configuration.pre_activation && (configuration.cifar_stem || !deep_stem.empty() || !gates.empty() ||
                                       configuration.average_shortcut || configuration.option_a_shortcut)) {
    return invalid("a pre-activation network has a stem of one 7x7 convolution, plain projections and no gates");
  }
  for (std::size_t stage = 0; stage < configuration.blocks.size(); ++stage) {
    const std::string where = "stage " + std::to_string(stage + 1) + ": ";
    const int channels = configuration.channels[stage];
    if (!in_range(configuration.blocks[stage], most_blocks) || !in_range(channels, most_channels)) {
      return invalid(where + std::to_string(configuration.blocks[stage]) + " blocks of " + std::to_string(channels) +
                     " channels, expected 1 to 1000 and 1 to 65536");
    }
    const std::int64_t width = width_of(configuration, channels);
    if (width < 1 || width > most_channels) return invalid(where + "a width of " + std::to_string(width));
    if (!configuration.option_a_shortcut || stage == 0) continue;
    const int added = channels - configuration.channels[stage - 1];
    if (added < 0 || added % 2 != 0) {
      return invalid(where + "a parameter-free shortcut cannot go from " +
                     std::to_string(configuration.channels[stage - 1]) + " to " + std::to_string(channels) +
                     " channels");
    }
  }
  if (configuration.option_a_shortcut && configuration.bottleneck) {
    return invalid("bottleneck blocks have no parameter-free shortcut");
  }
  return {};
}

namespace {

// A deep stem's tensors are named by its place in a sequence: convolution, norm, relu, convolution, norm, relu,
// convolution.
std::vector<ConvolutionLayer> stem_of(const ResNetConfiguration& configuration) {
  const std::int64_t channels = configuration.channels[0];
  const bool cifar = configuration.cifar_stem;
  if (configuration.pre_activation) return {{"stem.conv", "", channels, 3, 7, 2, 1}};
  if (configuration.deep_stem.empty()) return {{"conv1", "bn1", channels, 3, cifar ? 3 : 7, cifar ? 1 : 2, 1}};
  const std::int64_t first = configuration.deep_stem[0], second = configuration.deep_stem[1];
  return {{"conv1.0", "conv1.1", first, 3, 3, 2, 1},
          {"conv1.3", "conv1.4", second, first, 3, 1, 1},
          {"conv1.6", "bn1", channels, second, 3, 1, 1}};
}

// On the shortcut named so. ResNet-D's average, which has no tensors, takes the first place in the sequence.
ConvolutionLayer projection_of(const ResNetConfiguration& configuration, const ResidualBlock& block,
                               const std::string& shortcut) {
  const bool averages = configuration.average_shortcut;
  ConvolutionLayer layer{shortcut + (averages ? ".1" : ".0"), shortcut + (averages ? ".2" : ".1")};
  if (configuration.pre_activation) layer = {shortcut + ".conv", ""};
  layer.out_channels = block.out_channels;
  layer.in_channels = block.in_channels;
  layer.stride = averages ? 1 : block.stride;
  return layer;
}

}  // namespace

ResNetLayers layers_of(const ResNetConfiguration& configuration, const ResNetNaming& naming) {
  ResNetLayers layers;
  std::int64_t in_channels = configuration.channels[0];
  const bool cifar = configuration.cifar_stem;
  layers.stem = stem_of(configuration);
  layers.max_pool = !cifar;
  const std::int64_t expansion = expansion_of(configuration.bottleneck);
  for (std::size_t stage = 0; stage < configuration.blocks.size(); ++stage) {
    const std::int64_t channels = configuration.channels[stage];
    const std::int64_t width = width_of(configuration, configuration.channels[stage]);
    const std::int64_t out_channels = channels * expansion;
    for (int index = 0; index < configuration.blocks[stage]; ++index) {
      ResidualBlock block;
      block.name = block_name(configuration.pre_activation, stage, index);
      block.in_channels = in_channels;
      block.out_channels = out_channels;
      block.stride = stage > 0 && index == 0 ? 2 : 1;
      const auto add = [&](const char* number, std::int64_t out, std::int64_t in, std::int64_t kernel,
                           std::int64_t stride, std::int64_t groups) {
        const std::string norm = block.name + (configuration.pre_activation ? ".norm" : ".bn") + number;
        block.branch.push_back({block.name + ".conv" + number, norm, out, in, kernel, stride, groups});
      };
      if (configuration.bottleneck) {
        add("1", width, in_channels, 1, 1, 1);
        add("2", width, width, 3, block.stride, configuration.groups);  // v1.5: the stride sits here, not on the 1x1
        add("3", out_channels, width, 1, 1, 1);
      } else {
        add("1", channels, in_channels, 3, block.stride, 1);
        add("2", channels, channels, 3, 1, 1);
      }
      if (!configuration.gates.empty()) block.gate = {block.name + ".se", configuration.gates[stage]};
      if (!configuration.option_a_shortcut && (block.stride != 1 || in_channels != out_channels)) {
        block.average_shortcut = configuration.average_shortcut && block.stride != 1;
        block.projection = projection_of(configuration, block, block.name + "." + naming.shortcut);
      }
      layers.blocks.push_back(std::move(block));
      in_channels = out_channels;
    }
  }
  layers.pre_activation = configuration.pre_activation;
  if (layers.pre_activation) layers.last_norm = "norm";
  layers.classifier = layers.pre_activation ? "head.fc" : naming.classifier;
  layers.features = in_channels;
  layers.classes = configuration.classes;
  return layers;
}

std::string block_name(bool pre_activation, std::size_t stage, int index) {
  if (pre_activation) return "stages." + std::to_string(stage) + ".blocks." + std::to_string(index);
  return "layer" + std::to_string(stage + 1) + "." + std::to_string(index);
}

Shape classifier_shape(const ResNetLayers& layers) {
  Shape shape{layers.classes, layers.features};
  if (layers.pre_activation) shape.insert(shape.end(), 2, 1);
  return shape;
}

std::vector<std::pair<std::string, Shape>> expected_tensors(const ResNetLayers& layers) {
  std::vector<std::pair<std::string, Shape>> tensors;
  const auto add_norm = [&](const std::string& name, std::int64_t channels) {
    if (name.empty()) return;
    for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"})
      tensors.emplace_back(name + part, Shape{channels});
  };
  const auto add = [&](const ConvolutionLayer& layer) {
    tensors.emplace_back(layer.convolution + ".weight",
                         Shape{layer.out_channels, layer.in_channels / layer.groups, layer.kernel, layer.kernel});
    add_norm(layer.batch_norm, layers.pre_activation ? layer.in_channels : layer.out_channels);
  };
  for (const ConvolutionLayer& layer : layers.stem) add(layer);
  for (const ResidualBlock& block : layers.blocks) {
    for (const ConvolutionLayer& layer : block.branch) add(layer);
    if (block.gate) {
      const std::int64_t outer = block.out_channels, inner = block.gate->channels;
      tensors.emplace_back(block.gate->name + ".fc1.weight", Shape{inner, outer, 1, 1});
      tensors.emplace_back(block.gate->name + ".fc1.bias", Shape{inner});
      tensors.emplace_back(block.gate->name + ".fc2.weight", Shape{outer, inner, 1, 1});
      tensors.emplace_back(block.gate->name + ".fc2.bias", Shape{outer});
    }
    if (block.projection) add(*block.projection);
  }
  add_norm(layers.last_norm, layers.features);
  tensors.emplace_back(layers.classifier + ".weight", classifier_shape(layers));
  tensors.emplace_back(layers.classifier + ".bias", Shape{layers.classes});
  return tensors;
}

}  // namespace residua::graph
