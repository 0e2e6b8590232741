// Residua for C++20: a thin wrapper over residua.h, header-only, with no dependency beyond the shared library.
//
//   const residua::Model model = residua::Model::load("resnet50.onnx");
//   const std::vector<float> logits = model.run({.format = RESIDUA_UINT8_NHWC, .data = pixels, .height = 480,
//                                                .width = 640, .preparation = RESIDUA_PREPARE});
//   for (std::int32_t index : residua::top_k(logits, 5)) std::cout << model.label(index).value_or("?") << "\n";
//
// Rules that hold for everything here:
// - A failure throws residua::Error, which carries the status and the message of the C interface. Nothing else is
//   thrown but std::bad_alloc, where a vector or string of ours finds no memory.
// - Who wants no exceptions calls the function of the same name with try_ in front. It returns a Result: the value, or
//   the Error. (std::bad_alloc it still throws.)
// - Objects own what they hold and give it back when they end. They can be moved, not copied; one that has been moved
//   from may only be assigned to or destroyed. A Context keeps what it needs of its Model alive by itself.
// - A Model is immutable: any number of threads may use it at once. A Context serves one thread at a time.
// - Structs of information (residua_model_info and so on) are those of residua.h, where their fields are described.
//   Their texts live as long as the Model they came from; those of a LayerInfo until its Context's next run.
// - Thread-safety, errors and units are those of the function of residua.h behind each.
#pragma once

#include <residua/residua.h>
#include <residua/values.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace residua {

// ---- What this library is -------------------------------------------------------------------------------------------

// Version, compiler, oneDNN and instruction sets. The texts are static.
inline VersionInfo version() { return detail::try_get<VersionInfo>(residua_get_version).value(); }

// What this library can do on this machine. The texts are static.
inline Capabilities capabilities() { return detail::try_get<Capabilities>(residua_get_capabilities).value(); }

// The architectures that Model::random takes, sorted. The texts are static.
inline std::vector<std::string_view> architectures() {
  std::vector<std::string_view> names;
  for (const char* const* name = residua_architectures(); *name != nullptr; ++name) names.emplace_back(*name);
  return names;
}

// How many threads this process may keep busy: min(affinity, cgroup quota rounded up), at least 1.
inline int cpu_budget() { return residua_cpu_budget(); }

// The rate of float32 fused multiply-adds that `threads` threads (0: the CPU budget) reach together, in GFLOP/s. Takes
// about 0.2 s.
inline double measure_peak(int threads = 0) {
  double gflops_per_second = 0;
  detail::call(residua_measure_peak, threads, &gflops_per_second);
  return gflops_per_second;
}

// Hands what RESIDUA_VERBOSE asks for, and notes on odd settings, to `callback` (from any thread, one call at a time;
// the message lives during the call only; it must not throw). nullptr, the default, turns them off.
inline void set_log_callback(residua_log_callback callback, void* user = nullptr) {
  residua_set_log_callback(callback, user);
}

// Bounds on what files may ask for: see residua_set_limit. check_limit throws where `found` is more.
inline void set_limit(const std::string& name, std::uint64_t value) {
  detail::call(residua_set_limit, name.c_str(), value);
}
inline std::uint64_t limit(const std::string& name) {
  std::uint64_t value = 0;
  detail::call(residua_get_limit, name.c_str(), &value);
  return value;
}
inline void check_limit(const std::string& name, std::uint64_t found, const std::string& where) {
  detail::call(residua_check_limit, name.c_str(), found, where.c_str());
}

// Where large blocks of memory come from, from now on: see residua_allocator. reset_allocator: the library's own again.
inline void set_allocator(void* (*allocate)(void* user, std::size_t bytes, std::size_t alignment),
                          void (*release)(void* user, void* memory, std::size_t bytes), void* user = nullptr) {
  auto allocator = detail::sized<residua_allocator>();
  allocator.user = user;
  allocator.allocate = allocate;
  allocator.release = release;
  detail::call(residua_set_allocator, &allocator);
}
inline void reset_allocator() { detail::call(residua_set_allocator, static_cast<const residua_allocator*>(nullptr)); }

