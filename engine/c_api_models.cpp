// The C interface: models.

#include "engine/c_calls.h"
#include "engine/cpu_budget.h"
#include "engine/describe.h"
#include "engine/digest.h"
#include "engine/model_bytes.h"
#include "kernels/image/resize.h"
#include "residua/residua.h"

namespace engine = residua::engine;
namespace graph = residua::graph;
namespace kernels = residua::kernels;
using namespace residua::engine::c;

namespace {

engine::Progress progress_of(residua_progress_callback callback, void* user) {
  if (callback == nullptr) return {};
  return [callback, user](const char* stage, double done) {
    if (callback(user, stage, done) != 0)
      throw engine::Stopped{{graph::ErrorCode::cancelled, "cancelled by the progress callback"}};
  };
}

engine::LoadOptions load_options_of(const residua_load_options* options) {
  const auto given = read_struct(options, "residua_load_options.struct_size is not set");
  engine::LoadOptions load;
  if (given.architecture) load.architecture = given.architecture;
  if (given.labels) load.labels = given.labels;
  require_within(given.verify, "residua_load_options.verify", 0, 1);
  require_within(given.cache, "residua_load_options.cache", 0, 1);
  load.verify = given.verify == 1;
  load.cache = given.cache == 1;
  if (given.cache_folder) load.cache_folder = given.cache_folder;
  load.memory_limit = given.memory_limit;
  load.progress = progress_of(given.progress, given.progress_user);
  if (given.sidecar) load.sidecar = given.sidecar;
  return load;
}

// Options of a model that is no file.
engine::LoadOptions options_without_file(const residua_load_options* options) {
  engine::LoadOptions load = load_options_of(options);
  require(!load.cache, "residua_load_options.cache: only models that are files are kept");
  return load;
}

// The program of a run of `batch` images (0: one), of the model's own size where a side is 0.
engine::ProgramKey program_of(const engine::Model& model, int32_t batch, int32_t height, int32_t width,
                              const residua_context_options* context_options) {
  require_within(height, "height", 0, engine::largest_image_side);
  require_within(width, "width", 0, engine::largest_image_side);
  engine::ContextOptions options = context_options_of(context_options);
  options.threads = engine::threads_within_budget(options.threads);
  return engine::choose_program({batch > 0 ? batch : 1, height > 0 ? height : model.card().input_height,
                                 width > 0 ? width : model.card().input_width},
                                options);
}

std::vector<engine::ProgramKey> programs_of(const engine::Model& model, const int32_t* batches, size_t batch_count,
                                            int32_t height, int32_t width,
                                            const residua_context_options* context_options) {
  require(batches != nullptr || batch_count == 0, "batches is NULL");
  require_within(height, "height", 0, engine::largest_image_side);
  require_within(width, "width", 0, engine::largest_image_side);
  std::vector<engine::ProgramKey> programs;
  for (size_t i = 0; i < batch_count; ++i) {
    require_within(batches[i], "batch", 1, INT32_MAX);
    programs.push_back(program_of(model, batches[i], height, width, context_options));
  }
  return programs;
}

void estimate_memory(const engine::Model& model, int32_t batch, int32_t height, int32_t width,
                     const residua_context_options* context_options, residua_memory_estimate* estimate) {
  require_within(batch, "batch", 0, INT32_MAX);
  const engine::ProgramKey key = program_of(model, batch, height, width, context_options);
  require(!key.tuned, "residua_context_options.tune: what measuring will choose is not known before");
  const auto sizes = value_or_refuse(model.estimate_memory(key));
  residua_memory_estimate filled{};
  filled.weight_bytes = sizes.weights;
  filled.weights_are_mapped = sizes.weights_are_mapped ? 1 : 0;
  filled.packed_weight_bytes = sizes.packed_weights;
  filled.context_bytes = sizes.context;
  filled.total_bytes = sizes.packed_weights + sizes.context + (sizes.weights_are_mapped ? 0 : sizes.weights);
  write_struct(estimate, filled, "estimate is NULL or its struct_size is not set");
}

}  // namespace

