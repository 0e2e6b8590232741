// Element by element, where a pass could not fuse it: ReLU, clip and softmax (oneDNN's make numbers of NaN), sigmoid,
// quantising, and arithmetic of two tensors (oneDNN's, on one of its threads, is one part for one of ours).

#include <array>
#include <functional>
#include <limits>

#include "engine/layout.h"
#include "engine/scores.h"
#include "engine/steps/clamp.h"
#include "engine/steps/step.h"

namespace residua::engine {
namespace {

std::string accept(const StepRequest&) { return ""; }

// Every element on its own: apply(input, count, output), where output may be input.
template <class Apply>
Step make_map(const StepRequest& request, std::string implementation, Apply apply) {
  Step step = request.make_step(std::move(implementation));
  if (request.may_overwrite(request.node.input(0))) step.overwrites = request.node.input(0);
  step.bind = [apply, threads = request.threads, locate = request.locate(0), output_id = request.node.output,
               count = static_cast<std::int64_t>(float_count(request.output().shape))](
                  const Binding& binding) -> std::vector<Phase> {
    const float* const input = locate(binding);
    float* const output = binding.address(output_id);
    return {in_ranges(threads, count, [=](std::int64_t begin, std::int64_t end) {
      apply(input + begin, end - begin, output + begin);
    })};
  };
  return step;
}

Step make_clamp(const StepRequest& request) {
  float minimum = 0, maximum = std::numeric_limits<float>::infinity();
  if (request.node.op == graph::Op::clip) {
    const auto& bounds = graph::attributes_of<graph::ClipAttributes>(request.node);
    minimum = static_cast<float>(bounds.minimum);
    maximum = static_cast<float>(bounds.maximum);
  }
  return make_map(request, "clamp", [minimum, maximum](const float* input, std::int64_t count, float* output) {
    clamp(input, count, minimum, maximum, output);
  });
}

Step make_sigmoid(const StepRequest& request) {
  return make_map(request, "sigmoid " + std::string(name_of(request.kernels.vector_set())), request.kernels.sigmoid);
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

Step make_quantize(const StepRequest& request) {
  const auto& wanted = graph::attributes_of<graph::QuantizeAttributes>(request.node);
  const auto zero_point = static_cast<float>(wanted.zero_point), scale = static_cast<float>(wanted.scale);
  const kernels::QuantizationGrid grid{.scale = scale,
                                       .zero_point = zero_point,
                                       .minimum = static_cast<float>(wanted.minimum),
                                       .maximum = static_cast<float>(wanted.maximum),
                                       .factor = wanted.dequantize ? scale : 1,
                                       .offset = wanted.dequantize ? 0 : zero_point};
  return make_map(request, "quantize " + std::string(name_of(request.kernels.vector_set())),
                  [grid, kernel = request.kernels.quantize](const float* input, std::int64_t count, float* output) {
                    kernel(input, count, grid, output);
                  });
}

using Combine = void (*)(const float* a, const float* b, std::int64_t count, float* output);

// `output` may be `a` or `b`.
template <class Operation>
void combine(const float* a, const float* b, std::int64_t count, float* output) {
  for (std::int64_t i = 0; i < count; ++i) output[i] = Operation{}(a[i], b[i]);
}

struct Combination {
  graph::Op op;
  Combine apply;
};
constexpr std::array<Combination, 4> combinations{{
    {graph::Op::add, combine<std::plus<float>>},
    {graph::Op::subtract, combine<std::minus<float>>},
    {graph::Op::multiply, combine<std::multiplies<float>>},
    {graph::Op::divide, combine<std::divides<float>>},
}};

Combine combination_of(graph::Op op) {
  for (const Combination& entry : combinations)
    if (entry.op == op) return entry.apply;
  throw graph::InternalError("no arithmetic of two tensors");
}

std::string reject_unequal(const StepRequest& request) {
  const bool equal =
      request.input(0).shape == request.output().shape && request.input(1).shape == request.output().shape;
  return equal ? "" : "the operands have different shapes";
}

Step make_combination(const StepRequest& request) {
  Step step = request.make_step("loop");
  for (std::size_t i = 0; i < 2 && step.overwrites == graph::no_tensor; ++i)
    if (request.may_overwrite(request.node.input(i))) step.overwrites = request.node.input(i);
  step.bind = [apply = combination_of(request.node.op), threads = request.threads, locate_a = request.locate(0),
               locate_b = request.locate(1), output_id = request.node.output,
               count = static_cast<std::int64_t>(float_count(request.output().shape))](
                  const Binding& binding) -> std::vector<Phase> {
    const float *const a = locate_a(binding), *const b = locate_b(binding);
    float* const output = binding.address(output_id);
    return {in_ranges(threads, count, [=](std::int64_t begin, std::int64_t end) {
      apply(a + begin, b + begin, end - begin, output + begin);
    })};
  };
  return step;
}

}  // namespace

std::vector<Implementation> elementwise_implementations() {
  std::vector<Implementation> list{{graph::Op::relu, "clamp", accept, make_clamp},
                                   {graph::Op::clip, "clamp", accept, make_clamp},
                                   {graph::Op::softmax, "softmax", accept, make_softmax},
                                   {graph::Op::sigmoid, "sigmoid", accept, make_sigmoid},
                                   {graph::Op::quantize, "quantize", accept, make_quantize}};
  for (const Combination& entry : combinations) list.push_back({entry.op, "loop", reject_unequal, make_combination});
  return list;
}

}  // namespace residua::engine
