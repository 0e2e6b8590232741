// Each channel of each image by its own factor, with a residual and ReLU: one pass over the images.

#include <algorithm>

#include "engine/steps/clamp.h"
#include "engine/steps/step.h"

namespace residua::engine {
namespace {

constexpr std::size_t gate_input = 1, residual_input = 2;

std::string accept(const StepRequest&) { return ""; }

Step make(const StepRequest& request) {
  const graph::Shape& shape = request.output().shape;
  Step step = request.make_step("channel gate " + std::string(name_of(request.kernels.vector_set())));
  for (const std::size_t input : {std::size_t{0}, residual_input})
    if (step.overwrites == graph::no_tensor && request.has_input(input) &&
        request.may_overwrite(request.node.input(input)))
      step.overwrites = request.node.input(input);
  step.bind = [channels = shape[1], images = shape[0], pixels = shape[2] * shape[3],
               kernel = request.kernels.gate_channels, threads = request.threads,
               minimum = least_value(graph::attributes_of<graph::ChannelGateAttributes>(request.node).activation),
               locate_input = request.locate(0), locate_gate = request.locate(gate_input),
               locate_residual = request.locate(residual_input),
               output_id = request.node.output](const Binding& binding) -> std::vector<Phase> {
    const float *const input = locate_input(binding), *const gate = locate_gate(binding);
    const float* const residual = locate_residual(binding);
    float* const output = binding.address(output_id);
    return {in_ranges(threads, images * pixels, [=](std::int64_t begin, std::int64_t end) {
      while (begin < end) {  // image by image
        const std::int64_t image = begin / pixels, stop = std::min(end, (image + 1) * pixels), at = begin * channels;
        kernel(input + at, stop - begin, channels, gate + image * channels, residual ? residual + at : nullptr, minimum,
               output + at);
        begin = stop;
      }
    })};
  };
  return step;
}

}  // namespace

std::vector<Implementation> channel_gate_implementations() {
  return {{graph::Op::channel_gate, "channel gate", accept, make}};
}

}  // namespace residua::engine
