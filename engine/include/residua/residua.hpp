// Residua for C++20: a thin wrapper over residua.h, header-only, with no dependency beyond the shared library.
//
//   const residua::Model model = residua::Model::load("resnet50.onnx");
//   residua::Context context(model);
//   const std::vector<float> logits = context.run(std::span<const std::uint8_t>(pixels), {.batch = 1});
//   for (std::int32_t index : residua::top_k(logits, 5)) std::cout << model.label(index).value_or("?") << "\n";
//
// Rules that hold for everything here:
// - A failure throws residua::Error, which carries the status and the message of the C interface. Nothing else is
//   thrown but std::bad_alloc, where a vector or string of ours finds no memory.
// - Model and Context own what they hold and give it back when they end. They can be moved, not copied; one that has
//   been moved from may only be assigned to or destroyed. A Context keeps what it needs of its Model alive by itself.
// - A Model is immutable: any number of threads may use it at once. A Context serves one thread at a time.
// - Structs of information (residua_model_info and so on) are those of residua.h, where their fields are described.
//   Their texts live as long as the Model they came from; those of a LayerInfo until its Context's next run.
// - Images are dense: [batch, 3, height, width] for float32, [batch, height, width, 3] for bytes.
#pragma once

#include <residua/residua.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace residua {

using Status = residua_status;
using Stage = residua_stage;
using TextFormat = residua_text_format;
using Schedule = residua_schedule;
using VersionInfo = residua_version_info;
using ModelInfo = residua_model_info;
using RunInfo = residua_run_info;
using LayerInfo = residua_layer_info;

// What every function here throws: what() is the library's message.
class Error : public std::runtime_error {
 public:
  Error(Status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  Status status() const noexcept { return status_; }

 private:
  Status status_;
};

namespace detail {

// Calls a function of the C interface whose last parameter is the error, and throws what it reports.
template <class Function, class... Arguments>
void call(Function function, Arguments... arguments) {
  residua_error error{};
  const Status status = function(arguments..., &error);
  if (status != RESIDUA_OK) throw Error(status, error.message);
}

// A struct of the C interface with its size set and everything else zero.
template <class Struct>
Struct sized() {
  Struct value{};
  value.struct_size = sizeof(Struct);
  return value;
}

[[noreturn]] inline void invalid(const std::string& message) { throw Error(RESIDUA_INVALID_ARGUMENT, message); }

// The product of sizes, refusing what no buffer can hold.
template <class... Sizes>
std::size_t count(Sizes... sizes) {
  std::size_t product = 1;
  for (const std::int64_t size : {static_cast<std::int64_t>(sizes)...}) {
    if (size <= 0) invalid("a size of " + std::to_string(size) + ": at least 1 expected");
    const auto factor = static_cast<std::size_t>(size);
    if (product > std::numeric_limits<std::size_t>::max() / sizeof(float) / factor) invalid("sizes too large together");
    product *= factor;
  }
  return product;
}

}  // namespace detail

// ---- What this library is -------------------------------------------------------------------------------------------

// Version, compiler, oneDNN and instruction sets. The texts are static.
inline VersionInfo version() {
  auto info = detail::sized<VersionInfo>();
  detail::call(residua_get_version, &info);
  return info;
}

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

// ---- Models ---------------------------------------------------------------------------------------------------------

struct LoadOptions {
  std::string architecture = {};  // overrides what the file says; empty: tell from the file
  std::string labels = {};        // path of a label file; empty: the labels of the model file or its sidecar
  bool verify = false;            // compare the checksums of all that a packed model file holds
  bool cache = false;             // start from what was kept of this file, and keep it: see residua_load_options
  std::string cache_folder = {};  // empty: residua in $XDG_CACHE_HOME, else in ~/.cache
  std::size_t memory_limit = 0;   // bytes that transformed weights may add to the weights' own size; 0: no limit
};

struct ContextOptions {
  int threads = 0;  // 0: the CPU budget, min(affinity, cgroup quota); never more than that
  Schedule schedule = RESIDUA_AUTO;
  bool profile = false;  // time every layer, for Context::layers
  bool tune = false;     // run convolutions in the way measured to be fastest here: see residua_context_options
};

// Which runs Model::pack packs the weights for.
struct PackShapes {
  std::vector<std::int32_t> batches = {1};
  int height = 0;  // 0: the model's own
  int width = 0;
};

// Which run Model::describe plans for; only RESIDUA_PLANNED looks at it.
struct PlanShape {
  int batch = 1;
  int height = 0;  // 0: the model's own
  int width = 0;
};

namespace detail {

inline residua_context_options to_c(const ContextOptions& options) {
  auto converted = sized<residua_context_options>();
  converted.threads = options.threads;
  converted.schedule = options.schedule;
  converted.profile = options.profile ? 1 : 0;
  converted.tune = options.tune ? 1 : 0;
  return converted;
}

inline residua_load_options to_c(const LoadOptions& options) {
  auto converted = sized<residua_load_options>();
  if (!options.architecture.empty()) converted.architecture = options.architecture.c_str();
  if (!options.labels.empty()) converted.labels = options.labels.c_str();
  converted.verify = options.verify ? 1 : 0;
  converted.cache = options.cache ? 1 : 0;
  if (!options.cache_folder.empty()) converted.cache_folder = options.cache_folder.c_str();
  converted.memory_limit = options.memory_limit;
  return converted;
}

}  // namespace detail

class Model {
 public:
  // Loads an ONNX, safetensors, PyTorch state-dict or packed model file, told by content. `path`: UTF-8, or whatever
  // bytes the file system has.
  static Model load(const std::string& path, const LoadOptions& options = {}) {
    const residua_load_options converted = detail::to_c(options);
    residua_model* model = nullptr;
    detail::call(residua_model_load, path.c_str(), &converted, &model);
    return Model(model);
  }

