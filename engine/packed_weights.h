// Constants in the layouts that steps read them in: packed once, shared by every plan of a model.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "graph/tensor.h"

namespace residua::engine {

// Thread-safe. Plans hold what they use; what none holds any longer is forgotten, so that many shapes leave nothing
// behind. A plan for another shape finds the packed weights of the first one again as long as oneDNN asks for the same
// layout.
class PackedWeights {
 public:
  // `constant`, read as `plain`, in the layout `packed`. The result lives as long as somebody holds it.
  std::shared_ptr<const std::byte> get(const graph::Tensor& constant, const dnnl::memory::desc& plain,
                                       const dnnl::memory::desc& packed);
  // Of what plans hold now.
  std::size_t bytes() const;

 private:
  struct Entry {
    graph::ConstantData source;  // held, so that its address stays a valid key
    dnnl::memory::desc layout;
    std::weak_ptr<const std::byte> data;
  };
  mutable std::mutex mutex_;
  std::map<const std::byte*, std::vector<Entry>> entries_;
};

}  // namespace residua::engine