// ---- Models ---------------------------------------------------------------------------------------------------------

class Model {
 public:
  // Loads an ONNX, safetensors, PyTorch state-dict or packed model file, told by content. `path`: UTF-8, or whatever
  // bytes the file system has.
  static Result<Model> try_load(const std::string& path, const LoadOptions& options = {}) {
    const residua_load_options converted = detail::to_c(options);
    return try_make(residua_model_load, path.c_str(), &converted);
  }
  static Model load(const std::string& path, const LoadOptions& options = {}) {
    return try_load(path, options).value();
  }

  // The same from the bytes of such a file, which are copied.
  static Result<Model> try_load_memory(std::span<const std::byte> bytes, const LoadOptions& options = {}) {
    const residua_load_options converted = detail::to_c(options);
    return try_make(residua_model_load_memory, bytes.data(), bytes.size(),
                    static_cast<residua_release_callback>(nullptr), static_cast<void*>(nullptr), &converted);
  }
  static Model load_memory(std::span<const std::byte> bytes, const LoadOptions& options = {}) {
    return try_load_memory(bytes, options).value();
  }
  // The same without a copy (if they start at a multiple of 64 bytes): `owner` keeps them alive and is held as long as
  // they are needed.
  static Result<Model> try_load_memory(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                       const LoadOptions& options = {}) {
    const residua_load_options converted = detail::to_c(options);
    auto held = std::make_unique<std::shared_ptr<const void>>(std::move(owner));
    const residua_release_callback release = [](void* user) { delete static_cast<std::shared_ptr<const void>*>(user); };
    return try_make(residua_model_load_memory, bytes.data(), bytes.size(), release, static_cast<void*>(held.release()),
                    &converted);
  }
  static Model load_memory(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                           const LoadOptions& options = {}) {
    return try_load_memory(bytes, std::move(owner), options).value();
  }

  // The same from `read`, which fills as much of the buffer as it likes and returns how much: 0 at the end, less on
  // failure. It must not throw.
  using Read = std::function<std::int64_t(std::span<std::byte> buffer)>;
  static Result<Model> try_load_stream(const Read& read, std::size_t size_hint = 0, const LoadOptions& options = {}) {
    const residua_load_options converted = detail::to_c(options);
    const residua_read_callback callback = [](void* user, void* buffer, std::size_t bytes) {
      return (*static_cast<const Read*>(user))({static_cast<std::byte*>(buffer), bytes});
    };
    return try_make(residua_model_load_stream, callback, static_cast<void*>(const_cast<Read*>(&read)), size_hint,
                    &converted);
  }
  static Model load_stream(const Read& read, std::size_t size_hint = 0, const LoadOptions& options = {}) {
    return try_load_stream(read, size_hint, options).value();
  }

  // A known architecture (see architectures()) with seeded random weights.
  static Result<Model> try_random(const std::string& architecture, std::uint64_t seed = 0,
                                  const LoadOptions& options = {}) {
    const residua_load_options converted = detail::to_c(options);
    return try_make(residua_model_create_random_with_options, architecture.c_str(), seed, &converted);
  }
  static Model random(const std::string& architecture, std::uint64_t seed = 0, const LoadOptions& options = {}) {
    return try_random(architecture, seed, options).value();
  }

  // Writes a packed model file, whole or not at all: the network, its card and labels, the weights as they are and
  // packed for runs of these shapes. It is loaded as any model file, in a few milliseconds.
  Result<void> try_pack(const std::string& path, const PackShapes& shapes = {},
                        const ContextOptions& options = {}) const {
    const auto converted = detail::to_c(options);
    return detail::try_call(residua_model_pack, get(), path.c_str(), shapes.batches.data(), shapes.batches.size(),
                            shapes.height, shapes.width, &converted);
  }
  void pack(const std::string& path, const PackShapes& shapes = {}, const ContextOptions& options = {}) const {
    try_pack(path, shapes, options).value();
  }

