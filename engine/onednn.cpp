#include "engine/onednn.h"

#include <cstring>

#include "engine/environment.h"
#include "engine/threads.h"

namespace residua::engine {
namespace {

// Everything that tells one blocked layout from another.
std::string name_of(const dnnl::memory::desc& desc) {
  std::string name = "onednn";
  const auto list = [&](const char* what, const dnnl::memory::dims& values) {
    name += what;
    for (const auto value : values) name += " " + std::to_string(value);
  };
  list(", dims", desc.get_dims());
  list(", padded", desc.get_padded_dims());
  list(", strides", desc.get_strides());
  list(", inner", desc.get_inner_blks());
  list(" of", desc.get_inner_idxs());
  return name;
}

// oneDNN's descriptions without dimensions are of no bytes: a single value is a vector of one.
dnnl::memory::desc single_value_desc() { return {{1}, dnnl::memory::data_type::f32, dnnl::memory::dims{1}}; }

}  // namespace

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine = [] {
    static_cast<void>(kernel_table());  // caps oneDNN before its first look at the CPU
    return dnnl::engine(dnnl::engine::kind::cpu, 0);
  }();
  return engine;
}

std::string onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
}

bool means_no_kernel(const dnnl::error& error) {
  return error.status == dnnl_unimplemented || error.status == dnnl_invalid_arguments;
}

dnnl::memory::dims dims_of(const graph::Shape& shape) { return {shape.begin(), shape.end()}; }

dnnl::memory::desc activation_desc(const graph::Shape& shape) {
  if (shape.empty()) return single_value_desc();
  return {dims_of(shape), dnnl::memory::data_type::f32, activation_strides(shape)};
}

dnnl::memory::desc row_major_desc(const graph::Shape& shape) {
  if (shape.empty()) return single_value_desc();
  return {dims_of(shape), dnnl::memory::data_type::f32, row_major_strides(shape)};
}

std::shared_ptr<const std::byte> pack_for_onednn(PackedWeights& packed, const graph::Tensor& constant,
                                                 const dnnl::memory::desc& plain, const dnnl::memory::desc& wanted) {
  const auto pack = [&](std::span<const float> values, std::int64_t, std::byte* to) {
    if (plain == wanted) {
      std::memcpy(to, values.data(), values.size_bytes());
      return;
    }
    const OneOpenmpThread one_thread;
    const dnnl::stream stream(cpu_engine());
    OnednnCall call(dnnl::reorder(dnnl::reorder::primitive_desc(cpu_engine(), plain, cpu_engine(), wanted)), stream);
    call.add(DNNL_ARG_FROM, plain, values.data());
    call.add(DNNL_ARG_TO, wanted, to);
    call();
  };
  return packed.get(constant, {name_of(wanted), wanted.get_size()}, pack);
}

dnnl::primitive_attr make_attributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attributes.set_fpmath_mode(dnnl::fpmath_mode::strict);
  return attributes;
}

void OnednnCall::add(int argument, const dnnl::memory::desc& desc, const void* address) {
  // oneDNN's memory takes a mutable pointer for inputs as well; it does not write through those.
  memories_.emplace_back(desc, cpu_engine(), const_cast<void*>(address));
  arguments_.push_back({argument, memories_.back().get()});
}

void OnednnCall::move(std::size_t index, const void* address) {
  memories_[index].set_data_handle(const_cast<void*>(address));
}

void OnednnCall::operator()() const {
  dnnl::error::wrap_c_api(
      dnnl_primitive_execute(primitive_.get(), stream_.get(), static_cast<int>(arguments_.size()), arguments_.data()),
      "oneDNN could not execute a primitive");
}

}  // namespace residua::engine
