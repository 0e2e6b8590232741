#include "tools/image_groups.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace residua::tool {
namespace {

constexpr std::size_t groups_ahead = 2;  // a worker's, of what is left, when the next one is cut

}  // namespace

ImageGroups::ImageGroups(Source source, std::size_t threads, std::size_t batch)
    : paths_(std::move(source.arguments), source.list_descriptor), batch_(batch), workers_(threads), least_(1) {
  const std::size_t known = look_ahead();
  if (paths_.all_known()) workers_ = std::clamp<std::size_t>(known, 1, threads);
  least_ = std::clamp<std::size_t>(known / (workers_ * groups_ahead), 1, std::min<std::size_t>(batch, 2));
}

std::size_t ImageGroups::look_ahead() {
  const std::size_t known = paths_.look_ahead(workers_ * groups_ahead * batch_);
  if (paths_.all_known()) total_ = taken_ + known;
  return known;
}

std::vector<ImageInput> ImageGroups::take(const std::stop_token& stop) {
  const std::size_t known = look_ahead();
  const std::size_t share = known / (workers_ * groups_ahead);
  std::size_t size = share >= batch_ ? batch_ : std::bit_floor(std::max(share, least_));
  if (least_ > 1 && size < batch_ && known == size + 1) ++size;
  size = std::clamp<std::size_t>(known, 1, size);  // what is known can be had without waiting
  std::vector<ImageInput> group;
  while (group.size() < size) {
    std::optional<ImageInput> image = paths_.next(stop);
    if (!image) break;
    group.push_back(std::move(*image));
  }
  taken_ += group.size();
  return group;
}

std::optional<std::size_t> ImageGroups::total() const {
  const std::size_t total = total_;
  return total == unknown ? std::nullopt : std::optional(total);
}

}  // namespace residua::tool