  // Plans these runs and packs the weights for them, so that the first run finds it done.
  Result<void> try_prepare(const PackShapes& shapes = {}, const ContextOptions& options = {},
                           const Progress& progress = {}) const {
    const auto converted = detail::to_c(options);
    return detail::try_call(residua_model_prepare, get(), shapes.batches.data(), shapes.batches.size(), shapes.height,
                            shapes.width, &converted, progress ? &detail::tell_progress : nullptr,
                            detail::to_c(progress));
  }
  void prepare(const PackShapes& shapes = {}, const ContextOptions& options = {}, const Progress& progress = {}) const {
    try_prepare(shapes, options, progress).value();
  }

  ModelInfo info() const { return detail::try_get<ModelInfo>(residua_model_get_info, view()).value(); }

  // SHA-256 of the weights as the file holds them, 64 hexadecimal digits. Reads all of them.
  Result<std::string> try_weights_digest() const {
    char digest[RESIDUA_DIGEST_SIZE];
    if (auto done = detail::try_call(residua_model_weights_digest, get(), &digest[0]); !done) return done.error();
    return std::string(digest);
  }
  std::string weights_digest() const { return try_weights_digest().value(); }

  // The label of a class, if it has one. The text lives as long as the model.
  std::optional<std::string_view> label(std::int32_t index) const {
    const char* text = residua_model_label(get(), index);
    return text ? std::optional<std::string_view>(text) : std::nullopt;
  }

  // The tensors that a run can hand out, for images of that size (0: the model's own).
  Result<std::vector<TensorInfo>> try_tensors(int height = 0, int width = 0) const {
    std::vector<TensorInfo> tensors;
    const std::int32_t count = info().tensor_count;
    for (std::int32_t i = 0; i < count; ++i) {
      auto tensor = detail::try_get<TensorInfo>(residua_model_get_tensor, view(), i, height, width);
      if (!tensor) return tensor.error();
      tensors.push_back(*tensor);
    }
    return tensors;
  }
  std::vector<TensorInfo> tensors(int height = 0, int width = 0) const { return try_tensors(height, width).value(); }
  Result<TensorInfo> try_tensor(const std::string& name, int height = 0, int width = 0) const {
    return detail::try_get<TensorInfo>(residua_model_find_tensor, view(), name.c_str(), height, width);
  }
  TensorInfo tensor(const std::string& name, int height = 0, int width = 0) const {
    return try_tensor(name, height, width).value();
  }

  // What such runs need, in bytes.
  Result<MemoryEstimate> try_estimate_memory(const PlanShape& shape = {}, const ContextOptions& options = {}) const {
    const residua_context_options converted = detail::to_c(options);
    return detail::try_get<MemoryEstimate>(residua_model_estimate_memory, view(), shape.batch, shape.height,
                                           shape.width, &converted);
  }
  MemoryEstimate estimate_memory(const PlanShape& shape = {}, const ContextOptions& options = {}) const {
    return try_estimate_memory(shape, options).value();
  }

  // What the runs of this model have come to so far.
  Counters counters() const { return detail::try_get<Counters>(residua_model_get_counters, view()).value(); }

  // The network as text, JSON or Graphviz. `shape` and `options` say for which run, where `stage` is RESIDUA_PLANNED.
  Result<std::string> try_describe(Stage stage, TextFormat format = RESIDUA_TEXT, const PlanShape& shape = {},
                                   const ContextOptions& options = {}) const {
    const residua_context_options converted = detail::to_c(options);
    char* text = nullptr;
    auto done = detail::try_call(residua_model_describe, view(), stage, format, shape.batch, shape.height, shape.width,
                                 &converted, &text);
    if (!done) return done.error();
    return detail::taken(text);
  }
  std::string describe(Stage stage, TextFormat format = RESIDUA_TEXT, const PlanShape& shape = {},
                       const ContextOptions& options = {}) const {
    return try_describe(stage, format, shape, options).value();
  }

