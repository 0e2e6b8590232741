// What every oneDNN step needs: the engine, our layouts as memory descriptors, and a call that is ready to go.
#pragma once

#include <cstddef>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "engine/layout.h"
#include "engine/packed_weights.h"

namespace residua::engine {

// The one CPU engine of the process. The first call applies RESIDUA_MAX_ISA to oneDNN.
const dnnl::engine& cpu_engine();

// Whether oneDNN has no kernel for what was asked on this CPU; out of memory, for instance, is another matter.
bool means_no_kernel(const dnnl::error& error);

dnnl::memory::dims dims_of(const graph::Shape& shape);

// "3.2.0"
std::string onednn_version();

// Our layouts (engine/layout.h) as descriptors of float32 memory.
dnnl::memory::desc activation_desc(const graph::Shape& shape);
dnnl::memory::desc row_major_desc(const graph::Shape& shape);

// `constant`, whose values lie as `plain` says, in the layout `wanted`.
std::shared_ptr<const std::byte> pack_for_onednn(PackedWeights& packed, const graph::Tensor& constant,
                                                 const dnnl::memory::desc& plain, const dnnl::memory::desc& wanted);

// Attributes every primitive of ours starts from: scratch memory comes from the arena's owner, and float32 means
// float32 whatever ONEDNN_DEFAULT_FPMATH_MODE says in the host's environment.
dnnl::primitive_attr make_attributes();

// A primitive with its arguments bound to addresses. Calling it allocates nothing of ours.
class OnednnCall {
 public:
  OnednnCall(dnnl::primitive primitive, dnnl::stream stream)
      : primitive_(std::move(primitive)), stream_(std::move(stream)) {}
  void add(int argument, const dnnl::memory::desc& desc, const void* address);
  // Moves argument number `index`, in the order of add(), to another address.
  void move(std::size_t index, const void* address);
  void operator()() const;

 private:
  dnnl::primitive primitive_;
  dnnl::stream stream_;
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
};

}  // namespace residua::engine