residua_status residua_model_load(const char* path, const residua_load_options* options, residua_model** model,
                                  residua_error* error) {
  return guarded(error, [&] {
    require(path != nullptr, "path is NULL");
    require(model != nullptr, "model is NULL");
    *model = nullptr;
    *model = new residua_model{value_or_refuse(engine::Model::load(path, load_options_of(options)))};
  });
}

residua_status residua_model_load_memory(const void* data, size_t size, residua_release_callback release, void* user,
                                         const residua_load_options* options, residua_model** model,
                                         residua_error* error) {
  // Owns the promise to release from here on, whatever happens.
  engine::CallersBytes bytes(data, size, release, user);
  return guarded(error, [&] {
    require(data != nullptr && size > 0, "data is NULL or size is 0");
    require(model != nullptr, "model is NULL");
    *model = nullptr;
    const engine::LoadOptions load = options_without_file(options);
    *model = new residua_model{value_or_refuse(engine::Model::load(std::move(bytes).take(), load))};
  });
}

residua_status residua_model_load_stream(residua_read_callback read, void* user, size_t size_hint,
                                         const residua_load_options* options, residua_model** model,
                                         residua_error* error) {
  return guarded(error, [&] {
    require(read != nullptr, "read is NULL");
    require(model != nullptr, "model is NULL");
    *model = nullptr;
    const engine::LoadOptions load = options_without_file(options);
    const auto source = [&](void* buffer, size_t wanted) { return read(user, buffer, wanted); };
    const auto bytes = value_or_refuse(engine::read_all(source, size_hint, load.progress));
    *model = new residua_model{value_or_refuse(engine::Model::load(bytes, load))};
  });
}

residua_status residua_model_create_random(const char* architecture, uint64_t seed, residua_model** model,
                                           residua_error* error) {
  return residua_model_create_random_with_options(architecture, seed, nullptr, model, error);
}

residua_status residua_model_create_random_with_options(const char* architecture, uint64_t seed,
                                                        const residua_load_options* options, residua_model** model,
                                                        residua_error* error) {
  return guarded(error, [&] {
    require(architecture != nullptr, "architecture is NULL");
    require(model != nullptr, "model is NULL");
    *model = nullptr;
    *model = new residua_model{value_or_refuse(engine::Model::random(architecture, seed, load_options_of(options)))};
  });
}

void residua_model_release(residua_model* model) { delete model; }

residua_status residua_model_get_info(const residua_model* model, residua_model_info* info, residua_error* error) {
  return guarded(error, [&] {
    require(model != nullptr, "model is NULL");
    const engine::Model& m = *model->model;
    const engine::ModelCard& card = m.card();
    residua_model_info filled{};
    filled.format = m.format().c_str();
    filled.architecture = card.architecture.c_str();
    filled.channels = static_cast<int32_t>(m.channels());
    filled.input_height = static_cast<int32_t>(card.input_height);
    filled.input_width = static_cast<int32_t>(card.input_width);
    filled.resize = static_cast<int32_t>(card.resize);
    filled.interpolation = card.interpolation == kernels::Interpolation::bicubic ? RESIDUA_BICUBIC : RESIDUA_BILINEAR;
    std::copy_n(card.mean, 3, filled.mean);
    std::copy_n(card.standard_deviation, 3, filled.standard_deviation);
    filled.classes = static_cast<int32_t>(m.classes());
    filled.outputs_are_probabilities = m.ends_in_softmax() ? 1 : 0;
    filled.label_count = static_cast<int32_t>(card.labels.size());
    filled.parameters = m.parameters();
    filled.tensor_count = static_cast<int32_t>(m.named_outputs().size());
    write_struct(info, filled, "info is NULL or its struct_size is not set");
  });
}

