// The C interface, with engine/c_calls.h the one place where errors become status codes.

#include <cstdlib>
#include <cstring>
#include <new>
#include <oneapi/dnnl/dnnl.hpp>

#include "engine/c_calls.h"
#include "engine/context.h"
#include "engine/cpu_budget.h"
#include "engine/describe.h"
#include "engine/environment.h"
#include "engine/log.h"
#include "engine/onednn.h"
#include "engine/peak.h"
#include "engine/scores.h"
#include "engine/version.h"
#include "graph/architectures/resnet.h"
#include "graph/operators.h"
#include "kernels/image/resize.h"
#include "residua/residua.h"

namespace engine = residua::engine;
namespace graph = residua::graph;
namespace kernels = residua::kernels;
using namespace residua::engine::c;

namespace {

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
  return load;
}

}  // namespace

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

residua_status residua_model_load(const char* path, const residua_load_options* options, residua_model** model,
                                  residua_error* error) {
  return guarded(error, [&] {
    require(path != nullptr, "path is NULL");
    require(model != nullptr, "model is NULL");
    *model = nullptr;
    *model = new residua_model{value_or_refuse(engine::Model::load(path, load_options_of(options)))};
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
    require(batches != nullptr || batch_count == 0, "batches is NULL");
    require_within(height, "height", 0, engine::largest_image_side);
    require_within(width, "width", 0, engine::largest_image_side);
    const engine::Model& m = *model->model;
    engine::ContextOptions options = context_options_of(context_options);
    options.threads = engine::threads_within_budget(options.threads);
    std::vector<engine::ProgramKey> programs;
    for (size_t i = 0; i < batch_count; ++i) {
      require_within(batches[i], "batch", 1, INT32_MAX);
      programs.push_back(engine::choose_program(
          {batches[i], height > 0 ? height : m.card().input_height, width > 0 ? width : m.card().input_width},
          options));
    }
    if (graph::Status status = m.pack(path, programs); !status) throw Refusal{status.error()};
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
      const engine::RunShape shape{batch > 0 ? batch : 1, height > 0 ? height : m.card().input_height,
                                   width > 0 ? width : m.card().input_width};
      engine::ContextOptions options = context_options_of(context_options);
      options.threads = engine::threads_within_budget(options.threads);
      result = engine::describe(*value_or_refuse(m.program(engine::choose_program(shape, options))), wanted);
    }
    char* copy = static_cast<char*>(std::malloc(result.size() + 1));
    if (copy == nullptr) throw std::bad_alloc();
    std::memcpy(copy, result.c_str(), result.size() + 1);
    *text = copy;
  });
}

void residua_text_free(char* text) { std::free(text); }

residua_status residua_preprocess(const residua_model* model, const uint8_t* pixels, int32_t width, int32_t height,
                                  size_t row_stride, uint8_t* output, residua_error* error) {
  return guarded(error, [&] {
    require(model != nullptr, "model is NULL");
    require(pixels != nullptr && output != nullptr, "pixels or output is NULL");
    require_within(width, "width", 1, INT32_MAX);
    require_within(height, "height", 1, INT32_MAX);
    require(row_stride >= static_cast<std::size_t>(width) * 3, "row_stride is smaller than a row of RGB pixels");
    const engine::ModelCard& card = model->model->card();
    const kernels::PreprocessPlan plan = kernels::make_preprocess_plan({width, height}, card.resize, card.interpolation,
                                                                       {card.input_width, card.input_height});
    std::vector<std::uint8_t> scratch(plan.scratch_bytes);
    kernels::preprocess_rgb8(plan, pixels, row_stride, scratch.data(), output);
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
    require(input != nullptr, "input is NULL");
    require(output != nullptr, "output is NULL");
    const residua_input given = read_struct(input, "residua_input.struct_size is not set");
    require(given.data != nullptr, "residua_input.data is NULL");
    require_within(given.batch, "residua_input.batch", 1, INT32_MAX);
    require_within(given.height, "residua_input.height", 1, engine::largest_image_side);
    require_within(given.width, "residua_input.width", 1, engine::largest_image_side);
    require(given.format == RESIDUA_FLOAT32_NCHW || given.format == RESIDUA_UINT8_NHWC, "unknown residua_input.format");
    engine::Input images{.planes = nullptr, .pixels = nullptr, .shape = {given.batch, given.height, given.width}};
    if (given.format == RESIDUA_FLOAT32_NCHW)
      images.planes = static_cast<const float*>(given.data);
    else
      images.pixels = static_cast<const std::uint8_t*>(given.data);
    const graph::Status status = context->context.run(images, {output, output_count});
    if (!status) throw Refusal{status.error()};
  });
}

void residua_softmax(const float* values, size_t rows, size_t classes, float* probabilities) {
  if (values != nullptr && probabilities != nullptr) engine::softmax(values, rows, classes, probabilities);
}

void residua_top_k(const float* values, size_t classes, size_t count, int32_t* indices) {
  if (values != nullptr && indices != nullptr && classes <= static_cast<std::size_t>(INT32_MAX))
    engine::top_k({values, classes}, {indices, std::min(count, classes)});
}

residua_status residua_context_get_run_info(const residua_context* context, residua_run_info* info,
                                            residua_error* error) {
  return guarded(error, [&] {
    require(context != nullptr, "context is NULL");
    const engine::RunInfo& run = context->context.last_run();
    require(run.program != nullptr, "the context has not run yet");
    residua_run_info filled{};
    const engine::Program& program = *run.program;
    filled.threads = program.key.threads;
    filled.schedule = program.key.whole_images ? RESIDUA_THROUGHPUT : RESIDUA_LATENCY;
    for (const engine::Segment& segment : program.segments) {
      filled.arena_bytes += segment.plan->arena_bytes;
      filled.arena_lower_bound += segment.plan->arena_lower_bound;
      filled.scratch_bytes = std::max(filled.scratch_bytes, segment.plan->scratch_bytes);
    }
    filled.workers = program.key.whole_images ? program.key.threads : 1;
    filled.packed_weight_bytes = context->context.model().packed_weight_bytes();
    filled.gflop_per_image = program.gflop / static_cast<double>(program.key.batch);
    filled.layer_count = static_cast<int32_t>(run.program->layers.size());
    write_struct(info, filled, "info is NULL or its struct_size is not set");
  });
}

residua_status residua_context_get_layer(const residua_context* context, int32_t index, residua_layer_info* info,
                                         residua_error* error) {
  return guarded(error, [&] {
    require(context != nullptr, "context is NULL");
    const engine::RunInfo& run = context->context.last_run();
    require(run.program != nullptr, "the context has not run yet");
    require(index >= 0 && static_cast<std::size_t>(index) < run.program->layers.size(), "no layer of that index");
    const engine::Layer& layer = run.program->layers[static_cast<std::size_t>(index)];
    const engine::Step& step = *layer.step;
    write_struct(info,
                 {.struct_size = 0,
                  .name = step.name.c_str(),
                  .op = graph::info_of(step.op).name.data(),
                  .implementation = step.implementation.c_str(),
                  .milliseconds = run.layer_milliseconds[static_cast<std::size_t>(index)],
                  .gflop = step.gflop * layer.runs * run.scale},
                 "info is NULL or its struct_size is not set");
  });
}
