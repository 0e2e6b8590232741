// Whether a model's files are those that its digests were made of.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "engine/model_card.h"
#include "graph/import/import.h"
#include "graph/result.h"

namespace residua::engine {

// Digests of files, by name, as MODEL.sha256 beside the model lists them ("sha256sum m.onnx m.data > m.onnx.sha256"),
// and as the sidecar's "sha256" says of the model itself. Empty where there are none.
using FileDigests = std::map<std::string, std::string>;
graph::Result<FileDigests> file_digests(const CardSources& sources);

// Compares every file listed, all of them in the model's folder. An error names the file and both digests.
graph::Status check_files(const FileDigests& digests, const std::filesystem::path& model);

// The same of a model in memory, which the sidecar speaks of.
graph::Status check_bytes(const FileDigests& digests, std::span<const std::byte> bytes);

// Compares the weights with the sidecar's "weights_sha256", where there is one.
graph::Status check_weights(const CardSources& sources, const graph::Graph& network);

// Where there are digests, every other file that weights came from must be among them.
graph::Status check_all_are_listed(const FileDigests& digests, const std::filesystem::path& model,
                                   const graph::ImportedModel& imported);

}  // namespace residua::engine
