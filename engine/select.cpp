#include "engine/select.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "engine/format_numbers.h"
#include "engine/onednn.h"
#include "engine/tuner.h"
#include "engine/weight_allotment.h"

namespace residua::engine {
namespace {

std::vector<Implementation> all_implementations() {
  std::vector<Implementation> all;
  for (auto list :
       {grouped_convolution_implementations, tile_winograd_implementations, winograd_convolution_implementations,
        stem_convolution_implementations, strassen_convolution_implementations, tile_convolution_implementations,
        direct_convolution_implementations, onednn_convolution_implementations, onednn_fully_connected_implementations,
        pooling_implementations, batch_norm_implementations, group_norm_implementations, channel_gate_implementations,
        elementwise_implementations, onednn_elementwise_implementations, image_copy_implementations,
        copy_implementations})
    for (const Implementation& implementation : list()) all.push_back(implementation);
  return all;
}

// A candidate on its way through selection.
struct Candidate {
  Implementation implementation;
  std::string refusal;         // why it cannot run the node; "": it can
  std::string discouragement;  // why it should not
  std::optional<double> milliseconds = std::nullopt;

  bool is_possible() const { return refusal.empty(); }
  bool is_reference() const { return implementation.op == graph::Op::identity; }  // the interpreter
};

std::vector<Candidate> judge(StepRequest request, const SelectionOptions& options) {
  const WeightAllotment* const allotment = options.allotment;
  request.saves_memory = allotment && allotment->keeps_back();
  std::vector<Candidate> list;
  for (const Implementation& implementation : candidates(request.node.op)) {
    Candidate candidate{implementation, implementation.reject(request), ""};
    if (candidate.is_possible() && options.direct && implementation.transforms)
      candidate.refusal = "direct convolution was asked for";
    if (candidate.is_possible() && implementation.too_large) candidate.refusal = implementation.too_large(request);
    if (candidate.is_possible() && allotment) candidate.refusal = allotment->reject(request, implementation);
    const bool has_rule = candidate.is_possible() && implementation.discourage;
    if (has_rule && !(allotment && allotment->is_only_form(request, implementation)))
      candidate.discouragement = implementation.discourage(request);
    list.push_back(std::move(candidate));
  }
  return list;
}

// Makes the step, or says in `refusal` why oneDNN could not.
std::optional<Step> try_to_make(const StepRequest& request, Candidate& candidate) {
  try {
    return candidate.implementation.make(request);
  } catch (const dnnl::error& error) {
    if (!means_no_kernel(error)) throw;
    candidate.refusal = std::string("oneDNN: ") + error.what();
    return std::nullopt;
  }
}

// Fills in what was measured. Only convolutions have more than one way that may pay.
void measure(const StepRequest& request, std::vector<Candidate>& list, Tuner& tuner) {
  std::vector<Implementation> possible;
  for (const Candidate& candidate : list)
    if (candidate.is_possible() && candidate.implementation.cost) possible.push_back(candidate.implementation);
  if (possible.size() < 2) return;
  const Timings timings = tuner.timings(request, possible);
  for (Candidate& candidate : list)
    if (const auto found = timings.find(candidate.implementation.name); found != timings.end())
      candidate.milliseconds = found->second;
}

// The possible candidates in the order in which they are to be tried: those that nothing speaks against first. Where
// times were measured, the fastest is taken ahead of the rest, unless that gains too little to be told from noise. The
// interpreter stays last.
std::vector<Candidate*> in_order(std::vector<Candidate>& list) {
  constexpr double clearly = 0.96;
  std::vector<Candidate*> order;
  for (Candidate& candidate : list)
    if (candidate.is_possible()) order.push_back(&candidate);
  std::stable_sort(order.begin(), order.end(), [](const Candidate* a, const Candidate* b) {
    if (a->is_reference() != b->is_reference()) return b->is_reference();
    return a->discouragement.empty() && !b->discouragement.empty();
  });
  static constexpr double never = std::numeric_limits<double>::infinity();
  const auto fastest = std::min_element(order.begin(), order.end(), [](const Candidate* a, const Candidate* b) {
    return a->milliseconds.value_or(never) < b->milliseconds.value_or(never);
  });
  if (fastest != order.end() && (*fastest)->milliseconds &&
      *(*fastest)->milliseconds < clearly * order.front()->milliseconds.value_or(never))
    std::rotate(order.begin(), fastest, fastest + 1);
  return order;
}

// Why a candidate that could run the node does not: the numbers that decided.
std::string reason_of(const StepRequest& request, const Candidate& candidate, const Candidate& chosen) {
  const std::string name = chosen.implementation.name;
  if (candidate.milliseconds && chosen.milliseconds)
    return (*candidate.milliseconds > *chosen.milliseconds ? "slower as measured here: "
                                                           : "not clearly faster as measured here: ") +
           fixed(*candidate.milliseconds, 3) + " ms, " + name + " " + fixed(*chosen.milliseconds, 3) + " ms";
  if (candidate.is_reference()) return "the reference: it runs everything, slowly";
  if (!candidate.discouragement.empty()) return candidate.discouragement;
  if (!candidate.implementation.cost || !chosen.implementation.cost) return name + " comes first by rank";
  const Cost cost = candidate.implementation.cost(request), other = chosen.implementation.cost(request);
  const auto millions = [](const Cost& of) { return fixed(of.multiplications / 1e6, 1) + " M"; };
  const std::string numbers = millions(cost) + " multiplications an image and " + megabytes(cost.weight_bytes) +
                              " of weights, " + name + " " + millions(other) + " and " + megabytes(other.weight_bytes);
  return (other.multiplications < cost.multiplications ? "slower by the shape rules: " : "later by rank: ") + numbers;
}

}  // namespace

std::vector<Implementation> candidates(graph::Op op) {
  static const std::vector<Implementation> all = all_implementations();
  std::vector<Implementation> list;
  for (const Implementation& implementation : all)
    if (implementation.op == op) list.push_back(implementation);
  list.push_back(interpreter_implementation());
  return list;
}

Selection select(const StepRequest& request, const SelectionOptions& options) {
  std::vector<Candidate> list = judge(request, options);
  if (options.tuner && request.node.op == graph::Op::convolution) measure(request, list, *options.tuner);
  for (Candidate* chosen : in_order(list)) {
    std::optional<Step> step = try_to_make(request, *chosen);
    if (!step) continue;
    Selection selection{std::move(*step), {}};
    for (const Candidate& candidate : list)
      if (&candidate != chosen)
        selection.rejections.push_back({candidate.implementation.name, candidate.is_possible()
                                                                           ? reason_of(request, candidate, *chosen)
                                                                           : candidate.refusal});
    return selection;
  }
  throw graph::InternalError("node '" + request.node.name + "' was refused by the interpreter");
}

}  // namespace residua::engine