  // Resizes and crops one RGB image as the network wants it. `pixels` holds `height` rows, `row_stride` bytes apart (0:
  // no gap), of `width` pixels of 3 bytes; `output` has room for info().input_height x input_width x 3 bytes.
  Result<void> try_preprocess(std::span<const std::uint8_t> pixels, std::int32_t width, std::int32_t height,
                              std::span<std::uint8_t> output, std::size_t row_stride = 0) const {
    const auto needed = preprocessed_size();
    if (!needed) return needed.error();
    if (auto fits = try_rows(pixels, width, height, row_stride); !fits) return fits;
    if (output.size() < *needed)
      return detail::invalid("room for " + std::to_string(output.size()) + " bytes: " + std::to_string(*needed) +
                             " expected");
    return detail::try_call(residua_preprocess, view(), pixels.data(), width, height, row_stride, output.data());
  }
  void preprocess(std::span<const std::uint8_t> pixels, std::int32_t width, std::int32_t height,
                  std::span<std::uint8_t> output, std::size_t row_stride = 0) const {
    try_preprocess(pixels, width, height, output, row_stride).value();
  }

  // The same into a new buffer.
  std::vector<std::uint8_t> preprocess(std::span<const std::uint8_t> pixels, std::int32_t width, std::int32_t height,
                                       std::size_t row_stride = 0) const {
    std::vector<std::uint8_t> output(preprocessed_size().value());
    preprocess(pixels, width, height, output, row_stride);
    return output;
  }

  // Resizes one RGB image so that its shorter side becomes `shorter_side` (0: info().resize), and crops nothing.
  Result<Pixels> try_resize(std::span<const std::uint8_t> pixels, std::int32_t width, std::int32_t height,
                            std::int32_t shorter_side = 0, std::size_t row_stride = 0) const {
    if (auto fits = try_rows(pixels, width, height, row_stride); !fits) return fits.error();
    const auto size = try_resized_size(width, height, shorter_side);
    if (!size) return size.error();
    const auto bytes = detail::try_count(size->height, size->width, 3);
    if (!bytes) return bytes.error();
    Pixels resized{std::vector<std::uint8_t>(*bytes), size->height, size->width};
    if (auto done = detail::try_call(residua_resize, view(), pixels.data(), width, height, row_stride, shorter_side,
                                     resized.rgb.data());
        !done)
      return done.error();
    return resized;
  }
  Pixels resize(std::span<const std::uint8_t> pixels, std::int32_t width, std::int32_t height,
                std::int32_t shorter_side = 0, std::size_t row_stride = 0) const {
    return try_resize(pixels, width, height, shorter_side, row_stride).value();
  }
  // How large it becomes.
  Result<ImageSize> try_resized_size(std::int32_t width, std::int32_t height, std::int32_t shorter_side = 0) const {
    ImageSize size;
    if (auto done =
            detail::try_call(residua_resized_size, view(), width, height, shorter_side, &size.width, &size.height);
        !done)
      return done.error();
    return size;
  }
  ImageSize resized_size(std::int32_t width, std::int32_t height, std::int32_t shorter_side = 0) const {
    return try_resized_size(width, height, shorter_side).value();
  }

