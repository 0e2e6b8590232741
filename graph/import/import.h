// Model files: untrusted bytes -> a graph and what the file says about itself.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/mapping.h"

namespace residua::graph {

// A file's bytes, mapped read-only or held in memory. The shared pointer keeps them alive; constants of the imported
// graph point into them.
struct FileBytes {
  std::shared_ptr<const std::byte> data;
  std::size_t size = 0;
  const FileMapping* file = nullptr;  // nullptr: held in memory

  std::span<const std::byte> span() const { return {data.get(), size}; }
  // A piece that shares ownership. offset + length <= size is the caller's to check.
  ConstantData piece(std::size_t offset, std::size_t length) const {
    return {std::shared_ptr<const std::byte>(data, data.get() + offset), length, file};
  }
};

// Maps `path` (a regular file) read-only. Errors name the file and the system's reason.
Result<FileBytes> map_file(const std::filesystem::path& path);

// A constant of a packed model file in the layout of that name, which is the engine's to understand.
struct PackedBlob {
  ConstantData constant;  // as in the graph
  std::string layout;
  ConstantData bytes;                          // from a file: at a multiple of 64 bytes
  std::optional<std::uint64_t> checksum = {};  // checksum_of(bytes), of a file: compared when they are first used
};

// What a packed file says of a constant's stored bytes. Compared before the constant is packed anew.
struct ConstantChecksum {
  const std::byte* bytes = nullptr;
  std::uint64_t checksum = 0;
};

struct ImportedModel {
  Graph graph;         // verified
  std::string format;  // "onnx", "safetensors", "pth (zip)", "pth (legacy)"; of a packed file: what it was packed from
  std::string architecture;  // "resnet50" where it could be told, else empty
  // Keys of the model card (arch, labels, input_size, resize, interpolation, mean, std) as the file holds them:
  // safetensors __metadata__, ONNX metadata_props.
  std::map<std::string, std::string> metadata;
  std::vector<std::string> other_files = {};  // in which weights lie, too: canonical paths

  // Of packed model files only.
  bool is_packed = false;
  std::string packed_for = {};  // the engine that the blobs are for
  std::string made_from = {};   // of a cached file: the model file it stands for, and its state
  std::vector<PackedBlob> packed = {};
  std::vector<ConstantChecksum> checksums = {};
};

enum class FileFormat { onnx, safetensors, pth_zip, pth_legacy, packed };

// Told from the first bytes, never from the name. An error names what the bytes look like instead.
Result<FileFormat> recognise(std::span<const std::byte> bytes);

struct ImportOptions {
  std::string architecture;  // overrides what metadata and tensors say; empty: tell from them
  bool verify = false;       // compare every checksum of a packed model file
};

// Reads a model file of any format. `path` gives the folder that ONNX external data must stay in.
Result<ImportedModel> import_file(const std::filesystem::path& path, const ImportOptions& options = {});

// The same from memory. `folder` empty: external data is refused.
Result<ImportedModel> import_bytes(const FileBytes& bytes, const std::filesystem::path& folder,
                                   const ImportOptions& options = {});

// One importer each; `bytes` is the whole file.
Result<ImportedModel> import_onnx(const FileBytes& bytes, const std::filesystem::path& folder);

// Weight files hold named tensors and no graph; graph/architectures gives them one.
struct WeightFile {
  std::map<std::string, Tensor> tensors;  // float ones widened to float32; all are constants
  std::map<std::string, std::string> metadata;
};
Result<WeightFile> read_safetensors(const FileBytes& bytes);
Result<WeightFile> read_pth_zip(const FileBytes& bytes);
Result<WeightFile> read_pth_legacy(const FileBytes& bytes);

}  // namespace residua::graph
