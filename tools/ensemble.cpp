#include "tools/ensemble.h"

#include <algorithm>

#include "tools/command.h"
#include "tools/model_file.h"

namespace residua::tool {
namespace {

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

void check_same_classes(const Model& model, const std::string& path, const Model& first,
                        const std::string& first_path) {
  const std::int32_t classes = model.info().classes, expected = first.info().classes;
  if (classes != expected)
    throw ModelError(path + ": " + std::to_string(classes) + " classes, where " + first_path + " has " +
                     std::to_string(expected) + ": models of an ensemble need the same");
  for (std::int32_t i = 0; i < classes; ++i) {
    const auto label = model.label(i), expected_label = first.label(i);
    if (label && expected_label && *label != *expected_label)
      throw ModelError(path + ": class " + std::to_string(i) + " is " + quoted(*label) + ", in " + first_path + " " +
                       quoted(*expected_label) +
                       ": models of an ensemble need the same classes (--labels FILE names those of all)");
  }
}

}  // namespace

std::vector<Model> open_ensemble(const std::vector<std::string>& paths, const LoadOptions& options) {
  std::vector<Model> models;
  std::size_t labelled = 0;
  for (const std::string& path : paths) {
    models.push_back(open_model(path, options));
    const Model& model = models.back();
    if (const ModelInfo info = model.info(); info.channels != 3 || info.classes < 1)
      throw ModelError(path + ": the model takes images of " + std::to_string(info.channels) + " channels and gives " +
                       std::to_string(info.classes) + " classes: 3 channels and at least 1 class expected");
    if (models[labelled].info().label_count == 0) labelled = models.size() - 1;
    check_same_classes(model, path, models[0], paths[0]);
    check_same_classes(model, path, models[labelled], paths[labelled]);
  }
  return models;
}

const Model& labelled_model(const std::vector<Model>& models) {
  const auto found =
      std::find_if(models.begin(), models.end(), [](const Model& model) { return model.info().label_count > 0; });
  return found == models.end() ? models[0] : *found;
}

}  // namespace residua::tool
