// The C interface: what this library is.

#include <oneapi/dnnl/dnnl.hpp>

#include "engine/c_calls.h"
#include "engine/cpu_budget.h"
#include "engine/environment.h"
#include "engine/log.h"
#include "engine/onednn.h"
#include "engine/peak.h"
#include "engine/version.h"
#include "graph/architectures/resnet.h"
#include "graph/import/onnx_operators.h"
#include "graph/input_limits.h"
#include "residua/residua.h"

namespace engine = residua::engine;
namespace graph = residua::graph;
namespace kernels = residua::kernels;
using namespace residua::engine::c;

residua_status residua_get_version(residua_version_info* info, residua_error* error) {
  return guarded(error, [&] {
    static const std::string sets = [] {
      std::string names;
      for (kernels::InstructionSet set : kernels::all_instruction_sets())
        names += (names.empty() ? "" : ", ") + std::string(name_of(set));
      return names;
    }();
    static const std::string in_use(name_of(engine::kernel_table().instruction_set));
    static const std::string onednn = engine::onednn_version();
    write_struct(info,
                 {.struct_size = 0,
                  .version = RESIDUA_VERSION,
                  .compiler = RESIDUA_COMPILER,
                  .onednn = onednn.c_str(),
                  .instruction_sets = sets.c_str(),
                  .instruction_set_in_use = in_use.c_str()},
                 "info is NULL or its struct_size is not set");
  });
}

residua_status residua_get_capabilities(residua_capabilities* info, residua_error* error) {
  return guarded(error, [&] {
    static const std::string features = [] {
      std::string names;
      for (kernels::InstructionSet set : kernels::all_instruction_sets())
        if (set <= engine::kernel_table().instruction_set)
          names += (names.empty() ? "" : ", ") + std::string(name_of(set));
      return names;
    }();
    write_struct(info,
                 {.struct_size = 0,
                  .formats = "onnx, safetensors, pth, packed",
                  .precisions = "fp32",
                  .cpu_features = features.c_str(),
                  .onnx_opset_min = graph::onnx::first_opset,
                  .onnx_opset_max = graph::onnx::last_opset,
                  .largest_image_side = static_cast<int32_t>(engine::largest_image_side),
                  .cpu_budget = engine::cpu_budget(),
                  .largest_run_at_once = engine::largest_piece},
                 "info is NULL or its struct_size is not set");
  });
}

const char* const* residua_architectures(void) {
  const char* const* list = nullptr;
  static_cast<void>(guarded(nullptr, [&] {
    static const std::vector<std::string> names = graph::known_architectures();
    static const std::vector<const char*> pointers = [] {
      std::vector<const char*> texts;
      texts.reserve(names.size() + 1);
      for (const std::string& name : names) texts.push_back(name.c_str());
      texts.push_back(nullptr);
      return texts;
    }();
    list = pointers.data();
  }));
  return list;
}

int32_t residua_cpu_budget(void) {
  int budget = 1;  // without the memory to find out
  static_cast<void>(guarded(nullptr, [&] { budget = engine::cpu_budget(); }));
  return budget;
}

residua_status residua_measure_peak(int threads, double* gflops_per_second, residua_error* error) {
  return guarded(error, [&] {
    require_within(threads, "threads", 0, INT32_MAX);
    require(gflops_per_second != nullptr, "gflops_per_second is NULL");
    *gflops_per_second = engine::measure_peak(engine::threads_within_budget(threads));
  });
}

void residua_set_log_callback(residua_log_callback callback, void* user) {
  static_cast<void>(guarded(nullptr, [&] {
    engine::set_log_callback(callback, user);
    if (!engine::environment().complaint.empty()) engine::log(engine::environment().complaint);
  }));
}

residua_status residua_set_allocator(const residua_allocator* allocator, residua_error* error) {
  return guarded(error, [&] {
    if (allocator == nullptr) {
      engine::set_allocator(std::nullopt);
      return;
    }
    const auto given = read_struct(allocator, "residua_allocator.struct_size is not set");
    require(given.allocate != nullptr && given.release != nullptr,
            "residua_allocator.allocate or residua_allocator.release is NULL");
    engine::set_allocator(engine::Allocator{given.user, given.allocate, given.release});
  });
}

residua_status residua_set_limit(const char* name, uint64_t value, residua_error* error) {
  return guarded(error, [&] {
    require(name != nullptr, "name is NULL");
    static_cast<void>(engine::environment());  // what RESIDUA_LIMITS says comes first
    refuse_unless_ok(graph::set_limit(name, value));
  });
}

residua_status residua_get_limit(const char* name, uint64_t* value, residua_error* error) {
  return guarded(error, [&] {
    require(name != nullptr && value != nullptr, "name or value is NULL");
    static_cast<void>(engine::environment());
    *value = graph::value_of(value_or_refuse(graph::find_limit(name)));
  });
}

residua_status residua_check_limit(const char* name, uint64_t found, const char* where, residua_error* error) {
  return guarded(error, [&] {
    require(name != nullptr && where != nullptr, "name or where is NULL");
    static_cast<void>(engine::environment());
    refuse_unless_ok(graph::check_limit(value_or_refuse(graph::find_limit(name)), found, where));
  });
}
