// Constants in the layouts that steps read them in: packed once, shared by every plan of a model.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "graph/tensor.h"

namespace residua::engine {

// A layout by name ("winograd 4x4, 2 x 16 channels", ...): the same name and constant always mean the same bytes.
struct PackedLayout {
  std::string name;
  std::size_t bytes = 0;
};

// The constants themselves are not needed in memory once packed: those that are pieces of a mapped file leave it.
//
// Thread-safe. Plans hold what they use; what none holds any longer is forgotten, so that many shapes leave nothing
// behind. A plan for another shape finds the packed weights of the first one again as long as its steps ask for the
// same layout.
class PackedWeights {
 public:
  // Writes the layout's bytes, all of them, from the constant's values in their logical order.
  using Pack = std::function<void(std::span<const float> values, std::byte* packed)>;

  // `constant` in `layout`, 64-byte aligned. The result lives as long as somebody holds it.
  std::shared_ptr<const std::byte> get(const graph::Tensor& constant, const PackedLayout& layout, const Pack& pack);
  // Of what plans hold now.
  std::size_t bytes() const;

 private:
  struct Entry {
    graph::ConstantData source;  // held, so that its addresses stay a valid key
    PackedLayout layout;
    std::weak_ptr<const std::byte> data;
  };
  // Where a constant's bytes and its row factors lie.
  using Key = std::pair<const std::byte*, const std::vector<double>*>;
  mutable std::mutex mutex_;
  std::map<Key, std::vector<Entry>> entries_;
};

}  // namespace residua::engine
