// The relatives that share much of a ResNet's naming and none of its arithmetic.
#include <array>
#include <string_view>

#include "graph/architectures/resnet_layers.h"

namespace residua::graph {
namespace {

struct Relative {
  enum class Match { prefix, part } match;
  std::string_view text;
  std::string_view what;
};

constexpr std::array relatives{
    Relative{Relative::Match::part, ".se.conv.", "an efficient channel attention block (ECA-ResNet)"},
    Relative{Relative::Match::part, ".se_module.", "a squeeze-and-excitation block of an older naming (SE-ResNet)"},
    Relative{Relative::Match::part, ".attn", "an attention block"},
    Relative{Relative::Match::part, ".paths.", "a selective-kernel block (SKNet)"},
    Relative{Relative::Match::part, ".convs.", "a multi-scale block (Res2Net)"},
    Relative{Relative::Match::part, ".conv2.fc1.", "a split-attention block (ResNeSt)"},
    Relative{Relative::Match::part, ".conv2_offset.", "a deformable convolution"},
    Relative{Relative::Match::part, ".aa.", "an anti-aliasing block"},
    Relative{Relative::Match::prefix, "maxpool.", "a convolution in the place of the max-pool (ResNet-RS)"},
    Relative{Relative::Match::part, ".norm1.", "a pre-activation or group-norm network (ResNet v2)"},
    Relative{Relative::Match::prefix, "stem.", "a network of another naming (ResNet v2, RegNet, CSPNet, BYOBNet)"},
    Relative{Relative::Match::prefix, "stages.", "a network of another naming (ResNet v2, ConvNeXt, BYOBNet)"},
    Relative{Relative::Match::prefix, "resnet.", "Hugging Face transformers' naming"},
    Relative{Relative::Match::prefix, "features.", "a network of another family (DenseNet, VGG, MobileNet)"},
    Relative{Relative::Match::prefix, "blocks.", "a network of another family (vision transformer, EfficientNet)"},
};

bool matches(const Relative& relative, const std::string& name) {
  return relative.match == Relative::Match::prefix ? name.starts_with(relative.text)
                                                   : name.find(relative.text) != std::string::npos;
}

Error refuse(const std::string& name, std::string_view what) {
  return {ErrorCode::unsupported, "tensor '" + name + "' belongs to " + std::string(what) + ", which is not supported"};
}

}  // namespace

bool is_pre_activation(const std::map<std::string, Tensor>& tensors) {
  return tensors.contains("stem.conv.weight") && tensors.contains("stages.0.blocks.0.norm1.running_mean") &&
         tensors.contains("head.fc.weight");
}

Status check_family(const std::map<std::string, Tensor>& tensors) {
  if (is_pre_activation(tensors)) return {};  // each tensor is compared with what is expected later
  for (const Relative& relative : relatives) {
    for (const auto& [name, tensor] : tensors) {
      if (matches(relative, name)) return refuse(name, relative.what);
    }
  }
  const auto first_norm = tensors.find("layer1.0.bn1.weight");
  if (tensors.contains("conv1.weight") && first_norm != tensors.end() && !tensors.contains("bn1.weight")) {
    return refuse(first_norm->first, "a pre-activation network (no 'bn1.weight' follows 'conv1.weight')");
  }
  if (tensors.contains("bn1.weight") && !tensors.contains("bn1.running_mean")) {
    return refuse("bn1.weight", "a norm without running statistics (group norm, instance norm)");
  }
  return {};
}

}  // namespace residua::graph
