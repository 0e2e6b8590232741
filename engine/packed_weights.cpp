#include "engine/packed_weights.h"

#include <algorithm>

#include "engine/arena.h"
#include "engine/log.h"
#include "engine/stop.h"
#include "engine/threads.h"
#include "graph/import/packed_file.h"
#include "graph/mapping.h"

namespace residua::engine {

std::shared_ptr<const std::byte> PackedWeights::get(const graph::Tensor& constant, const PackedLayout& layout,
                                                    const Pack& pack) {
  const std::lock_guard lock(mutex_);
  std::vector<Entry>& entries = entries_[key_of(constant.constant)];
  std::erase_if(entries, [](const Entry& entry) { return entry.data.expired(); });
  for (const Entry& entry : entries)
    if (entry.layout.name == layout.name)
      if (auto data = entry.data.lock()) return data;

  if (const auto offered = offered_.find(key_of(constant.constant)); offered != offered_.end())
    for (auto blob = offered->second.begin(); blob != offered->second.end(); ++blob)
      if (blob->layout == layout.name && blob->bytes.size == layout.bytes) {
        if (blob->checksum && purpose_ != Purpose::only_sizes &&
            graph::checksum_of(blob->bytes.span()) != *blob->checksum) {
          log("packed weights of '" + constant.name + "' are damaged, and made again: their checksum differs");
          offered->second.erase(blob);
          break;
        }
        blob->checksum.reset();
        entries.push_back({constant.constant, layout, blob->bytes.bytes});
        return blob->bytes.bytes;
      }

  if (purpose_ == Purpose::only_sizes) {
    static const std::byte nothing{};
    std::shared_ptr<const std::byte> data(&nothing, [](const std::byte*) {});
    entries.push_back({constant.constant, layout, data});
    return data;
  }
  const auto checksum = checksums_.find(constant.constant.bytes.get());
  if (checksum != checksums_.end() && graph::checksum_of(constant.constant.span()) != checksum->second)
    throw Stopped{{graph::ErrorCode::malformed,
                   "weight '" + constant.name + "' in the packed model file is damaged: its checksum differs"}};
  const std::shared_ptr<std::byte> data = allocate_aligned(layout.bytes);
  fill(constant, layout, pack, data.get());
  graph::give_back_pages(constant.constant);
  ++packings_;
  entries.push_back({constant.constant, layout, data});
  return data;
}

void PackedWeights::watch(const std::vector<graph::ConstantChecksum>& checksums) {
  const std::lock_guard lock(mutex_);
  for (const graph::ConstantChecksum& each : checksums) checksums_.emplace(each.bytes, each.checksum);
}

void PackedWeights::offer(const std::vector<graph::PackedBlob>& blobs) {
  const std::lock_guard lock(mutex_);
  for (const graph::PackedBlob& blob : blobs) offered_[key_of(blob.constant)].push_back(blob);
}

std::vector<graph::PackedBlob> PackedWeights::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<graph::PackedBlob> blobs;
  for (const auto& [key, offered] : offered_) blobs.insert(blobs.end(), offered.begin(), offered.end());
  for (const auto& [key, entries] : entries_)
    for (const Entry& entry : entries) {
      const auto data = entry.data.lock();
      const bool known = std::any_of(blobs.begin(), blobs.end(),
                                     [&](const graph::PackedBlob& blob) { return blob.bytes.bytes == data; });
      if (data && !known) blobs.push_back({entry.source, entry.layout.name, {data, entry.layout.bytes}});
    }
  return blobs;
}

std::size_t PackedWeights::packings() const {
  const std::lock_guard lock(mutex_);
  return packings_;
}

void PackedWeights::fill(const graph::Tensor& constant, const PackedLayout& layout, const Pack& pack,
                         std::byte* packed) {
  constexpr std::size_t piece = 1 << 16;  // of floats that are read at once
  std::span<const float> values = graph::floats_in_place(constant);
  std::vector<Phase> phases;
  if (values.empty()) {
    const std::size_t count = constant.constant.size / graph::size_of(constant.type);
    if (capacity_ < count) {
      values_ = std::make_unique_for_overwrite<float[]>(count);
      capacity_ = count;
    }
    values = {values_.get(), count};
    phases.push_back({static_cast<std::int64_t>((count + piece - 1) / piece), [&, count](std::int64_t part, int) {
                        const std::size_t first = static_cast<std::size_t>(part) * piece;
                        graph::read_floats(constant, first, {values_.get() + first, std::min(piece, count - first)});
                      }});
  }
  phases.push_back({layout.parts, [&](std::int64_t part, int) { pack(values, part, packed); }});
  run_phases(phases, threads_);  // asked anew for each constant: callers come and wait
}

void PackedWeights::end_packing() {
  const std::lock_guard lock(mutex_);
  values_.reset();
  capacity_ = 0;
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
