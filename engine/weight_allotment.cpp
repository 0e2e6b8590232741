#include "engine/weight_allotment.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/format_numbers.h"
#include "engine/layout.h"
#include "engine/select.h"
#include "engine/steps/convolution_cost.h"

namespace residua::engine {
namespace {

// A form that a weight may take on top of those it has.
struct Offer {
  std::string form;
  bool instead = false;        // of the form before it, which goes
  std::size_t bytes = 0;       // of the form
  double multiplications = 0;  // with it, in all nodes that use the weight
};

// One weight, and what it is offered: forms in rising order of bytes, each saving more than the one before.
struct Ladder {
  std::size_t own_bytes = 0;
  double multiplications = 0;  // with what it has
  std::size_t held = 0;        // bytes of the form it has now; its own size at first
  bool can_leave_own = true;   // every node that uses it can take every offer
  std::vector<Offer> offers;
  std::size_t next = 0;
  std::set<std::string> taken;

  bool is_over() const { return next == offers.size(); }
  std::size_t step_bytes() const {
    const Offer& offer = offers[next];
    return offer.bytes - (offer.instead && (can_leave_own || next > 0) ? std::min(held, offer.bytes) : 0);
  }
  double saved_for_each_byte() const {
    const auto bytes = static_cast<double>(std::max<std::size_t>(step_bytes(), 1));
    return (multiplications - offers[next].multiplications) / bytes;
  }
  void take() {
    const Offer& offer = offers[next++];
    if (offer.instead) taken.clear();
    taken.insert(offer.form);
    held = offer.bytes;
    multiplications = offer.multiplications;
  }
};

bool is_convolution_of_known_shape(const graph::Graph& graph, const graph::Node& node) {
  return node.op == graph::Op::convolution && graph.tensor(node.inputs[1]).is_constant() &&
         graph::is_static(graph.tensor(node.inputs[0]).shape) && graph::is_static(graph.tensor(node.output).shape);
}

// Whether selection never comes to a form, on no number of images: one that adds nothing ranks before it.
bool is_behind_another(const StepRequest& request, const Implementation& form) {
  for (const Implementation& implementation : candidates(request.node.op)) {
    if (std::string_view(implementation.name) == form.name) return false;
    const bool chosen = implementation.cost && implementation.reject(request).empty() &&
                        (!implementation.discourage || implementation.discourage(request).empty());
    if (chosen && implementation.cost(request).added_weight_bytes == 0) return true;
  }
  return false;
}

// Whether the rules speak against a form for any number of images: by the CPU, say. Tiles and pixels count in the
// rules, so that powers of two stand for the numbers between.
bool never_pays(StepRequest request, const Implementation& form) {
  constexpr std::int64_t most_images = 1024;
  if (!form.discourage) return false;
  for (request.run_batch = 1; request.run_batch <= most_images; request.run_batch *= 2)
    if (form.discourage(request).empty()) return false;
  return true;
}

// The forms that selection may come to for a node's weight, in the order of implementations.
std::vector<Offer> forms_of(const StepRequest& request) {
  std::vector<Offer> forms;
  for (const Implementation& implementation : candidates(request.node.op)) {
    if (!implementation.cost || !implementation.reject(request).empty()) continue;
    const Cost cost = implementation.cost(request);
    if (cost.added_weight_bytes == 0 || is_behind_another(request, implementation) ||
        never_pays(request, implementation))
      continue;
    // What the shape rules discourage for one image may pay for many: such a form stands beside the one before it.
    const bool instead = !implementation.discourage || implementation.discourage(request).empty();
    forms.push_back({implementation.name, instead, cost.weight_bytes, cost.multiplications});
  }
  return forms;
}

// The offers of one node.
Ladder make_ladder(const StepRequest& request) {
  Ladder ladder;
  ladder.own_bytes = ladder.held = own_weight_bytes(request);
  ladder.multiplications = direct_cost(request).multiplications;
  ladder.offers = forms_of(request);
  std::sort(ladder.offers.begin(), ladder.offers.end(),
            [](const Offer& a, const Offer& b) { return a.bytes < b.bytes; });
  double least = ladder.multiplications;
  std::erase_if(ladder.offers, [&](const Offer& offer) {
    const bool saves = offer.multiplications < least;
    least = std::min(least, offer.multiplications);
    return !saves;
  });
  return ladder;
}

bool same_forms(const Ladder& a, const Ladder& b) {
  return std::equal(a.offers.begin(), a.offers.end(), b.offers.begin(), b.offers.end(),
                    [](const Offer& x, const Offer& y) { return x.form == y.form && x.instead == y.instead; });
}

// A second node on the same weight.
void join(Ladder& ladder, const Ladder& other) {
  if (same_forms(ladder, other)) {
    ladder.multiplications += other.multiplications;
    for (std::size_t i = 0; i < ladder.offers.size(); ++i)
      ladder.offers[i].multiplications += other.offers[i].multiplications;
    ladder.can_leave_own = ladder.can_leave_own && other.can_leave_own;
    return;
  }
  // Some need the weight as it is: what the others take comes beside it.
  if (ladder.offers.size() < other.offers.size()) ladder = other;
  ladder.can_leave_own = false;
}

}  // namespace

WeightAllotment::WeightAllotment(const graph::Graph& one_image, const kernels::KernelTable& kernels, std::size_t limit)
    : limit_(limit) {
  PackedWeights packed;  // nothing is packed here
  std::size_t everything = 0;
  std::vector<std::pair<Key, Ladder>> ladders;
  for (const graph::Node& node : one_image.nodes) {
    if (!is_convolution_of_known_shape(one_image, node)) continue;
    StepRequest request{.graph = one_image,
                        .node = node,
                        .threads = 1,
                        .run_batch = 1,
                        .kernels = kernels,
                        .packed = packed,
                        .may_overwrite = [](graph::TensorId) { return false; }};
    const Key key = key_of(request.input(1));
    for (const Offer& form : forms_of(request))
      if (forms_[key].insert(form.form).second) everything += form.bytes;

    request.saves_memory = true;
    Ladder ladder = make_ladder(request);
    const auto known =
        std::find_if(ladders.begin(), ladders.end(), [&](const auto& entry) { return entry.first == key; });
    if (known == ladders.end())
      ladders.emplace_back(key, std::move(ladder));
    else
      join(known->second, ladder);
  }
  everything_fits_ = everything <= limit;
  if (everything_fits_) {
    added_ = everything;
    return;
  }

  std::size_t room = limit;
  while (true) {
    Ladder* best = nullptr;  // the first of equals
    for (auto& [key, ladder] : ladders) {
      if (ladder.is_over() || ladder.step_bytes() > room) continue;
      if (!best || ladder.saved_for_each_byte() > best->saved_for_each_byte()) best = &ladder;
    }
    if (!best) break;
    room -= best->step_bytes();
    best->take();
  }
  added_ = limit - room;
  for (auto& [key, ladder] : ladders) forms_[key] = std::move(ladder.taken);
}

std::string WeightAllotment::reject(const StepRequest& request, const Implementation& implementation) const {
  if (!implementation.cost) return "";
  const Cost cost = implementation.cost(request);
  if (cost.added_weight_bytes == 0) return "";
  if (is_behind_another(request, implementation))
    return "under a memory limit it is offered no " + megabytes(cost.added_weight_bytes) +
           ": one that adds nothing comes first by rank";
  const auto forms = forms_.find(key_of(request.input(1)));
  if (forms != forms_.end() && forms->second.contains(implementation.name)) return "";
  if (everything_fits_)
    return "under a memory limit it is offered no " + megabytes(cost.added_weight_bytes) +
           ": the shape rules never choose it";
  return "the memory limit stands in the way: it would add " + megabytes(cost.added_weight_bytes) + " of the " +
         megabytes(limit_) + " that transformed weights may add, where others save more for each byte";
}

bool WeightAllotment::is_only_form(const StepRequest& request, const Implementation& implementation) const {
  const auto forms = forms_.find(key_of(request.input(1)));
  return keeps_back() && forms != forms_.end() && forms->second.size() == 1 &&
         forms->second.contains(implementation.name);
}

}  // namespace residua::engine