  // A known architecture (see architectures()) with seeded random weights.
  static Model random(const std::string& architecture, std::uint64_t seed = 0, const LoadOptions& options = {}) {
    const residua_load_options converted = detail::to_c(options);
    residua_model* model = nullptr;
    detail::call(residua_model_create_random_with_options, architecture.c_str(), seed, &converted, &model);
    return Model(model);
  }

  // Writes a packed model file, whole or not at all: the network, its card and labels, the weights as they are and
  // packed for runs of these shapes. It is loaded as any model file, in a few milliseconds.
  void pack(const std::string& path, const PackShapes& shapes = {}, const ContextOptions& options = {}) const {
    const auto converted = detail::to_c(options);
    detail::call(residua_model_pack, get(), path.c_str(), shapes.batches.data(), shapes.batches.size(), shapes.height,
                 shapes.width, &converted);
  }

  ModelInfo info() const {
    auto info = detail::sized<ModelInfo>();
    detail::call(residua_model_get_info, get(), &info);
    return info;
  }

  // The label of a class, if it has one. The text lives as long as the model.
  std::optional<std::string_view> label(std::int32_t index) const {
    const char* text = residua_model_label(get(), index);
    return text ? std::optional<std::string_view>(text) : std::nullopt;
  }

  // The network as text, JSON or Graphviz. `shape` and `options` say for which run, where `stage` is RESIDUA_PLANNED.
  std::string describe(Stage stage, TextFormat format = RESIDUA_TEXT, const PlanShape& shape = {},
                       const ContextOptions& options = {}) const {
    const residua_context_options converted = detail::to_c(options);
    char* text = nullptr;
    detail::call(residua_model_describe, static_cast<const residua_model*>(get()), stage, format, shape.batch,
                 shape.height, shape.width, &converted, &text);
    const std::unique_ptr<char, decltype(&residua_text_free)> owner(text, &residua_text_free);
    return std::string(text);
  }

  // Resizes and crops one RGB image as the network wants it. `pixels` holds `height` rows, `row_stride` bytes apart (0:
  // no gap), of `width` pixels of 3 bytes; `output` has room for info().input_height x input_width x 3 bytes.
  void preprocess(std::span<const std::uint8_t> pixels, std::int32_t width, std::int32_t height,
                  std::span<std::uint8_t> output, std::size_t row_stride = 0) const {
    const std::size_t row = detail::count(width, 3);
    if (row_stride == 0) row_stride = row;
    const std::size_t rows_before_last = detail::count(height) - 1;
    if (row_stride < row || row > pixels.size() || rows_before_last > (pixels.size() - row) / row_stride) {
      detail::invalid("an image of " + std::to_string(width) + " x " + std::to_string(height) + ", rows " +
                      std::to_string(row_stride) + " bytes apart, does not fit in " + std::to_string(pixels.size()) +
                      " bytes");
    }
    const std::size_t needed = preprocessed_size();
    if (output.size() < needed) {
      detail::invalid("room for " + std::to_string(output.size()) + " bytes: " + std::to_string(needed) + " expected");
    }
    detail::call(residua_preprocess, static_cast<const residua_model*>(get()), pixels.data(), width, height, row_stride,
                 output.data());
  }

  // The same into a new buffer.
  std::vector<std::uint8_t> preprocess(std::span<const std::uint8_t> pixels, std::int32_t width, std::int32_t height,
                                       std::size_t row_stride = 0) const {
    std::vector<std::uint8_t> output(preprocessed_size());
    preprocess(pixels, width, height, output, row_stride);
    return output;
  }

