// The layers of a residual network, spelt out: what building, checking and drawing weights all follow.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/architectures/resnet.h"

namespace residua::graph {

// A convolution without bias, padded by half its kernel, and the batch norm after it, or, in a pre-activation network,
// before it; its name is empty where there is none.
struct ConvolutionLayer {
  std::string convolution;  // "layer1.0.conv1": its weight is "layer1.0.conv1.weight"
  std::string batch_norm;   // "layer1.0.bn1"
  std::int64_t out_channels = 0;
  std::int64_t in_channels = 0;
  std::int64_t kernel = 1;
  std::int64_t stride = 1;
  std::int64_t groups = 1;
};

// Squeeze and excitation of a block's branch: average, 1x1 convolution, relu, 1x1 convolution, sigmoid; a factor for
// each channel.
struct Gate {
  std::string name;  // "layer1.0.se", of fc1 and fc2
  std::int64_t channels = 0;
};

struct ResidualBlock {
  std::string name;                            // "layer1.0"
  std::vector<ConvolutionLayer> branch;        // relu between them
  std::optional<Gate> gate;                    // after the branch
  std::optional<ConvolutionLayer> projection;  // on the shortcut
  bool average_shortcut = false;               // by stride x stride pixels, before the projection
  // Without a projection a shortcut that changes shape (option A) takes every stride-th pixel and adds zero channels.
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t stride = 1;
};

struct ResNetLayers {
  bool pre_activation = false;
  std::vector<ConvolutionLayer> stem;  // a relu after each
  bool max_pool = true;
  std::vector<ResidualBlock> blocks;
  std::string last_norm;   // before the average, in a pre-activation network: "norm"
  std::string classifier;  // "fc"; a 1x1 convolution in a pre-activation network
  std::int64_t features = 0;
  std::int64_t classes = 0;
};

// What differs between the files of one and the same network.
struct ResNetNaming {
  std::string classifier = "fc";        // or "linear"
  std::string shortcut = "downsample";  // or "shortcut"; then ".0" and ".1"
};

ResNetNaming naming_of(const std::map<std::string, Tensor>& tensors);

// The configuration must be in range: see check_configuration.
ResNetLayers layers_of(const ResNetConfiguration& configuration, const ResNetNaming& naming = {});

// Counts are positive and small enough that no product of a few of them leaves int64; widths divide as they must.
Status check_configuration(const ResNetConfiguration& configuration);

// "layer1.0", or "stages.0.blocks.0" in a pre-activation network; both count from 0 here.
std::string block_name(bool pre_activation, std::size_t stage, int index);

Shape classifier_shape(const ResNetLayers& layers);

// Whether the tensors are those of a pre-activation network with batch norm, in timm's naming.
bool is_pre_activation(const std::map<std::string, Tensor>& tensors);

// Every tensor of the network with its shape, in the order in which they run.
std::vector<std::pair<std::string, Shape>> expected_tensors(const ResNetLayers& layers);

// Refuses tensors whose names or shapes belong to a relative of the family that is not supported, naming the first and
// what it belongs to.
Status check_family(const std::map<std::string, Tensor>& tensors);

inline constexpr std::int64_t expansion_of(bool bottleneck) { return bottleneck ? 4 : 1; }

}  // namespace residua::graph
