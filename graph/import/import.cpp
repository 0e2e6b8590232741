#include "graph/import/import.h"

#include "graph/import/packed_file.h"
#include "graph/import/weights_model.h"

namespace residua::graph {
namespace {

using WeightReader = Result<WeightFile> (*)(const FileBytes&);

Result<ImportedModel> import_weights(WeightReader read, const char* format, const FileBytes& bytes,
                                     const ImportOptions& options) {
  RESIDUA_ASSIGN(WeightFile file, read(bytes));
  return model_of_weights(std::move(file), format, options);
}

// The file has a graph; a name given for it only says which presets go with it.
Result<ImportedModel> import_graph(const FileBytes& bytes, const std::filesystem::path& folder,
                                   const ImportOptions& options) {
  RESIDUA_ASSIGN(ImportedModel model, import_onnx(bytes, folder));
  if (!options.architecture.empty()) {
    RESIDUA_ASSIGN(model.architecture, check_architecture(options.architecture, "the options"));
  }
  return model;
}

// As for any file that has a graph.
Result<ImportedModel> import_packed(const FileBytes& bytes, const ImportOptions& options) {
  RESIDUA_ASSIGN(ImportedModel model, read_packed_file(bytes, options.verify));
  if (!options.architecture.empty()) {
    RESIDUA_ASSIGN(model.architecture, check_architecture(options.architecture, "the options"));
  }
  return model;
}

}  // namespace

Result<ImportedModel> import_bytes(const FileBytes& bytes, const std::filesystem::path& folder,
                                   const ImportOptions& options) {
  RESIDUA_ASSIGN(const FileFormat format, recognise(bytes.span()));
  switch (format) {
    case FileFormat::onnx:
      return import_graph(bytes, folder, options);
    case FileFormat::safetensors:
      return import_weights(read_safetensors, "safetensors", bytes, options);
    case FileFormat::pth_zip:
      return import_weights(read_pth_zip, "pth (zip)", bytes, options);
    case FileFormat::pth_legacy:
      return import_weights(read_pth_legacy, "pth (legacy)", bytes, options);
    case FileFormat::packed:
      return import_packed(bytes, options);
  }
  throw InternalError("a file format without an importer");
}

Result<ImportedModel> import_file(const std::filesystem::path& path, const ImportOptions& options) {
  RESIDUA_ASSIGN(const FileBytes bytes, map_file(path));
  // An empty folder would mean that external data is refused.
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  auto model = import_bytes(bytes, folder, options);
  if (!model) return Error{model.error().code, path.string() + ": " + model.error().message};
  return model;
}

}  // namespace residua::graph
