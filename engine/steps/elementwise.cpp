// ReLU, clip and softmax where a pass could not fuse them: our own, since oneDNN's make numbers of NaN.

#include <limits>

#include "engine/layout.h"
#include "engine/scores.h"
#include "engine/steps/clamp.h"
#include "engine/steps/step.h"

namespace residua::engine {
namespace {

std::string accept(const StepRequest&) { return ""; }

Step make_clamp(const StepRequest& request) {
  float minimum = 0, maximum = std::numeric_limits<float>::infinity();
  if (request.node.op == graph::Op::clip) {
    const auto& bounds = graph::attributes_of<graph::ClipAttributes>(request.node);
    minimum = static_cast<float>(bounds.minimum);
    maximum = static_cast<float>(bounds.maximum);
  }
  Step step = request.make_step("clamp");
  if (request.may_overwrite(request.node.input(0))) step.overwrites = request.node.input(0);
  step.bind = [minimum, maximum, threads = request.threads, locate = request.locate(0), output_id = request.node.output,
               count = static_cast<std::int64_t>(float_count(request.output().shape))](
                  const Binding& binding) -> std::vector<Phase> {
    const float* const input = locate(binding);
    float* const output = binding.address(output_id);
    return {in_ranges(threads, count, [=](std::int64_t begin, std::int64_t end) {
      clamp(input + begin, end - begin, minimum, maximum, output + begin);
    })};
  };
  return step;
}

// Where the lines along `axis` begin, in the activation layout.
std::vector<std::int64_t> line_starts(const graph::Shape& shape, std::size_t axis) {
  const auto strides = activation_strides(shape);
  std::vector<std::int64_t> starts{0};
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i == axis) continue;
    std::vector<std::int64_t> more;
    more.reserve(starts.size() * static_cast<std::size_t>(shape[i]));
    for (const std::int64_t start : starts)
      for (std::int64_t index = 0; index < shape[i]; ++index) more.push_back(start + index * strides[i]);
    starts = std::move(more);
  }
  return starts;
}

Step make_softmax(const StepRequest& request) {
  const graph::Shape& shape = request.output().shape;
  std::int64_t axis = graph::attributes_of<graph::AxisAttributes>(request.node).axis;
  if (axis < 0) axis += static_cast<std::int64_t>(shape.size());
  const auto along = static_cast<std::size_t>(axis);
  Step step = request.make_step("softmax");
  if (request.may_overwrite(request.node.input(0))) step.overwrites = request.node.input(0);
  step.bind = [starts = line_starts(shape, along), count = shape[along], stride = activation_strides(shape)[along],
               threads = request.threads, locate = request.locate(0),
               output_id = request.node.output](const Binding& binding) -> std::vector<Phase> {
    const float* const input = locate(binding);
    float* const output = binding.address(output_id);
    return {in_ranges(threads, static_cast<std::int64_t>(starts.size()), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t start = starts[static_cast<std::size_t>(i)];
        softmax_line(input + start, count, stride, output + start);
      }
    })};
  };
  return step;
}

}  // namespace

std::vector<Implementation> elementwise_implementations() {
  return {{graph::Op::relu, "clamp", accept, make_clamp},
          {graph::Op::clip, "clamp", accept, make_clamp},
          {graph::Op::softmax, "softmax", accept, make_softmax}};
}

}  // namespace residua::engine
