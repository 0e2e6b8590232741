#include "tools/evaluation_pictures.h"

#include <optional>

#include "tools/heat_map.h"
#include "tools/image/image.h"
#include "tools/image/resize.h"

namespace residua::tool {
namespace {

constexpr int longer_side = 360;  // as wide as the page shows them, and a little more
constexpr int quality = 80;

// Draws the evidence that a model sees in photos.
class EvidencePainter {
 public:
  // `map`: the model's "class_map".
  EvidencePainter(const Model& model, const ContextOptions& options, const TensorInfo& map)
      : model_(model), info_(model.info()), map_(map), context_(model, options) {
    scores_.resize(static_cast<std::size_t>(map_.values));
  }

  // Over `small`, which is the photo in another size.
  Image paint(const Image& photo, const Image& small, std::int32_t of_class) {
    const std::vector<std::uint8_t> pixels = model_.preprocess(photo.rgb, photo.width, photo.height);
    const Output output{.name = "class_map", .values = scores_};
    context_.run(Input{.data = pixels.data()}, std::span(&output, 1));
    const auto height = static_cast<int>(map_.shape[2]), width = static_cast<int>(map_.shape[3]);
    const auto places = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
    const std::span<const float> scores =
        std::span(scores_).subspan(static_cast<std::size_t>(of_class) * places, places);
    return draw_heat_map(small, {info_.resize, info_.input_width, info_.input_height}, {scores, height, width});
  }

 private:
  const Model& model_;
  const ModelInfo info_;
  const TensorInfo map_;
  Context context_;
  std::vector<float> scores_;
};

}  // namespace

std::vector<WrongPicture> wrong_pictures(const Model& model, const ContextOptions& options,
                                         const EvaluationReport& report, std::size_t most) {
  std::optional<EvidencePainter> painter;
  if (const auto map = model.try_tensor("class_map")) painter.emplace(model, options, *map);
  std::vector<WrongPicture> pictures;
  for (const std::size_t number : report.evaluation.most_wrong) {
    if (pictures.size() == most) break;
    const Judgement& judgement = report.judgements[number];
    try {
      const Image photo = read_image(report.set.images[judgement.image].path);
      const Image small = fitted(photo, longer_side);
      WrongPicture picture{.judgement = number, .photo = encode_jpeg(small, quality), .evidence = ""};
      if (painter) picture.evidence = encode_jpeg(painter->paint(photo, small, judgement.guesses[0].index), quality);
      pictures.push_back(std::move(picture));
    } catch (const ImageError&) {
      continue;
    }
  }
  return pictures;
}

}  // namespace residua::tool