  // Runs the network, on CPUs that no other such run uses: see residua_run. From any number of threads.
  Result<void> try_run(const Input& input, std::span<const Output> outputs, const RunOptions& options = {}) const {
    if (auto checked = detail::check_indices(outputs, detail::batch_of(input)); !checked) return checked;
    const detail::RunArguments arguments(input, outputs, options, info());
    return detail::try_call(residua_run, get(), &arguments.input, arguments.converted.data(),
                            arguments.converted.size(), &arguments.run);
  }
  void run(const Input& input, std::span<const Output> outputs, const RunOptions& options = {}) const {
    try_run(input, outputs, options).value();
  }
  // One output, in a new vector [batch, values of an image]: the first one, or that of the name ("pooled": features).
  Result<std::vector<float>> try_run(const Input& input, const std::string& name = {},
                                     const RunOptions& options = {}) const {
    auto values = try_output_for(input, name);
    if (!values) return values;
    const Output output{.name = name, .values = *values};
    if (auto done = try_run(input, std::span(&output, 1), options); !done) return done.error();
    return values;
  }
  std::vector<float> run(const Input& input, const std::string& name = {}, const RunOptions& options = {}) const {
    return try_run(input, name, options).value();
  }

  // Runs later, on a thread of the library's, which then calls `done` (it must not throw): see residua_run_async. What
  // `input`, `outputs` and `options` point to must live until then.
  using Done = std::function<void(const Result<void>& result)>;
  Result<void> try_run_async(const Input& input, std::span<const Output> outputs, Done done,
                             const RunOptions& options = {}) const {
    if (auto checked = detail::check_indices(outputs, detail::batch_of(input)); !checked) return checked;
    const detail::RunArguments arguments(input, outputs, options, info());
    auto held = std::make_unique<Done>(std::move(done));
    const residua_run_callback callback = [](void* user, const residua_error* error) {
      const std::unique_ptr<Done> owner(static_cast<Done*>(user));
      (*owner)(error->status == RESIDUA_OK ? Result<void>() : Error(error->status, error->message));
    };
    auto started =
        detail::try_call(residua_run_async, get(), &arguments.input, arguments.converted.data(),
                         arguments.converted.size(), &arguments.run, callback, static_cast<void*>(held.get()));
    if (started) static_cast<void>(held.release());
    return started;
  }
  void run_async(const Input& input, std::span<const Output> outputs, Done done, const RunOptions& options = {}) const {
    try_run_async(input, outputs, std::move(done), options).value();
  }

  // How run and run_async run from now on.
  Result<void> try_set_run_options(const ContextOptions& options) {
    const residua_context_options converted = detail::to_c(options);
    return detail::try_call(residua_model_set_run_options, get(), &converted);
  }
  void set_run_options(const ContextOptions& options) { try_set_run_options(options).value(); }

  // Room for one output of a run of `input`: [batch, values of an image].
  Result<std::vector<float>> try_output_for(const Input& input, const std::string& name = {}) const {
    const bool own_size = input.preparation == RESIDUA_PREPARE;
    const Image* first = input.images.empty() ? nullptr : input.images.data();
    auto tensor = try_tensor(name, own_size ? 0 : (first ? first->height : input.height),
                             own_size ? 0 : (first ? first->width : input.width));
    if (!tensor) return tensor.error();
    auto count = detail::try_count(detail::batch_of(input), tensor->values);
    if (!count) return count.error();
    return std::vector<float>(*count);
  }

  // The handle of the C interface; stays the Model's.
  residua_model* get() const noexcept { return model_.get(); }

 private:
  struct Release {
    void operator()(residua_model* model) const noexcept { residua_model_release(model); }
  };

  explicit Model(residua_model* model) : model_(model) {}

  template <class Function, class... Arguments>
  static Result<Model> try_make(Function function, Arguments... arguments) {
    residua_model* model = nullptr;
    if (auto done = detail::try_call(function, arguments..., &model); !done) return done.error();
    return Model(model);
  }

  const residua_model* view() const noexcept { return model_.get(); }

