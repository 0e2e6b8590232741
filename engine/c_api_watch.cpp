// The C interface: what runs used and took.

#include "engine/c_calls.h"
#include "engine/c_input.h"
#include "engine/trace.h"
#include "engine/whole_file.h"
#include "residua/residua.h"

namespace engine = residua::engine;
using namespace residua::engine::c;

namespace {

const engine::RunInfo& last_run_of(const residua_context* context) {
  require(context != nullptr, "context is NULL");
  const engine::RunInfo& run = context->context.last_run();
  require(run.program != nullptr, "the context has not run yet, or its last run failed");
  return run;
}

std::string trace_of(const residua_context* context) {
  require(context == nullptr || context->context.options().profile,
          "the context does not profile: residua_context_options.profile is 0");
  return engine::trace_json(last_run_of(context));
}

}  // namespace

residua_status residua_context_get_run_info(const residua_context* context, residua_run_info* info,
                                            residua_error* error) {
  return guarded(error, [&] {
    require(context != nullptr, "context is NULL");
    write_run_info(info, context->context, 0);
  });
}

residua_status residua_context_get_layer(const residua_context* context, int32_t index, residua_layer_info* info,
                                         residua_error* error) {
  return guarded(error, [&] {
    const engine::RunInfo& run = last_run_of(context);
    require(index >= 0 && static_cast<std::size_t>(index) < run.program->layers.size(), "no layer of that index");
    write_struct(info, layer_info_of(run, static_cast<std::size_t>(index)),
                 "info is NULL or its struct_size is not set");
  });
}

residua_status residua_context_get_trace(const residua_context* context, char** text, residua_error* error) {
  return guarded(error, [&] {
    require(text != nullptr, "text is NULL");
    *text = nullptr;
    *text = text_for_caller(trace_of(context));
  });
}

residua_status residua_context_write_trace(const residua_context* context, const char* path, residua_error* error) {
  return guarded(error, [&] {
    require(path != nullptr, "path is NULL");
    const std::string text = trace_of(context);
    engine::WholeFile file = value_or_refuse(engine::WholeFile::create(path));
    refuse_unless_ok(file.write(std::as_bytes(std::span(text))));
    refuse_unless_ok(file.finish());
  });
}

residua_status residua_model_get_counters(const residua_model* model, residua_counters* counters,
                                          residua_error* error) {
  return guarded(error, [&] {
    require(model != nullptr, "model is NULL");
    const engine::Counters& sums = model->model->counters();
    const auto milliseconds = [](const std::atomic<std::uint64_t>& nanoseconds) {
      return static_cast<double>(nanoseconds.load(std::memory_order_relaxed)) / 1e6;
    };
    residua_counters filled{};
    filled.runs = sums.runs.load(std::memory_order_relaxed);
    filled.images = sums.images.load(std::memory_order_relaxed);
    filled.errors = sums.errors.load(std::memory_order_relaxed);
    filled.cancelled = sums.cancelled.load(std::memory_order_relaxed);
    filled.deadlines_exceeded = sums.deadlines.load(std::memory_order_relaxed);
    filled.plans = sums.plans.load(std::memory_order_relaxed);
    filled.planning_ms = milliseconds(sums.planning_nanoseconds);
    filled.run_ms = milliseconds(sums.run_nanoseconds);
    filled.queue_ms = milliseconds(sums.queue_nanoseconds);
    write_struct(counters, filled, "counters is NULL or its struct_size is not set");
  });
}
