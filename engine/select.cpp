#include "engine/select.h"

namespace residua::engine {
namespace {

std::vector<Implementation> all_implementations() {
  std::vector<Implementation> all;
  for (auto list : {winograd_convolution_implementations, direct_convolution_implementations,
                    onednn_convolution_implementations, onednn_fully_connected_implementations, pooling_implementations,
                    batch_norm_implementations, onednn_elementwise_implementations, copy_implementations})
    for (const Implementation& implementation : list()) all.push_back(implementation);
  return all;
}

}  // namespace

std::vector<Implementation> candidates(graph::Op op) {
  static const std::vector<Implementation> all = all_implementations();
  std::vector<Implementation> list;
  for (const Implementation& implementation : all)
    if (implementation.op == op) list.push_back(implementation);
  list.push_back(interpreter_implementation());
  return list;
}

Selection select(const StepRequest& request) {
  std::vector<Rejection> rejections;
  for (const Implementation& implementation : candidates(request.node.op)) {
    std::string reason = implementation.reject(request);
    if (reason.empty()) {
      try {
        return {implementation.make(request), std::move(rejections)};
      } catch (const dnnl::error& error) {
        // oneDNN has no kernel for this combination on this CPU; out of memory is another matter.
        if (error.status != dnnl_unimplemented && error.status != dnnl_invalid_arguments) throw;
        reason = std::string("oneDNN: ") + error.what();
      }
    }
    rejections.push_back({implementation.name, std::move(reason)});
  }
  throw graph::InternalError("node '" + request.node.name + "' was refused by the interpreter");
}

}  // namespace residua::engine
