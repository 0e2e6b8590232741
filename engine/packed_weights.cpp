#include "engine/packed_weights.h"

#include <cstring>

#include "engine/onednn.h"

namespace residua::engine {

std::shared_ptr<const std::byte> PackedWeights::get(const graph::Tensor& constant, const dnnl::memory::desc& plain,
                                                    const dnnl::memory::desc& packed) {
  const std::lock_guard lock(mutex_);
  std::vector<Entry>& entries = entries_[constant.constant.bytes.get()];
  std::erase_if(entries, [](const Entry& entry) { return entry.data.expired(); });
  for (const Entry& entry : entries)
    if (entry.layout == packed)
      if (auto data = entry.data.lock()) return data;

  const std::vector<float> values = graph::read_floats(constant);
  const std::shared_ptr<std::byte> data = allocate_aligned(packed.get_size());
  if (plain == packed) {
    std::memcpy(data.get(), values.data(), values.size() * sizeof(float));
  } else {
    dnnl::stream stream(cpu_engine());
    const dnnl::reorder::primitive_desc reorder(cpu_engine(), plain, cpu_engine(), packed);
    OnednnCall call(dnnl::reorder(reorder), stream);
    call.add(DNNL_ARG_FROM, plain, values.data());
    call.add(DNNL_ARG_TO, packed, data.get());
    call();
    stream.wait();
  }
  entries.push_back({constant.constant, packed, data});
  return data;
}

std::size_t PackedWeights::bytes() const {
  const std::lock_guard lock(mutex_);
  std::size_t sum = 0;
  for (const auto& [address, entries] : entries_)
    for (const Entry& entry : entries)
      if (!entry.data.expired()) sum += entry.layout.get_size();
  return sum;
}

}  // namespace residua::engine
