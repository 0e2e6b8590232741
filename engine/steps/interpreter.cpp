// The way out for nodes that nothing faster takes: the graph's interpreter, on row-major copies.

#include "engine/layout.h"
#include "engine/steps/step.h"
#include "graph/interpret.h"

namespace residua::engine {
namespace {

std::string accept(const StepRequest&) { return ""; }

Step make(const StepRequest& request) {
  struct Operand {
    bool left_out = false;
    bool in_arena = false;
    graph::TensorId id = graph::no_tensor;
    graph::Value value;  // a constant's values, or room for those of this run
  };
  std::vector<Operand> operands;
  for (graph::TensorId id : request.node.inputs) {
    Operand operand;
    operand.id = id;
    operand.left_out = id == graph::no_tensor;
    if (!operand.left_out) {
      const graph::Tensor& tensor = request.graph.tensor(id);
      operand.in_arena = !tensor.is_constant();
      operand.value = tensor.is_constant() ? graph::value_of(tensor)
                                           : graph::Value{tensor.shape, std::vector<float>(float_count(tensor.shape))};
    }
    operands.push_back(std::move(operand));
  }
  Step step = request.make_step("interpreter");
  step.bind = [node = request.node, shape = request.output().shape,
               operands = std::move(operands)](const Binding& binding) -> std::vector<Phase> {
    return {{1, [=, binding_copy = binding](std::int64_t, int) mutable {
               std::vector<const graph::Value*> inputs;
               for (Operand& operand : operands) {
                 inputs.push_back(operand.left_out ? nullptr : &operand.value);
                 if (!operand.in_arena) continue;
                 std::vector<float>& values = std::get<0>(operand.value.elements);
                 to_row_major(operand.value.shape, binding_copy.address(operand.id), values.data());
               }
               const graph::Result<graph::Value> result = graph::interpret_node(node, inputs);
               if (!result) throw graph::InternalError("a planned node failed: " + result.error().message);
               from_row_major(shape, result->floats().data(), binding_copy.address(node.output));
             }}};
  };
  return step;
}

}  // namespace

Implementation interpreter_implementation() { return {graph::Op::identity, "interpreter", accept, make}; }

}  // namespace residua::engine
