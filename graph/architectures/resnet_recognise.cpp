#include <algorithm>
#include <tuple>

#include "graph/architectures/resnet_layers.h"

namespace residua::graph {
namespace {

// Beyond any network of the family; below it no product of a few dimensions leaves int64.
constexpr std::int64_t largest_dimension = 1 << 24;

using Tensors = std::map<std::string, Tensor>;

// The shape of a tensor that any network of the family has.
Result<Shape> shape_of(const Tensors& tensors, const std::string& name, std::size_t rank) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) {
    return Error{ErrorCode::mismatch, "tensor '" + name + "' is missing: these " + std::to_string(tensors.size()) +
                                          " tensors are no residual network in torchvision's or timm's naming" +
                                          (tensors.empty() ? "" : " (the first is '" + tensors.begin()->first + "')")};
  }
  const Shape& shape = found->second.shape;
  const bool in_range =
      std::all_of(shape.begin(), shape.end(), [](Dimension d) { return d >= 1 && d <= largest_dimension; });
  if (shape.size() != rank || !in_range) {
    return Error{ErrorCode::mismatch, "tensor '" + name + "': found " + to_string(shape) + ", expected " +
                                          std::to_string(rank) + " positive dimensions"};
  }
  return shape;
}

// Blocks of each stage, counted by their first convolution.
std::vector<int> count_blocks(const Tensors& tensors, bool pre_activation) {
  std::vector<int> blocks;
  const auto has_block = [&](int index) {
    return tensors.contains(block_name(pre_activation, blocks.size(), index) + ".conv1.weight");
  };
  while (has_block(0)) {
    int count = 1;
    while (has_block(count)) ++count;
    blocks.push_back(count);
  }
  return blocks;
}

// Channels of a deep stem's first two convolutions.
Status read_deep_stem(const Tensors& tensors, ResNetConfiguration& configuration) {
  for (const char* name : {"conv1.0.weight", "conv1.3.weight"}) {
    RESIDUA_ASSIGN(const Shape shape, shape_of(tensors, name, 4));
    configuration.deep_stem.push_back(static_cast<int>(shape[0]));
  }
  return {};
}

// Channels between squeeze and excitation, of each stage's first block; the others are compared with it later.
Status read_gates(const Tensors& tensors, ResNetConfiguration& configuration) {
  if (!tensors.contains("layer1.0.se.fc1.weight")) return {};
  for (std::size_t stage = 0; stage < configuration.blocks.size(); ++stage) {
    RESIDUA_ASSIGN(const Shape shape, shape_of(tensors, block_name(false, stage, 0) + ".se.fc1.weight", 4));
    configuration.gates.push_back(static_cast<int>(shape[0]));
  }
  return {};
}

// A plain shortcut holds a convolution at 0 and its batch norm at 1; ResNet-D's holds a pool, which has no tensors, at
// 0.
bool has_average_shortcut(const Tensors& tensors) {
  return std::any_of(tensors.begin(), tensors.end(), [](const auto& entry) {
    return entry.first.ends_with(".downsample.1.weight") && entry.second.shape.size() == 4;
  });
}

Status read_stem(const Tensors& tensors, ResNetConfiguration& configuration) {
  if (tensors.contains("conv1.0.weight")) return read_deep_stem(tensors, configuration);
  const std::string name = configuration.pre_activation ? "stem.conv.weight" : "conv1.weight";
  RESIDUA_ASSIGN(const Shape stem, shape_of(tensors, name, 4));
  configuration.cifar_stem = stem[2] == 3 && stem[3] == 3;
  if (stem[1] != 3 || (!configuration.cifar_stem && !(stem[2] == 7 && stem[3] == 7))) {
    return Error{ErrorCode::unsupported, "tensor '" + name + "': found " + to_string(stem) +
                                             ", expected a stem of 3 input channels, 7x7 or 3x3"};
  }
  configuration.input_size = configuration.cifar_stem ? 32 : 224;
  return {};
}

Status read_stage(const Tensors& tensors, std::size_t stage, ResNetConfiguration& configuration) {
  const std::string block = block_name(configuration.pre_activation, stage, 0);
  RESIDUA_ASSIGN(const Shape last,
                 shape_of(tensors, block + (configuration.bottleneck ? ".conv3.weight" : ".conv2.weight"), 4));
  const std::int64_t expansion = expansion_of(configuration.bottleneck);
  if (last[0] % expansion != 0) {
    return Error{ErrorCode::mismatch, "tensor '" + block + ".conv3.weight': " + std::to_string(last[0]) +
                                          " output channels, expected a multiple of 4"};
  }
  configuration.channels.push_back(static_cast<int>(last[0] / expansion));
  return {};
}

