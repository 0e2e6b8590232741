// The networks known by name.
#include <algorithm>

#include "graph/architectures/resnet.h"

namespace residua::graph {
namespace {

ResNetConfiguration imagenet(std::string name, bool bottleneck, std::vector<int> blocks, int groups = 1,
                             int width = 64) {
  ResNetConfiguration configuration;
  configuration.name = std::move(name);
  configuration.bottleneck = bottleneck;
  configuration.blocks = std::move(blocks);
  configuration.channels = {64, 128, 256, 512};
  configuration.groups = groups;
  configuration.width_per_group = width;
  return configuration;
}

// Three stages of n blocks of two convolutions: depth = 6 n + 2.
ResNetConfiguration cifar(int depth, bool option_a) {
  ResNetConfiguration configuration;
  configuration.name = "resnet" + std::to_string(depth) + (option_a ? "_cifar_a" : "_cifar");
  configuration.bottleneck = false;
  configuration.blocks = std::vector<int>(3, (depth - 2) / 6);
  configuration.channels = {16, 32, 64};
  configuration.cifar_stem = true;
  configuration.option_a_shortcut = option_a;
  configuration.classes = 10;
  configuration.input_size = 32;
  return configuration;
}

std::vector<ResNetConfiguration> make_table() {
  std::vector<ResNetConfiguration> table{
      imagenet("resnet18", false, {2, 2, 2, 2}),
      imagenet("resnet34", false, {3, 4, 6, 3}),
      imagenet("resnet50", true, {3, 4, 6, 3}),
      imagenet("resnet101", true, {3, 4, 23, 3}),
      imagenet("resnet152", true, {3, 8, 36, 3}),
      imagenet("resnext50_32x4d", true, {3, 4, 6, 3}, 32, 4),
      imagenet("resnext101_32x8d", true, {3, 4, 23, 3}, 32, 8),
      imagenet("resnext101_64x4d", true, {3, 4, 23, 3}, 64, 4),
      imagenet("wide_resnet50_2", true, {3, 4, 6, 3}, 1, 128),
      imagenet("wide_resnet101_2", true, {3, 4, 23, 3}, 1, 128),
  };
  // He et al. 2018, by timm's names.
  for (std::size_t plain = 0; plain < 5; ++plain) {
    for (const char* variant : {"c", "d"}) {
      ResNetConfiguration configuration = table[plain];
      configuration.name += variant;
      configuration.deep_stem = {32, 32};
      configuration.average_shortcut = *variant == 'd';
      table.push_back(std::move(configuration));
    }
  }
  // He et al. 2016, by timm's names.
  for (std::size_t plain = 0; plain < 5; ++plain) {
    ResNetConfiguration configuration = table[plain];
    configuration.name = "resnetv2_" + configuration.name.substr(std::string_view("resnet").size());
    configuration.pre_activation = true;
    table.push_back(std::move(configuration));
  }
  // Hu et al. 2018: a sixteenth of the channels between squeeze and excitation.
  for (ResNetConfiguration configuration :
       {imagenet("seresnet50", true, {3, 4, 6, 3}), imagenet("seresnet101", true, {3, 4, 23, 3}),
        imagenet("seresnet152", true, {3, 8, 36, 3}), imagenet("seresnext50_32x4d", true, {3, 4, 6, 3}, 32, 4),
        imagenet("seresnext101_32x4d", true, {3, 4, 23, 3}, 32, 4),
        imagenet("seresnext101_32x8d", true, {3, 4, 23, 3}, 32, 8)}) {
    configuration.gates = {16, 32, 64, 128};
    table.push_back(std::move(configuration));
  }
  for (const int depth : {20, 32, 44, 56, 110, 1202}) {
    table.push_back(cifar(depth, false));
    table.push_back(cifar(depth, true));
  }
  std::sort(table.begin(), table.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return table;
}

const std::vector<ResNetConfiguration>& table() {
  static const std::vector<ResNetConfiguration> configurations = make_table();
  return configurations;
}

}  // namespace

std::vector<std::string> known_architectures() {
  std::vector<std::string> names;
  for (const ResNetConfiguration& configuration : table()) names.push_back(configuration.name);
  return names;
}

std::optional<ResNetConfiguration> find_architecture(std::string_view name) {
  // timm appends where the weights come from: "resnet50.a1_in1k"
  const std::string_view plain = name.substr(0, name.find('.'));
  for (const ResNetConfiguration& configuration : table()) {
    if (configuration.name == plain) return configuration;
  }
  return {};
}

}  // namespace residua::graph
