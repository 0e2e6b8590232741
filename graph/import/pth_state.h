// The tensors of a PyTorch checkpoint, as its pickle describes them; their bytes lie elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/import/pickle.h"
#include "graph/tensor.h"

namespace residua::graph {

struct StorageReference {
  std::string key;
  ElementType type = ElementType::float32;
  std::int64_t elements = 0;  // of the whole storage, >= 0; times the element size it fits int64
  // The part of it that the tensor sees (old files have views of storages): within the storage.
  std::int64_t view_offset = 0;
  std::int64_t view_elements = 0;
};

struct TensorReference {
  std::string name;
  StorageReference storage;
  std::int64_t offset = 0;            // elements from the start of the view; >= 0
  Shape sizes;                        // >= 0
  std::vector<std::int64_t> strides;  // elements, >= 0, one a dimension
};

// Every storage that the pickle mentions, once each, sorted by key; an error where two mentions disagree.
Result<std::vector<StorageReference>> storages_of(const Pickle& pickle);

// The state dict: the root, or what it holds under `state_dict`, `model`, ... Values beside the tensors (epoch,
// counters) are passed over. Errors name the tensor.
Result<std::vector<TensorReference>> tensors_of(const Pickle& pickle);

}  // namespace residua::graph