  // Whether `height` rows of `width` RGB pixels lie in `pixels`; sets a `row_stride` of 0.
  static Result<void> try_rows(std::span<const std::uint8_t> pixels, std::int32_t width, std::int32_t height,
                               std::size_t& row_stride) {
    const auto row = detail::try_count(width, 3), rows = detail::try_count(height);
    for (const Result<std::size_t>* count : {&row, &rows})
      if (!*count) return count->error();
    if (row_stride == 0) row_stride = *row;
    if (row_stride < *row || *row > pixels.size() || *rows - 1 > (pixels.size() - *row) / row_stride)
      return detail::invalid("an image of " + std::to_string(width) + " x " + std::to_string(height) + ", rows " +
                             std::to_string(row_stride) + " bytes apart, does not fit in " +
                             std::to_string(pixels.size()) + " bytes");
    return {};
  }

  Result<std::size_t> preprocessed_size() const {
    const ModelInfo model_info = info();
    return detail::try_count(model_info.input_height, model_info.input_width, 3);
  }

  std::unique_ptr<residua_model, Release> model_;
};

// What a model file that is not loaded would need: see residua_estimate_memory.
inline Result<MemoryEstimate> try_estimate_memory(const std::string& path, const LoadOptions& load = {},
                                                  const PlanShape& shape = {}, const ContextOptions& options = {}) {
  const residua_load_options converted_load = detail::to_c(load);
  const residua_context_options converted = detail::to_c(options);
  return detail::try_get<MemoryEstimate>(residua_estimate_memory, path.c_str(), &converted_load, shape.batch,
                                         shape.height, shape.width, &converted);
}
inline MemoryEstimate estimate_memory(const std::string& path, const LoadOptions& load = {},
                                      const PlanShape& shape = {}, const ContextOptions& options = {}) {
  return try_estimate_memory(path, load, shape, options).value();
}

// ---- Running with a context of one's own ----------------------------------------------------------------------------

// One thread's way to run a model. Costs next to no memory before its first run.
class Context {
 public:
  explicit Context(const Model& model, const ContextOptions& options = {})
      : Context(try_create(model, options).value()) {}
  static Result<Context> try_create(const Model& model, const ContextOptions& options = {}) {
    const residua_context_options converted = detail::to_c(options);
    residua_context* context = nullptr;
    if (auto done = detail::try_call(residua_context_create, model.get(), &converted, &context); !done)
      return done.error();
    return Context(model.info(), context);
  }

  // Runs the network; a shape that this context has not run before is planned first.
  Result<void> try_run(const Input& input, std::span<const Output> outputs, const RunOptions& options = {}) {
    if (auto checked = detail::check_indices(outputs, detail::batch_of(input)); !checked) return checked;
    const detail::RunArguments arguments(input, outputs, options, info_);
    return detail::try_call(residua_context_run_outputs, get(), &arguments.input, arguments.converted.data(),
                            arguments.converted.size(), &arguments.run);
  }
  void run(const Input& input, std::span<const Output> outputs, const RunOptions& options = {}) {
    try_run(input, outputs, options).value();
  }

  // The first output of dense images that lie in a span: floats [batch, channels, height, width] as the network takes
  // them, or RGB bytes [batch, height, width, 3], which are normalised.
  Result<void> try_run(std::span<const float> images, const InputShape& shape, std::span<float> output) {
    return try_run_span(images, shape, output);
  }
  Result<void> try_run(std::span<const std::uint8_t> images, const InputShape& shape, std::span<float> output) {
    return try_run_span(images, shape, output);
  }
  void run(std::span<const float> images, const InputShape& shape, std::span<float> output) {
    try_run(images, shape, output).value();
  }
  void run(std::span<const std::uint8_t> images, const InputShape& shape, std::span<float> output) {
    try_run(images, shape, output).value();
  }

  // Both, with the output in a new vector.
  std::vector<float> run(std::span<const float> images, const InputShape& shape = {}) { return run_new(images, shape); }
  std::vector<float> run(std::span<const std::uint8_t> images, const InputShape& shape = {}) {
    return run_new(images, shape);
  }

  // What the last run used.
  Result<RunInfo> try_run_info() const { return detail::try_get<RunInfo>(residua_context_get_run_info, view()); }
  RunInfo run_info() const { return try_run_info().value(); }

