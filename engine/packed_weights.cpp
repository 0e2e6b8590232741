#include "engine/packed_weights.h"

#include "engine/arena.h"
#include "graph/mapping.h"

namespace residua::engine {

std::shared_ptr<const std::byte> PackedWeights::get(const graph::Tensor& constant, const PackedLayout& layout,
                                                    const Pack& pack) {
  const std::lock_guard lock(mutex_);
  std::vector<Entry>& entries = entries_[{constant.constant.bytes.get(), constant.constant.row_scale.get()}];
  std::erase_if(entries, [](const Entry& entry) { return entry.data.expired(); });
  for (const Entry& entry : entries)
    if (entry.layout.name == layout.name)
      if (auto data = entry.data.lock()) return data;

  const std::shared_ptr<std::byte> data = allocate_aligned(layout.bytes);
  if (const std::span<const float> in_place = graph::floats_in_place(constant); !in_place.empty())
    pack(in_place, data.get());
  else
    pack(graph::read_floats(constant), data.get());
  graph::give_back_pages(constant.constant);
  entries.push_back({constant.constant, layout, data});
  return data;
}

std::size_t PackedWeights::bytes() const {
  const std::lock_guard lock(mutex_);
  std::size_t sum = 0;
  for (const auto& [key, entries] : entries_)
    for (const Entry& entry : entries)
      if (!entry.data.expired()) sum += entry.layout.bytes;
  return sum;
}

}  // namespace residua::engine