const char* residua_model_label(const residua_model* model, int32_t index) {
  if (model == nullptr || index < 0) return nullptr;
  const std::vector<std::string>& labels = model->model->card().labels;
  return static_cast<std::size_t>(index) < labels.size() ? labels[static_cast<std::size_t>(index)].c_str() : nullptr;
}

residua_status residua_model_pack(const residua_model* model, const char* path, const int32_t* batches,
                                  size_t batch_count, int32_t height, int32_t width,
                                  const residua_context_options* context_options, residua_error* error) {
  return guarded(error, [&] {
    require(model != nullptr, "model is NULL");
    require(path != nullptr, "path is NULL");
    const auto programs = programs_of(*model->model, batches, batch_count, height, width, context_options);
    refuse_unless_ok(model->model->pack(path, programs));
  });
}

residua_status residua_model_prepare(const residua_model* model, const int32_t* batches, size_t batch_count,
                                     int32_t height, int32_t width, const residua_context_options* context_options,
                                     residua_progress_callback progress, void* progress_user, residua_error* error) {
  return guarded(error, [&] {
    require(model != nullptr, "model is NULL");
    const auto programs = programs_of(*model->model, batches, batch_count, height, width, context_options);
    refuse_unless_ok(model->model->prepare(programs, progress_of(progress, progress_user)));
  });
}

residua_status residua_model_estimate_memory(const residua_model* model, int32_t batch, int32_t height, int32_t width,
                                             const residua_context_options* context_options,
                                             residua_memory_estimate* estimate, residua_error* error) {
  return guarded(error, [&] {
    require(model != nullptr, "model is NULL");
    estimate_memory(*model->model, batch, height, width, context_options, estimate);
  });
}

residua_status residua_estimate_memory(const char* path, const residua_load_options* load_options, int32_t batch,
                                       int32_t height, int32_t width, const residua_context_options* context_options,
                                       residua_memory_estimate* estimate, residua_error* error) {
  return guarded(error, [&] {
    require(path != nullptr, "path is NULL");
    const auto model = value_or_refuse(engine::Model::load(path, load_options_of(load_options)));
    estimate_memory(*model, batch, height, width, context_options, estimate);
  });
}

residua_status residua_model_weights_digest(const residua_model* model, char digest[RESIDUA_DIGEST_SIZE],
                                            residua_error* error) {
  return guarded(error, [&] {
    require(model != nullptr && digest != nullptr, "model or digest is NULL");
    const std::string text = engine::weights_digest(model->model->imported());
    std::memcpy(digest, text.c_str(), RESIDUA_DIGEST_SIZE);
  });
}

residua_status residua_model_describe(const residua_model* model, residua_stage stage, residua_text_format format,
                                      int32_t batch, int32_t height, int32_t width,
                                      const residua_context_options* context_options, char** text,
                                      residua_error* error) {
  return guarded(error, [&] {
    require(model != nullptr, "model is NULL");
    require(text != nullptr, "text is NULL");
    *text = nullptr;
    require_within(batch, "batch", 0, INT32_MAX);
    require_within(height, "height", 0, engine::largest_image_side);
    require_within(width, "width", 0, engine::largest_image_side);
    require(format == RESIDUA_TEXT || format == RESIDUA_JSON || format == RESIDUA_DOT, "unknown text format");
    const auto wanted = static_cast<engine::TextFormat>(format);
    const engine::Model& m = *model->model;
    std::string result;
    if (stage == RESIDUA_IMPORTED) {
      result = engine::describe(m.imported(), wanted);
    } else if (stage == RESIDUA_OPTIMIZED) {
      result = engine::describe(m.optimized(), wanted);
    } else {
      require(stage == RESIDUA_PLANNED, "unknown stage");
      const engine::ProgramKey key = program_of(m, batch, height, width, context_options);
      result = engine::describe(*value_or_refuse(m.program(key)), wanted);
    }
    *text = text_for_caller(result);
  });
}

void residua_text_free(char* text) { std::free(text); }