  // The handle of the C interface; stays the Model's.
  residua_model* get() const noexcept { return model_.get(); }

 private:
  struct Release {
    void operator()(residua_model* model) const noexcept { residua_model_release(model); }
  };

  explicit Model(residua_model* model) : model_(model) {}

  std::size_t preprocessed_size() const {
    const ModelInfo model_info = info();
    return detail::count(model_info.input_height, model_info.input_width, 3);
  }

  std::unique_ptr<residua_model, Release> model_;
};

// ---- Running --------------------------------------------------------------------------------------------------------

// The shape of the images given to Context::run.
struct InputShape {
  std::int32_t batch = 1;
  std::int32_t height = 0;  // 0: the model's own
  std::int32_t width = 0;
};

// One thread's way to run a model. Costs next to no memory before its first run.
class Context {
 public:
  explicit Context(const Model& model, const ContextOptions& options = {}) : info_(model.info()) {
    const residua_context_options converted = detail::to_c(options);
    residua_context* context = nullptr;
    detail::call(residua_context_create, model.get(), &converted, &context);
    context_.reset(context);
  }

  // Runs the network on normalised float32 images [batch, 3, height, width]; `output` gets its first output
  // [batch, classes]. A shape that this context has not run before is planned first.
  void run(std::span<const float> images, const InputShape& shape, std::span<float> output) {
    run_input(input_of(images, shape), output);
  }

  // The same on RGB pixels [batch, height, width, 3], which the library scales and normalises.
  void run(std::span<const std::uint8_t> images, const InputShape& shape, std::span<float> output) {
    run_input(input_of(images, shape), output);
  }

  // Both, with the output in a new vector.
  std::vector<float> run(std::span<const float> images, const InputShape& shape = {}) { return run_new(images, shape); }
  std::vector<float> run(std::span<const std::uint8_t> images, const InputShape& shape = {}) {
    return run_new(images, shape);
  }

  // What the last run used.
  RunInfo run_info() const {
    auto info = detail::sized<RunInfo>();
    detail::call(residua_context_get_run_info, static_cast<const residua_context*>(get()), &info);
    return info;
  }

  // The layers of the last run, in order; timed where the context was made with ContextOptions::profile.
  std::vector<LayerInfo> layers() const {
    std::vector<LayerInfo> layers(static_cast<std::size_t>(run_info().layer_count), detail::sized<LayerInfo>());
    for (std::size_t i = 0; i < layers.size(); ++i) {
      detail::call(residua_context_get_layer, static_cast<const residua_context*>(get()), static_cast<std::int32_t>(i),
                   &layers[i]);
    }
    return layers;
  }

  // The handle of the C interface; stays the Context's.
  residua_context* get() const noexcept { return context_.get(); }

 private:
  struct Release {
    void operator()(residua_context* context) const noexcept { residua_context_release(context); }
  };

  template <class Value>
  std::vector<float> run_new(std::span<const Value> images, const InputShape& shape) {
    const residua_input input = input_of(images, shape);  // judged before any memory is asked for
    std::vector<float> output(detail::count(shape.batch, info_.classes));
    run_input(input, output);
    return output;
  }

  void run_input(const residua_input& input, std::span<float> output) {
    detail::call(residua_context_run, get(), &input, output.data(), output.size());
  }

  template <class Value>
  residua_input input_of(std::span<const Value> images, const InputShape& shape) const {
    auto input = detail::sized<residua_input>();
    input.format = std::is_same_v<Value, float> ? RESIDUA_FLOAT32_NCHW : RESIDUA_UINT8_NHWC;
    input.data = images.data();
    input.batch = shape.batch;
    input.height = shape.height == 0 ? info_.input_height : shape.height;
    input.width = shape.width == 0 ? info_.input_width : shape.width;
    const std::size_t expected = detail::count(input.batch, info_.channels, input.height, input.width);
    if (images.size() != expected) {
      detail::invalid(std::to_string(images.size()) + " input values: " + std::to_string(input.batch) + " x " +
                      std::to_string(info_.channels) + " x " + std::to_string(input.height) + " x " +
                      std::to_string(input.width) + " = " + std::to_string(expected) + " expected");
    }
    return input;
  }

  ModelInfo info_;
  std::unique_ptr<residua_context, Release> context_;
};

// ---- Reading the output ---------------------------------------------------------------------------------------------

// Softmax over each row of `values` [rows, classes], in place. Sums in double.
inline void softmax(std::span<float> values, std::size_t classes) {
  if (classes == 0 || values.size() % classes != 0) {
    detail::invalid(std::to_string(values.size()) + " values are no whole rows of " + std::to_string(classes));
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