  // The layers of the last run, in order; timed where the context was made with ContextOptions::profile.
  std::vector<LayerInfo> layers() const {
    std::vector<LayerInfo> layers;
    const std::int32_t count = run_info().layer_count;
    layers.reserve(static_cast<std::size_t>(count));
    for (std::int32_t i = 0; i < count; ++i)
      layers.push_back(detail::try_get<LayerInfo>(residua_context_get_layer, view(), i).value());
    return layers;
  }

  // The last run as JSON for chrome://tracing and Perfetto, where the context was made with ContextOptions::profile.
  Result<std::string> try_trace() const {
    char* text = nullptr;
    if (auto done = detail::try_call(residua_context_get_trace, view(), &text); !done) return done.error();
    return detail::taken(text);
  }
  std::string trace() const { return try_trace().value(); }
  // The same in a file, which appears whole or not at all.
  Result<void> try_write_trace(const std::string& path) const {
    return detail::try_call(residua_context_write_trace, view(), path.c_str());
  }
  void write_trace(const std::string& path) const { try_write_trace(path).value(); }

  // The handle of the C interface; stays the Context's.
  residua_context* get() const noexcept { return context_.get(); }

 private:
  struct Release {
    void operator()(residua_context* context) const noexcept { residua_context_release(context); }
  };

  Context(const ModelInfo& info, residua_context* context) : info_(info), context_(context) {}

  const residua_context* view() const noexcept { return context_.get(); }

  template <class Value>
  std::vector<float> run_new(std::span<const Value> images, const InputShape& shape) {
    input_of(images, shape).value();  // judged before any memory is asked for
    std::vector<float> output(detail::try_count(shape.batch, info_.classes).value());
    run(images, shape, output);
    return output;
  }

  template <class Value>
  Result<void> try_run_span(std::span<const Value> images, const InputShape& shape, std::span<float> output) {
    const auto input = input_of(images, shape);
    if (!input) return input.error();
    const Output first{.values = output};
    return try_run(*input, std::span(&first, 1));
  }

  template <class Value>
  Result<Input> input_of(std::span<const Value> images, const InputShape& shape) const {
    Input input{.format = std::is_same_v<Value, float> ? RESIDUA_FLOAT32_NCHW : RESIDUA_UINT8_NHWC,
                .data = images.data(),
                .batch = shape.batch,
                .height = shape.height == 0 ? info_.input_height : shape.height,
                .width = shape.width == 0 ? info_.input_width : shape.width};
    const auto expected = detail::try_count(input.batch, info_.channels, input.height, input.width);
    if (!expected) return expected.error();
    if (images.size() != *expected)
      return detail::invalid(std::to_string(images.size()) + " input values: " + std::to_string(input.batch) + " x " +
                             std::to_string(info_.channels) + " x " + std::to_string(input.height) + " x " +
                             std::to_string(input.width) + " = " + std::to_string(*expected) + " expected");
    return input;
  }

  ModelInfo info_;
  std::unique_ptr<residua_context, Release> context_;
};

// ---- Reading the output ---------------------------------------------------------------------------------------------

// Softmax over each row of `values` [rows, classes], in place. Sums in double.
inline void softmax(std::span<float> values, std::size_t classes) {
  if (classes == 0 || values.size() % classes != 0) {
    throw detail::invalid(std::to_string(values.size()) + " values are no whole rows of " + std::to_string(classes));
  }
  residua_softmax(values.data(), values.size() / classes, classes, values.data());
}

// The indices of the `count` largest values, best first, ties by lower index, NaN last; min(count, values) of them.
inline std::vector<std::int32_t> top_k(std::span<const float> values, std::size_t count) {
  std::vector<std::int32_t> indices(count < values.size() ? count : values.size());
  residua_top_k(values.data(), values.size(), indices.size(), indices.data());
  return indices;
}

}  // namespace residua
