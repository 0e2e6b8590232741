#include "graph/import/weights_model.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "graph/architectures/resnet.h"
#include "graph/import/name.h"

namespace residua::graph {
namespace {

// What wrappers put before every name: data parallelism, torch.compile, Lightning, containers of a backbone.
constexpr std::array<std::string_view, 5> prefixes{"module.", "_orig_mod.", "model.", "backbone.", "state_dict."};

using Tensors = std::map<std::string, Tensor>;

bool all_start_with(const Tensors& tensors, std::string_view prefix) {
  return !tensors.empty() && std::all_of(tensors.begin(), tensors.end(), [prefix](const auto& entry) {
    return entry.first.size() > prefix.size() && entry.first.starts_with(prefix);
  });
}

// Each round shortens every name, so it ends.
void strip_prefixes(Tensors& tensors) {
  for (std::size_t i = 0; i < prefixes.size();) {
    if (!all_start_with(tensors, prefixes[i])) {
      ++i;
      continue;
    }
    Tensors stripped;
    for (auto& [name, tensor] : tensors) {
      tensor.name = name.substr(prefixes[i].size());
      std::string plain = tensor.name;
      stripped.emplace(std::move(plain), std::move(tensor));
    }
    tensors = std::move(stripped);
    i = 0;
  }
}

Result<ResNetConfiguration> named_configuration(const std::string& name, const std::string& source,
                                                const Tensors& tensors) {
  RESIDUA_ASSIGN(const std::string known, check_architecture(name, source));
  ResNetConfiguration configuration = *find_architecture(known);
  for (const char* classifier : {"fc.weight", "linear.weight"}) {
    const auto found = tensors.find(classifier);
    if (found == tensors.end() || found->second.shape.size() != 2) continue;
    const Dimension classes = found->second.shape[0];
    // Any other number is left for build_resnet to refuse by the tensor's name.
    if (classes >= 1 && classes <= 1 << 24) configuration.classes = static_cast<int>(classes);
    break;
  }
  return configuration;
}

}  // namespace

Result<std::string> check_architecture(const std::string& name, const std::string& source) {
  if (const auto found = find_architecture(name)) return found->name;
  std::string known;
  for (const std::string& each : known_architectures()) known += (known.empty() ? "" : ", ") + each;
  return Error{ErrorCode::unsupported,
               "the architecture " + in_quotes(name) + " from " + source + " is not supported; known are " + known};
}

Result<ImportedModel> model_of_weights(WeightFile file, std::string format, const ImportOptions& options) {
  strip_prefixes(file.tensors);
  const auto arch = file.metadata.find("arch");
  const bool by_metadata = arch != file.metadata.end() && !arch->second.empty();
  auto configuration = !options.architecture.empty()
                           ? named_configuration(options.architecture, "the options", file.tensors)
                       : by_metadata ? named_configuration(arch->second, "the file's metadata", file.tensors)
                                     : recognise_resnet(file.tensors);
  if (!configuration) return configuration.error();
  RESIDUA_ASSIGN(Graph graph, build_resnet(*configuration, file.tensors));
  return ImportedModel{std::move(graph), std::move(format), configuration->name, std::move(file.metadata)};
}

}  // namespace residua::graph
