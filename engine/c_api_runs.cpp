// The C interface: outputs, and runs with and without a context of one's own.

#include "engine/async_runs.h"
#include "engine/c_calls.h"
#include "engine/c_input.h"
#include "engine/layout.h"
#include "engine/scores.h"
#include "graph/infer.h"
#include "residua/residua.h"

namespace engine = residua::engine;
namespace graph = residua::graph;
using namespace residua::engine::c;

namespace {

// `index` within named_outputs().
void write_tensor_info(const engine::Model& model, std::size_t index, int32_t height, int32_t width,
                       residua_tensor_info* info) {
  require_within(height, "height", 0, engine::largest_image_side);
  require_within(width, "width", 0, engine::largest_image_side);
  const engine::NamedTensor& named = model.named_outputs()[index];
  const graph::Graph one_image = value_or_refuse(
      graph::with_input_shape(model.offered(), {1, model.channels(), height > 0 ? height : model.card().input_height,
                                                width > 0 ? width : model.card().input_width}));
  const graph::Shape& shape = one_image.tensor(named.source.tensor).shape;
  residua_tensor_info filled{};
  filled.name = named.name.c_str();
  filled.op = named.op.c_str();
  filled.rank = static_cast<int32_t>(shape.size());
  require(shape.size() <= RESIDUA_MAX_RANK, "a tensor of more dimensions than RESIDUA_MAX_RANK");
  std::copy(shape.begin(), shape.end(), filled.shape);
  filled.values = static_cast<int64_t>(engine::float_count(shape));
  write_struct(info, filled, "info is NULL or its struct_size is not set");
}

}  // namespace

residua_status residua_model_get_tensor(const residua_model* model, int32_t index, int32_t height, int32_t width,
                                        residua_tensor_info* info, residua_error* error) {
  return guarded(error, [&] {
    require(model != nullptr, "model is NULL");
    require_within(index, "index", 0, static_cast<std::int64_t>(model->model->named_outputs().size()) - 1);
    write_tensor_info(*model->model, static_cast<std::size_t>(index), height, width, info);
  });
}

residua_status residua_model_find_tensor(const residua_model* model, const char* name, int32_t height, int32_t width,
                                         residua_tensor_info* info, residua_error* error) {
  return guarded(error, [&] {
    require(model != nullptr, "model is NULL");
    const std::string wanted = name ? name : "";
    const engine::OutputSource source = value_or_refuse(model->model->find_output(wanted));
    // The first output has a name, too: "logits" or "probabilities".
    const auto& list = model->model->named_outputs();
    const auto found = std::find_if(list.begin(), list.end(), [&](const engine::NamedTensor& each) {
      return wanted.empty() ? each.source == source : each.name == wanted;
    });
    write_tensor_info(*model->model, static_cast<std::size_t>(found - list.begin()), height, width, info);
  });
}

void residua_softmax(const float* values, size_t rows, size_t classes, float* probabilities) {
  if (values != nullptr && probabilities != nullptr) engine::softmax(values, rows, classes, probabilities);
}

void residua_top_k(const float* values, size_t classes, size_t count, int32_t* indices) {
  if (values != nullptr && indices != nullptr && classes <= static_cast<std::size_t>(INT32_MAX))
    engine::top_k({values, classes}, {indices, std::min(count, classes)});
}

residua_status residua_cancel_token_create(residua_cancel_token** token, residua_error* error) {
  return guarded(error, [&] {
    require(token != nullptr, "token is NULL");
    *token = nullptr;
    *token = new residua_cancel_token;
  });
}

void residua_cancel_token_cancel(residua_cancel_token* token) {
  if (token != nullptr) token->flag->store(true, std::memory_order_relaxed);
}

void residua_cancel_token_release(residua_cancel_token* token) { delete token; }

residua_status residua_model_set_run_options(residua_model* model, const residua_context_options* options,
                                             residua_error* error) {
  return guarded(error, [&] {
    require(model != nullptr, "model is NULL");
    const engine::ContextOptions chosen = context_options_of(options);
    require(!chosen.profile, "residua_context_options.profile: residua_run_options.profile is for single runs");
    model->pool->set_options(chosen);
  });
}

namespace {

void run_in_pool(engine::RunPool& pool, const Request& request) {
  engine::RunInfo profiled;  // so that the callback finds the context given back, and may run the model
  refuse_unless_ok(pool.run(request.input, request.outputs, request.stop, request.profile != nullptr, request.asked,
                            [&](const engine::Context& context, double queue_milliseconds) {
                              if (request.info) write_run_info(request.info, context, queue_milliseconds);
                              if (request.profile) profiled = context.last_run();
                            }));
  if (request.profile) tell_profile(request, profiled);
}

}  // namespace

residua_status residua_run(residua_model* model, const residua_input* input, const residua_output* outputs,
                           size_t output_count, const residua_run_options* options, residua_error* error) {
  return guarded(error, [&] {
    require(model != nullptr, "model is NULL");
    run_in_pool(*model->pool, request_of(*model->model, input, outputs, output_count, options));
  });
}

residua_status residua_run_async(residua_model* model, const residua_input* input, const residua_output* outputs,
                                 size_t output_count, const residua_run_options* options, residua_run_callback callback,
                                 void* user, residua_error* error) {
  return guarded(error, [&] {
    require(model != nullptr, "model is NULL");
    require(callback != nullptr, "callback is NULL");
    const auto request = std::make_shared<Request>(request_of(*model->model, input, outputs, output_count, options));
    const auto run = [pool = model->pool, request, callback, user] {
      residua_error outcome{};
      static_cast<void>(guarded(&outcome, [&] { run_in_pool(*pool, *request); }));
      callback(user, &outcome);
    };
    engine::run_later(run, request->stop);
  });
}

residua_status residua_context_create(residua_model* model, const residua_context_options* options,
                                      residua_context** context, residua_error* error) {
  return guarded(error, [&] {
    require(model != nullptr, "model is NULL");
    require(context != nullptr, "context is NULL");
    *context = nullptr;
    *context = new residua_context{engine::Context(model->model, context_options_of(options))};
  });
}

void residua_context_release(residua_context* context) { delete context; }

residua_status residua_context_run(residua_context* context, const residua_input* input, float* output,
                                   size_t output_count, residua_error* error) {
  return guarded(error, [&] {
    require(context != nullptr, "context is NULL");
    require(output != nullptr, "output is NULL");
    std::vector<engine::ImageView> images;
    const engine::Model& model = context->context.model();
    const engine::Input given = counting_refusals(model, [&] { return input_of(input, model, images); });
    refuse_unless_ok(context->context.run(given, {output, output_count}));
  });
}

residua_status residua_context_run_outputs(residua_context* context, const residua_input* input,
                                           const residua_output* outputs, size_t output_count,
                                           const residua_run_options* options, residua_error* error) {
  return guarded(error, [&] {
    require(context != nullptr, "context is NULL");
    engine::Context& runner = context->context;
    const Request request = request_of(runner.model(), input, outputs, output_count, options);
    refuse_unless_ok(runner.run(request.input, request.outputs, request.stop, request.profile != nullptr));
    if (request.info) write_run_info(request.info, runner, 0);
    if (request.profile) tell_profile(request, runner.last_run());
  });
}
