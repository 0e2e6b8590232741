// Steps that only move values: slice, pad, concat, transpose, flatten and reshape. Each is one or more oneDNN reorders
// between strided views of the tensors.

#include <algorithm>

#include "engine/arena.h"
#include "engine/onednn.h"
#include "engine/steps/step.h"

namespace residua::engine {
namespace {

using dnnl::memory;

// A rectangle of a tensor: every `stride`-th element in each dimension from `offset` (in floats) on.
struct View {
  memory::dims dims, strides;
  std::int64_t offset = 0;

  bool empty() const { return std::find(dims.begin(), dims.end(), 0) != dims.end(); }
  memory::desc desc() const { return {dims, memory::data_type::f32, strides}; }
};

View whole(const graph::Shape& shape) { return {dims_of(shape), activation_strides(shape), 0}; }
View whole_row_major(const graph::Shape& shape) { return {dims_of(shape), row_major_strides(shape), 0}; }

// A copy between two views of equal dimensions, from input `source` to the output or, at `scratch`, through scratch
// memory.
struct Copy {
  enum class Place { input, scratch, output };
  View from, to;
  Place from_place = Place::input, to_place = Place::output;
  std::size_t input = 0;
};

// `fill`: the output is set to this value first.
Step copy_step(const StepRequest& request, const std::vector<Copy>& copies, const float* fill,
               std::size_t scratch_floats) {
  struct Prepared {
    Copy copy;
    dnnl::reorder::primitive_desc description;
    dnnl::reorder primitive;
    std::function<const float*(const Binding&)> locate;
  };
  Step step = request.make_step("onednn reorder");
  std::vector<Prepared> prepared;
  std::size_t pad_bytes = 0;
  for (const Copy& copy : copies) {
    if (copy.from.empty()) continue;
    const dnnl::reorder::primitive_desc description(cpu_engine(), copy.from.desc(), cpu_engine(), copy.to.desc(),
                                                    make_attributes());
    pad_bytes = std::max(pad_bytes, description.scratchpad_desc().get_size());
    prepared.push_back({copy, description, dnnl::reorder(description), request.locate(copy.input)});
  }
  // Scratch memory: the intermediate tensor first, oneDNN's own behind it.
  const std::size_t middle_bytes = whole_cache_lines(scratch_floats * sizeof(float));
  step.scratch_bytes = middle_bytes + pad_bytes;
  const std::int64_t floats = static_cast<std::int64_t>(float_count(request.output().shape));
  const bool filled = fill != nullptr;
  const float value = filled ? *fill : 0;
  step.bind = [=, prepared = std::move(prepared), threads = request.threads,
               output_id = request.node.output](const Binding& binding) -> std::vector<Phase> {
    float* const output = binding.address(output_id);
    std::vector<std::vector<OnednnCall>> calls(static_cast<std::size_t>(binding.workers()));
    for (int worker = 0; worker < binding.workers(); ++worker) {
      float* const middle = reinterpret_cast<float*>(binding.scratch_of(worker));
      for (const Prepared& item : prepared) {
        const float* from = item.copy.from_place == Copy::Place::scratch ? middle : item.locate(binding);
        float* to = item.copy.to_place == Copy::Place::scratch ? middle : output;
        OnednnCall call(item.primitive, binding.streams[static_cast<std::size_t>(worker)]);
        call.add(DNNL_ARG_FROM, item.copy.from.desc(), from + item.copy.from.offset);
        call.add(DNNL_ARG_TO, item.copy.to.desc(), to + item.copy.to.offset);
        call.add(DNNL_ARG_SCRATCHPAD, item.description.scratchpad_desc(), binding.scratch_of(worker) + middle_bytes);
        calls[static_cast<std::size_t>(worker)].push_back(std::move(call));
      }
    }
    std::vector<Phase> phases;
    if (filled)
      phases.push_back(in_ranges(threads, floats, [=](std::int64_t begin, std::int64_t end) {
        std::fill(output + begin, output + end, value);
      }));
    phases.push_back({1, [calls = std::move(calls)](std::int64_t, int worker) {
                        for (const OnednnCall& call : calls[static_cast<std::size_t>(worker)]) call();
                      }});
    return phases;
  };
  return step;
}

std::string accept(const StepRequest&) { return ""; }

std::string reject_slice(const StepRequest& request) {
  if (request.node.inputs.size() > 1) return "the bounds are not known";
  for (std::int64_t step : graph::attributes_of<graph::SliceAttributes>(request.node).steps)
    if (step < 0) return "a negative step";
  return "";
}

Step make_slice(const StepRequest& request) {
  const auto& slice = graph::attributes_of<graph::SliceAttributes>(request.node);
  const graph::Shape& x = request.input(0).shape;
  View from = whole(x);
  from.dims = dims_of(request.output().shape);
  for (std::size_t i = 0; i < slice.starts.size(); ++i) {
    std::int64_t axis = slice.axes.empty() ? static_cast<std::int64_t>(i) : slice.axes[i];
    if (axis < 0) axis += static_cast<std::int64_t>(x.size());
    const auto a = static_cast<std::size_t>(axis);
    std::int64_t start = slice.starts[i];
    if (start < 0) start += x[a];
    start = std::clamp<std::int64_t>(start, 0, x[a]);
    from.offset += start * from.strides[a];
    // A step as long as the axis keeps one element; the product would only overflow.
    if (!slice.steps.empty()) from.strides[a] *= std::min(slice.steps[i], std::max<std::int64_t>(x[a], 1));
  }
  return copy_step(request, {{.from = from, .to = whole(request.output().shape)}}, nullptr, 0);
}

std::string reject_pad(const StepRequest& request) {
  if (request.node.inputs.size() > 1) return "the pads are not known";
  const bool constant = graph::attributes_of<graph::PadAttributes>(request.node).mode == graph::PadMode::constant;
  return constant ? "" : "it pads with its own elements";
}

Step make_pad(const StepRequest& request) {
  const auto& pad = graph::attributes_of<graph::PadAttributes>(request.node);
  View from = whole(request.input(0).shape), to = whole(request.output().shape);
  for (std::size_t a = 0; a < pad.before.size(); ++a) {  // a negative count crops x instead
    // Beyond these bounds nothing of x is left to copy, and products would overflow.
    const std::int64_t before = std::clamp(pad.before[a], -from.dims[a], to.dims[a]);
    const std::int64_t crop_before = std::max<std::int64_t>(-before, 0);
    const std::int64_t crop_after = std::max<std::int64_t>(-std::max(pad.after[a], -from.dims[a]), 0);
    from.offset += crop_before * from.strides[a];
    to.offset += std::max<std::int64_t>(before, 0) * to.strides[a];
    from.dims[a] = std::max<std::int64_t>(from.dims[a] - crop_before - crop_after, 0);
  }
  to.dims = from.dims;
  const auto value = static_cast<float>(pad.value);
  return copy_step(request, {{.from = from, .to = to}}, &value, 0);
}

Step make_concat(const StepRequest& request) {
  const graph::Shape& y = request.output().shape;
  std::int64_t axis = graph::attributes_of<graph::AxisAttributes>(request.node).axis;
  if (axis < 0) axis += static_cast<std::int64_t>(y.size());
  const auto a = static_cast<std::size_t>(axis);
  std::vector<Copy> copies;
  std::int64_t position = 0;
  for (std::size_t i = 0; i < request.node.inputs.size(); ++i) {
    const graph::Shape& x = request.input(i).shape;
    View to = whole(y);
    to.dims = dims_of(x);
    to.offset = position * to.strides[a];
    position += x[a];
    copies.push_back({.from = whole(x), .to = to, .input = i});
  }
  return copy_step(request, copies, nullptr, 0);
}

Step make_transpose(const StepRequest& request) {
  const auto& permutation = graph::attributes_of<graph::TransposeAttributes>(request.node).permutation;
  const View x = whole(request.input(0).shape);
  View from = x;
  for (std::size_t i = 0; i < permutation.size(); ++i) {
    const auto source = static_cast<std::size_t>(permutation[i]);
    from.dims[i] = x.dims[source];
    from.strides[i] = x.strides[source];
  }
  return copy_step(request, {{.from = from, .to = whole(request.output().shape)}}, nullptr, 0);
}

std::string reject_reshape(const StepRequest& request) {
  return request.node.inputs.size() > 1 ? "the shape is not known" : "";
}

// A reshape keeps the row-major order of the elements. From and to NHWC that is a copy each; both at once go through
// scratch memory. (Where neither is needed a plan gives the output its input's memory and makes no step.)
Step make_reshape(const StepRequest& request) {
  const graph::Shape& x = request.input(0).shape;
  const graph::Shape& y = request.output().shape;
  if (is_row_major(y)) return copy_step(request, {{.from = whole(x), .to = whole_row_major(x)}}, nullptr, 0);
  if (is_row_major(x)) return copy_step(request, {{.from = whole_row_major(y), .to = whole(y)}}, nullptr, 0);
  using enum Copy::Place;
  return copy_step(request,
                   {{.from = whole(x), .to = whole_row_major(x), .to_place = scratch},
                    {.from = whole_row_major(y), .to = whole(y), .from_place = scratch}},
                   nullptr, float_count(x));
}

}  // namespace

std::vector<Implementation> copy_implementations() {
  return {{graph::Op::slice, "onednn reorder", reject_slice, make_slice},
          {graph::Op::pad, "onednn reorder", reject_pad, make_pad},
          {graph::Op::concat, "onednn reorder", accept, make_concat},
          {graph::Op::transpose, "onednn reorder", accept, make_transpose},
          {graph::Op::flatten, "onednn reorder", accept, make_reshape},
          {graph::Op::reshape, "onednn reorder", reject_reshape, make_reshape}};
}

}  // namespace residua::engine
