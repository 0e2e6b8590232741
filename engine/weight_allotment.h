// A limit on memory: which weights may be kept in which transformed forms, decided once for all plans of a model.
//
// Winograd's transformed weights are 12/9 to 36/9 of the weights' own size, Strassen's 7/4. Under a limit the forms are
// given out to the weights that save the most multiplications for each byte they add. That looks at the network at its
// own image size and at nothing else: were it decided plan by plan, what the second plan may use would depend on the
// first, and so would the bits of its outputs.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "engine/steps/step.h"

namespace residua::engine {

class WeightAllotment {
 public:
  // `one_image`: the optimised network on one image of its own size. `limit`: bytes that transformed weights may add to
  // the weights' own size, at least 1.
  WeightAllotment(const graph::Graph& one_image, const kernels::KernelTable& kernels, std::size_t limit);

  // Why the limit keeps `implementation` from running this node, "" where it does not.
  std::string reject(const StepRequest& request, const Implementation& implementation) const;
  // Whether that is the one form that the limit left to the node's weights: no rule on shapes may choose another then.
  bool is_only_form(const StepRequest& request, const Implementation& implementation) const;
  // Whether the limit keeps anything from any weight.
  bool keeps_back() const { return !everything_fits_; }
  // Bytes that the forms given out add, all in use.
  std::size_t added_bytes() const { return added_; }

 private:
  using Key = std::pair<const std::byte*, const std::vector<double>*>;
  static Key key_of(const graph::Tensor& weight) {
    return {weight.constant.bytes.get(), weight.constant.row_scale.get()};
  }

  std::size_t limit_, added_ = 0;
  bool everything_fits_ = false;
  std::map<Key, std::set<std::string>> forms_;  // names of implementations, by weight
};

}  // namespace residua::engine
