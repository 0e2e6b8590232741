// Tensors from their description and the storages' bytes.
#pragma once

#include <functional>
#include <vector>

#include "graph/import/import.h"
#include "graph/import/pth_state.h"

namespace residua::graph {

// All bytes of a storage: elements x element size, little-endian. Asked once a storage.
using StorageLoader = std::function<Result<ConstantData>(const StorageReference&)>;

// Dense row-major tensors, floating-point ones widened to float32. Views are checked against their storage; memory is
// bounded by a small multiple of the storages'. A contiguous float32 tensor shares its storage's bytes.
Result<WeightFile> make_tensors(const std::vector<TensorReference>& tensors, const StorageLoader& load);

}  // namespace residua::graph
