// What a pass could not fuse: arithmetic of two tensors, of which one may be broadcast, as one oneDNN primitive.

#include <array>

#include "engine/onednn.h"
#include "engine/steps/step.h"

namespace residua::engine {
namespace {

using dnnl::algorithm;
using dnnl::memory;

struct Arithmetic {
  graph::Op op;
  algorithm kind;
  bool commutes;
};
constexpr std::array<Arithmetic, 4> arithmetic{{
    {graph::Op::add, algorithm::binary_add, true},
    {graph::Op::subtract, algorithm::binary_sub, false},
    {graph::Op::multiply, algorithm::binary_mul, true},
    {graph::Op::divide, algorithm::binary_div, false},
}};

const Arithmetic& arithmetic_of(graph::Op op) {
  for (const Arithmetic& entry : arithmetic)
    if (entry.op == op) return entry;
  throw graph::InternalError("no arithmetic of two tensors");
}

// The layout of `shape` with ones in front, as broadcasting aligns it with `rank` dimensions.
memory::desc aligned_desc(const graph::Shape& shape, std::size_t rank) {
  memory::dims dims = dims_of(shape), strides = activation_strides(shape);
  dims.insert(dims.begin(), rank - shape.size(), 1);
  strides.insert(strides.begin(), rank - shape.size(),
                 dims.empty() ? 1 : static_cast<std::int64_t>(float_count(shape)));
  return {dims, memory::data_type::f32, strides};
}

// oneDNN broadcasts its second source only. Returns which input must come first, or -1.
int whole_input(const StepRequest& request) {
  if (request.input(0).shape == request.output().shape) return 0;
  if (request.input(1).shape == request.output().shape && arithmetic_of(request.node.op).commutes) return 1;
  return -1;
}

std::string reject_arithmetic(const StepRequest& request) {
  if (request.output().shape.empty()) return "scalars";
  return whole_input(request) >= 0 ? "" : "the first operand would have to be broadcast";
}

Step make_arithmetic(const StepRequest& request) {
  const auto whole = static_cast<std::size_t>(whole_input(request));
  const std::size_t other = 1 - whole;
  const std::size_t rank = request.output().shape.size();
  const memory::desc first = activation_desc(request.output().shape);
  const memory::desc second = aligned_desc(request.input(other).shape, rank);
  const dnnl::binary::primitive_desc description(cpu_engine(), arithmetic_of(request.node.op).kind, first, second,
                                                 first, make_attributes());
  Step step = request.make_step(std::string("onednn ") + description.impl_info_str());
  step.scratch_bytes = description.scratchpad_desc().get_size();
  if (request.may_overwrite(request.node.input(whole))) step.overwrites = request.node.input(whole);
  step.bind = [=, primitive = dnnl::binary(description), locate_first = request.locate(whole),
               locate_second = request.locate(other),
               output = request.node.output](const Binding& binding) -> std::vector<Phase> {
    // One part, which any worker may take: each has a call of its own, with its own scratch memory.
    std::vector<OnednnCall> calls;
    calls.reserve(static_cast<std::size_t>(binding.workers()));
    for (int worker = 0; worker < binding.workers(); ++worker) {
      OnednnCall& call = calls.emplace_back(primitive, binding.streams[static_cast<std::size_t>(worker)]);
      call.add(DNNL_ARG_SRC_0, first, locate_first(binding));
      call.add(DNNL_ARG_SRC_1, second, locate_second(binding));
      call.add(DNNL_ARG_DST, first, binding.address(output));
      call.add(DNNL_ARG_SCRATCHPAD, description.scratchpad_desc(), binding.scratch_of(worker));
    }
    return {{1, [calls = std::move(calls)](std::int64_t, int worker) { calls[static_cast<std::size_t>(worker)](); }}};
  };
  return step;
}

}  // namespace

std::vector<Implementation> onednn_elementwise_implementations() {
  std::vector<Implementation> list;
  list.reserve(arithmetic.size());
  for (const Arithmetic& entry : arithmetic) list.push_back({entry.op, "onednn", reject_arithmetic, make_arithmetic});
  return list;
}

}  // namespace residua::engine
