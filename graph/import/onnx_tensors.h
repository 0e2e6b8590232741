// TensorProto -> constant Tensor.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "graph/graph.h"
#include "graph/import/import.h"
#include "graph/import/onnx_schema.h"

namespace residua::graph::onnx {

// What an ONNX element type is in a graph: floating-point types become float32, int32 becomes int64.
struct ElementTypeInfo {
  std::int32_t code;  // TensorProto.DataType
  std::string_view name;
  ElementType in_file;
  ElementType in_graph;
};
Result<ElementTypeInfo> element_type_info(std::int32_t code);

class TensorLoader {
 public:
  // `folder` is where external data may lie; empty: nowhere.
  TensorLoader(FileBytes file, std::filesystem::path folder) : file_(std::move(file)), folder_(std::move(folder)) {}

  const FileBytes& file() const { return file_; }
  // Whether a tensor's data lay in another file.
  std::vector<std::string> external_files() const;  // canonical paths of those mapped so far

  // A tensor whose bytes already are what the graph wants points into the file; others are converted. Sizes are
  // checked against the shape before anything is allocated. Errors name the tensor.
  Result<Tensor> load(const TensorMessage& message);

  // Counts bytes that are about to be allocated beside the file; an error when they are out of proportion to its size,
  // as only a file that uses the same bytes again and again can make them.
  Status charge(std::size_t bytes);

 private:
  Result<ConstantData> bytes_of(const TensorMessage& message, std::size_t expected);
  Result<ConstantData> external_bytes(const TensorMessage& message, std::size_t expected);
  Result<const FileBytes*> map_external(std::string_view location);

  FileBytes file_;
  std::filesystem::path folder_;
  std::map<std::string, FileBytes> external_files_;  // by canonical path
  std::size_t mapped_bytes_ = 0;
  std::size_t charged_bytes_ = 0;
};

}  // namespace residua::graph::onnx