// Groups and width of bottlenecks, from the first 3x3 convolution [width, width / groups, 3, 3].
Status read_width(const Tensors& tensors, ResNetConfiguration& configuration) {
  const std::string name = block_name(configuration.pre_activation, 0, 0) + ".conv2.weight";
  RESIDUA_ASSIGN(const Shape middle, shape_of(tensors, name, 4));
  const std::int64_t width = middle[0], channels = configuration.channels[0];
  const std::int64_t groups = width / middle[1];
  if (groups < 1 || width % middle[1] != 0 || width * 64 % (channels * groups) != 0) {
    return Error{ErrorCode::unsupported, "tensor '" + name + "': found " + to_string(middle) +
                                             ", which is no grouping of a block of " + std::to_string(channels) +
                                             " channels"};
  }
  configuration.groups = static_cast<int>(groups);
  configuration.width_per_group = static_cast<int>(width * 64 / (channels * groups));
  return {};
}

bool has_projection(const Tensors& tensors) {
  return std::any_of(tensors.begin(), tensors.end(), [](const auto& entry) {
    return entry.first.find(".downsample.") != std::string::npos || entry.first.find(".shortcut.") != std::string::npos;
  });
}

std::string join(const std::vector<int>& numbers) {
  std::string text;
  for (const int number : numbers) {
    if (!text.empty()) text += '-';
    text += std::to_string(number);
  }
  return text;
}

std::string name_of(const ResNetConfiguration& found) {
  for (const std::string& name : known_architectures()) {
    const ResNetConfiguration known = *find_architecture(name);
    const auto structure = [](const ResNetConfiguration& c) {
      return std::tie(c.bottleneck, c.blocks, c.channels, c.groups, c.width_per_group, c.cifar_stem, c.pre_activation,
                      c.deep_stem, c.average_shortcut, c.gates, c.option_a_shortcut);
    };
    if (structure(known) == structure(found)) return name;
  }
  return "resnet (custom: " + join(found.blocks) + (found.bottleneck ? " bottleneck" : " basic") + " blocks of " +
         join(found.channels) + " channels" +
         (found.bottleneck ? ", " + std::to_string(found.groups) + "x" + std::to_string(found.width_per_group) : "") +
         (found.cifar_stem ? ", 3x3 stem" : "") + (found.pre_activation ? ", pre-activation" : "") +
         (found.deep_stem.empty() ? "" : ", deep stem") + (found.average_shortcut ? ", averaged shortcuts" : "") +
         (found.gates.empty() ? "" : ", gates") + (found.option_a_shortcut ? ", parameter-free shortcuts" : "") + ")";
}

}  // namespace

Result<ResNetConfiguration> recognise_resnet(const Tensors& tensors) {
  RESIDUA_RETURN_IF_ERROR(check_family(tensors));
  ResNetConfiguration configuration;
  configuration.pre_activation = is_pre_activation(tensors);
  RESIDUA_RETURN_IF_ERROR(read_stem(tensors, configuration));
  const std::string first = block_name(configuration.pre_activation, 0, 0);
  configuration.blocks = count_blocks(tensors, configuration.pre_activation);
  if (configuration.blocks.empty()) RESIDUA_RETURN_IF_ERROR(shape_of(tensors, first + ".conv1.weight", 4));
  configuration.bottleneck = tensors.contains(first + ".conv3.weight");
  for (std::size_t stage = 0; stage < configuration.blocks.size(); ++stage) {
    RESIDUA_RETURN_IF_ERROR(read_stage(tensors, stage, configuration));
  }
  if (configuration.bottleneck) RESIDUA_RETURN_IF_ERROR(read_width(tensors, configuration));
  RESIDUA_RETURN_IF_ERROR(read_gates(tensors, configuration));
  configuration.average_shortcut = has_average_shortcut(tensors);
  // An ImageNet network that lacks its projections is a damaged file, not one of option A.
  configuration.option_a_shortcut = configuration.cifar_stem && !configuration.bottleneck && !has_projection(tensors) &&
                                    configuration.blocks.size() > 1;
  RESIDUA_ASSIGN(const Shape classifier, configuration.pre_activation
                                             ? shape_of(tensors, "head.fc.weight", 4)
                                             : shape_of(tensors, naming_of(tensors).classifier + ".weight", 2));
  configuration.classes = static_cast<int>(classifier[0]);
  configuration.name = name_of(configuration);
  if (const Status status = check_configuration(configuration); !status) {
    return Error{ErrorCode::unsupported, status.error().message};
  }
  return configuration;
}

}  // namespace residua::graph
