// Residual networks by name, and from the names and shapes of their tensors.
//
// He et al., "Deep Residual Learning for Image Recognition" (2015), and Xie et al. 2017 (ResNeXt), Zagoruyko and
// Komodakis 2016 (Wide ResNet), He et al. 2016, "Identity Mappings" (pre-activation, v2), He et al. 2018, "Bag of
// Tricks" (ResNet-C, ResNet-D), Hu et al. 2018 (SE-ResNet), in torchvision's and timm's tensor naming.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace residua::graph {

// Shape of a residual network of the v1 / v1.5 family, or of v2.
struct ResNetConfiguration {
  std::string name;  // "resnet50"
  bool bottleneck = true;
  std::vector<int> blocks;    // per stage
  std::vector<int> channels;  // planes per stage before expansion: 64, 128, 256, 512
  int groups = 1;
  int width_per_group = 64;
  bool cifar_stem = false;         // 3x3 stride 1 and no max-pool, else 7x7 stride 2 and max-pool
  bool pre_activation = false;     // v2: norm and relu stand before each convolution, and nothing after the sum
  std::vector<int> deep_stem;      // channels of its first two 3x3 convolutions of three; empty: one convolution
  bool average_shortcut = false;   // ResNet-D: a 2x2 average before a shortcut's convolution, which then has stride 1
  std::vector<int> gates;          // channels between squeeze and excitation, per stage; empty: no gates
  bool option_a_shortcut = false;  // parameter-free: every second pixel, new channels zero
  int classes = 1000;
  int input_size = 224;
};

// Every name `bench --model` and metadata `arch` know, sorted.
std::vector<std::string> known_architectures();
std::optional<ResNetConfiguration> find_architecture(std::string_view name);

// The configuration that the tensors' names and shapes describe; the error says which tensor spoils it.
Result<ResNetConfiguration> recognise_resnet(const std::map<std::string, Tensor>& tensors);

// The network with these weights. Every tensor must be there, have the expected shape and be used;
// `num_batches_tracked` may be present and is dropped. Prefixes ("module.", "state_dict") are already stripped.
Result<Graph> build_resnet(const ResNetConfiguration& configuration, const std::map<std::string, Tensor>& tensors);

// Weights for `configuration`, seeded and scaled so that activations stay of order one: for benchmarks and tests.
std::map<std::string, Tensor> random_weights(const ResNetConfiguration& configuration, std::uint64_t seed);

}  // namespace residua::graph
