#include "tools/evidence_painter.h"

#include <span>

#include "tools/heat_map.h"

namespace residua::tool {

EvidencePainter::EvidencePainter(const Model& model, const ContextOptions& options, const TensorInfo& map)
    : model_(model),
      info_(model.info()),
      map_(map),
      context_(model, options),
      scores_(static_cast<std::size_t>(map.values)) {}

Image EvidencePainter::paint(const Image& photo, const Image& small, std::int32_t of_class) {
  const std::vector<std::uint8_t> pixels = model_.preprocess(photo.rgb, photo.width, photo.height);
  const Output output{.name = "class_map", .values = scores_};
  context_.run(Input{.data = pixels.data()}, std::span(&output, 1));
  const ClassMap map =
      map_of_class(scores_, static_cast<int>(map_.shape[2]), static_cast<int>(map_.shape[3]), of_class);
  return draw_heat_map(small, {info_.resize, info_.input_width, info_.input_height}, map);
}

}  // namespace residua::tool
