#include "engine/steps/step.h"

#include "engine/onednn.h"
#include "graph/operators.h"

namespace residua::engine {

std::function<const float*(const Binding&)> StepRequest::locate(std::size_t index) const {
  const graph::TensorId id = node.input(index);
  const graph::Tensor& tensor = graph.tensor(id);
  if (!tensor.is_constant()) return [id](const Binding& binding) -> const float* { return binding.address(id); };
  auto data = pack_for_onednn(packed, tensor, row_major_desc(tensor.shape), activation_desc(tensor.shape));
  return [data](const Binding&) { return reinterpret_cast<const float*>(data.get()); };
}

Step StepRequest::make_step(std::string implementation) const {
  Step step;
  step.name = node.name.empty() ? std::string(graph::info_of(node.op).name) : node.name;
  step.op = node.op;
  step.implementation = std::move(implementation);
  step.output = node.output;
  return step;
}

}  // namespace residua::engine
