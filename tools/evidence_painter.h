// Where a model sees a class, over photos in any size.
#pragma once

#include <cstdint>
#include <vector>

#include "residua/residua.hpp"
#include "tools/image/image.h"

namespace residua::tool {

// For one thread.
class EvidencePainter {
 public:
  // `map`: the model's "class_map".
  EvidencePainter(const Model& model, const ContextOptions& options, const TensorInfo& map);

  // A heat map (tools/heat_map.h) over `small`, which is the photo in another size. Throws Error.
  Image paint(const Image& photo, const Image& small, std::int32_t of_class);

 private:
  const Model& model_;
  const ModelInfo info_;
  const TensorInfo map_;
  Context context_;
  std::vector<float> scores_;
};

}  // namespace residua::tool
