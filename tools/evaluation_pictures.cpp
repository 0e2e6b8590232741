#include "tools/evaluation_pictures.h"

#include <exception>
#include <optional>

#include "tools/evidence_painter.h"
#include "tools/image/image.h"
#include "tools/image/resize.h"

namespace residua::tool {
namespace {

constexpr int longer_side = 360;  // as wide as the page shows them, and a little more
constexpr int quality = 80;

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
    } catch (const std::exception&) {  // an image that has vanished or changed since, or is too large for memory
      continue;
    }
  }
  return pictures;
}

}  // namespace residua::tool
