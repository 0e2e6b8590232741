#include "engine/steps/step.h"

#include <algorithm>

#include "engine/onednn.h"
#include "graph/operators.h"

namespace residua::engine {

std::function<const float*(const Binding&)> StepRequest::locate(std::size_t index) const {
  const graph::TensorId id = node.input(index);
  if (id == graph::no_tensor) return [](const Binding&) -> const float* { return nullptr; };
  const graph::Tensor& tensor = graph.tensor(id);
  if (!tensor.is_constant()) return [id](const Binding& binding) -> const float* { return binding.address(id); };
  auto data = pack_for_onednn(packed, tensor, row_major_desc(tensor.shape), activation_desc(tensor.shape));
  return [data](const Binding&) { return reinterpret_cast<const float*>(data.get()); };
}

Phase in_ranges(int threads, std::int64_t count, std::function<void(std::int64_t begin, std::int64_t end)> work) {
  constexpr std::int64_t ranges_a_thread = 4;
  const std::int64_t parts =
      threads == 1 ? std::min<std::int64_t>(count, 1) : std::min(count, ranges_a_thread * threads);
  return {parts, [parts, count, work = std::move(work)](std::int64_t part, int) {
            work(count * part / parts, count * (part + 1) / parts);
          }};
}

Step StepRequest::make_step(std::string implementation) const {
  Step step;
  step.name = node.name.empty() ? std::string(graph::info_of(node.op).name) : node.name;
  step.op = node.op;
  step.implementation = std::move(implementation);
  step.output = node.output;
  if (node.op == graph::Op::convolution || node.op == graph::Op::fully_connected) {
    const graph::Shape& weights = input(1).shape;  // outputs first: the rest is what one output multiplies
    const auto products = static_cast<double>(float_count(weights)) / static_cast<double>(weights[0]);
    step.gflop = 2e-9 * static_cast<double>(float_count(output().shape)) * products;
  }
  return step;
}

}  // namespace residua::engine
