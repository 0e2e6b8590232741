#include "engine/onednn.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "engine/arena.h"
#include "engine/environment.h"

namespace residua::engine {

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine = [] {
    static_cast<void>(kernel_table());  // caps oneDNN before its first look at the CPU
    return dnnl::engine(dnnl::engine::kind::cpu, 0);
  }();
  return engine;
}

std::shared_ptr<std::byte> allocate_aligned(std::size_t bytes) {
  void* memory = std::aligned_alloc(cache_line, whole_cache_lines(std::max<std::size_t>(bytes, 1)));
  if (memory == nullptr) throw std::bad_alloc();
  return {static_cast<std::byte*>(memory), [](std::byte* pointer) { std::free(pointer); }};
}

dnnl::memory::dims dims_of(const graph::Shape& shape) { return {shape.begin(), shape.end()}; }

dnnl::memory::desc activation_desc(const graph::Shape& shape) {
  return {dims_of(shape), dnnl::memory::data_type::f32, activation_strides(shape)};
}

dnnl::memory::desc row_major_desc(const graph::Shape& shape) {
  return {dims_of(shape), dnnl::memory::data_type::f32, row_major_strides(shape)};
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

void OnednnCall::operator()() const {
  dnnl::error::wrap_c_api(
      dnnl_primitive_execute(primitive_.get(), stream_.get(), static_cast<int>(arguments_.size()), arguments_.data()),
      "oneDNN could not execute a primitive");
}

}  // namespace residua::engine
