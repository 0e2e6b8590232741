#include "engine/tuner.h"

#include <algorithm>

#include "engine/onednn.h"
#include "engine/step_timing.h"
#include "graph/operators.h"

namespace residua::engine {
namespace {

std::string by_times(std::initializer_list<std::int64_t> sizes) {
  std::string text;
  for (std::int64_t size : sizes) text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

std::string by_times(const graph::Shape& shape) {
  std::string text;
  for (graph::Dimension size : shape) text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

std::string residual_of(const StepRequest& request) {
  constexpr std::size_t residual_input = 3;
  if (!request.has_input(residual_input)) return "none";
  return request.may_overwrite(request.node.input(residual_input)) ? "in place" : "beside";
}

// Those of `known` that are asked for; empty where one is missing.
Timings restricted(const Timings& known, std::span<const Implementation> implementations) {
  Timings wanted;
  for (const Implementation& implementation : implementations) {
    const auto found = known.find(implementation.name);
    if (found == known.end()) return {};
    wanted.insert(*found);
  }
  return wanted;
}

}  // namespace

std::string signature_of(const StepRequest& request) {
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  const graph::Padding& padding = node.padding;
  return std::string(name_of(request.kernels.instruction_set)) + " " +
         std::string(graph::info_of(request.node.op).name) + " x " + by_times(request.input(0).shape) + ", w " +
         by_times(request.input(1).shape) + ", strides " + by_times({node.strides[0], node.strides[1]}) +
         ", dilations " + by_times({node.dilations[0], node.dilations[1]}) + ", padding " +
         by_times({padding.top, padding.left, padding.bottom, padding.right}) + ", groups " +
         std::to_string(node.groups) + ", " + (request.has_input(2) ? "bias" : "no bias") + ", " +
         (node.activation == graph::Activation::relu ? "relu" : "no relu") + ", residual " + residual_of(request) +
         ", threads " + std::to_string(request.threads) + ", of a run of " + std::to_string(request.run_batch) +
         ", after " + std::to_string(bytes_between_runs(request.graph) >> 10) + " KiB";
}

Timings Tuner::timings(const StepRequest& request, std::span<const Implementation> implementations) {
  const std::string signature = signature_of(request);
  if (const Timings* known = cache_.find(signature))
    if (Timings wanted = restricted(*known, implementations); !wanted.empty()) return wanted;
  std::vector<Step> steps;
  std::vector<std::string> names;
  for (const Implementation& implementation : implementations) {
    try {
      steps.push_back(implementation.make(request));
      names.emplace_back(implementation.name);
    } catch (const dnnl::error& error) {
      if (!means_no_kernel(error)) throw;
    }
  }
  const std::vector<double> milliseconds = median_milliseconds(request, steps, bytes_between_runs(request.graph));
  Timings timings;
  for (std::size_t i = 0; i < names.size(); ++i) timings[names[i]] = milliseconds[i];
  cache_.add(signature, timings);
  return timings;
}

}  // namespace residua::engine
