// What goes into and comes out of residua.hpp: options, images, outputs, results. Included by it.
#pragma once

#include <residua/residua.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace residua {

using Status = residua_status;
using Stage = residua_stage;
using TextFormat = residua_text_format;
using Schedule = residua_schedule;
using InputFormat = residua_input_format;
using Preparation = residua_preparation;
using VersionInfo = residua_version_info;
using Capabilities = residua_capabilities;
using ModelInfo = residua_model_info;
using TensorInfo = residua_tensor_info;
using MemoryEstimate = residua_memory_estimate;
using RunInfo = residua_run_info;
using LayerInfo = residua_layer_info;
using Counters = residua_counters;

// What every function here throws: what() is the library's message.
class Error : public std::runtime_error {
 public:
  Error(Status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  Status status() const noexcept { return status_; }

 private:
  Status status_;
};

// A value, or why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const noexcept { return content_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }
  Status status() const noexcept { return ok() ? RESIDUA_OK : error().status(); }
  // Of a Result that is not ok; anything else is a bug of the caller's.
  const Error& error() const noexcept { return *std::get_if<1>(&content_); }
  // Throws the Error where there is no value.
  T& value() & {
    if (!ok()) throw error();
    return *std::get_if<0>(&content_);
  }
  const T& value() const& { return const_cast<Result*>(this)->value(); }
  T&& value() && { return std::move(value()); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> content_;
};

// The Result of something that has nothing to return.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const noexcept { return !error_; }
  explicit operator bool() const noexcept { return ok(); }
  Status status() const noexcept { return ok() ? RESIDUA_OK : error_->status(); }
  const Error& error() const noexcept { return *error_; }
  void value() const {
    if (error_) throw *error_;
  }

 private:
  std::optional<Error> error_;
};

namespace detail {

// Calls a function of the C interface whose last parameter is the error.
template <class Function, class... Arguments>
Result<void> try_call(Function function, Arguments... arguments) {
  residua_error error{};
  const Status status = function(arguments..., &error);
  if (status != RESIDUA_OK) return Error(status, error.message);
  return {};
}

template <class Function, class... Arguments>
void call(Function function, Arguments... arguments) {
  try_call(function, arguments...).value();
}

// A struct of the C interface with its size set and everything else zero.
template <class Struct>
Struct sized() {
  Struct value{};
  value.struct_size = sizeof(Struct);
  return value;
}

// A struct that a function of the C interface fills; it stands before the error.
template <class Struct, class Function, class... Arguments>
Result<Struct> try_get(Function function, Arguments... arguments) {
  auto info = sized<Struct>();
  if (auto done = try_call(function, arguments..., &info); !done) return done.error();
  return info;
}

inline Error invalid(const std::string& message) { return {RESIDUA_INVALID_ARGUMENT, message}; }

// The product of sizes, refusing what no buffer can hold.
template <class... Sizes>
Result<std::size_t> try_count(Sizes... sizes) {
  std::size_t product = 1;
  for (const std::int64_t size : {static_cast<std::int64_t>(sizes)...}) {
    if (size <= 0) return invalid("a size of " + std::to_string(size) + ": at least 1 expected");
    const auto factor = static_cast<std::size_t>(size);
    if (product > std::numeric_limits<std::size_t>::max() / sizeof(float) / factor)
      return invalid("sizes too large together");
    product *= factor;
  }
  return product;
}

// A text of the C interface, which is given back.
inline std::string taken(char* text) {
  const std::unique_ptr<char, decltype(&residua_text_free)> owner(text, &residua_text_free);
  return std::string(text);
}

}  // namespace detail

// ---- Options --------------------------------------------------------------------------------------------------------

// Told how far something has come: 0 to 1 within each stage. To go on, return true; otherwise the call ends with
// RESIDUA_CANCELLED. It must not throw.
using Progress = std::function<bool(std::string_view stage, double done)>;

struct LoadOptions {
  std::string architecture = {};  // overrides what the file says; empty: tell from the file
  std::string labels = {};        // path of a label file; empty: the labels of the model file or its sidecar
  bool verify = false;            // compare the checksums of all that a packed model file holds
  bool cache = false;             // start from what was kept of this file, and keep it: see residua_load_options
  std::string cache_folder = {};  // empty: residua in $XDG_CACHE_HOME, else in ~/.cache
  std::size_t memory_limit = 0;   // bytes that transformed weights may add to the weights' own size; 0: no limit
  Progress progress = {};
  std::optional<std::string> sidecar = {};  // JSON: what FILE.json would say, in its place
};

struct ContextOptions {
  int threads = 0;  // 0: the CPU budget, min(affinity, cgroup quota); never more than that
  Schedule schedule = RESIDUA_AUTO;
  bool profile = false;  // time every layer, for Context::layers and Context::trace
  bool tune = false;     // run convolutions in the way measured to be fastest here: see residua_context_options
  bool direct = false;   // no convolution by transforms, which spread infinities and NaN, or on tile registers
};

// Which runs Model::pack and Model::prepare pack the weights for.
struct PackShapes {
  std::vector<std::int32_t> batches = {1};
  int height = 0;  // 0: the model's own
  int width = 0;
};

// Which run Model::describe plans for (only RESIDUA_PLANNED looks at it), and Model::estimate_memory.
struct PlanShape {
  int batch = 1;
  int height = 0;  // 0: the model's own
  int width = 0;
};

// ---- Images and outputs ---------------------------------------------------------------------------------------------

// One image; strides in bytes, 0: as in a dense image of the format. See residua_image.
struct Image {
  const void* data = nullptr;
  std::int32_t height = 0;
  std::int32_t width = 0;
  std::int64_t row_stride = 0;
  std::int64_t pixel_stride = 0;
  std::int64_t channel_stride = 0;
};

// The ten crops of an image, views of its pixels: see residua_ten_crops.
inline Result<std::array<Image, RESIDUA_TEN_CROPS>> try_ten_crops(const Image& image, std::int32_t height,
                                                                  std::int32_t width,
                                                                  InputFormat format = RESIDUA_UINT8_NHWC) {
  const residua_image whole{sizeof(residua_image), image.data,         image.height,        image.width,
                            image.row_stride,      image.pixel_stride, image.channel_stride};
  residua_image crops[RESIDUA_TEN_CROPS] = {};
  crops[0].struct_size = sizeof(residua_image);
  if (auto done = detail::try_call(residua_ten_crops, format, &whole, height, width, &crops[0]); !done)
    return done.error();
  std::array<Image, RESIDUA_TEN_CROPS> views;
  for (std::size_t i = 0; i < views.size(); ++i)
    views[i] = {crops[i].data,       crops[i].height,       crops[i].width,
                crops[i].row_stride, crops[i].pixel_stride, crops[i].channel_stride};
  return views;
}
inline std::array<Image, RESIDUA_TEN_CROPS> ten_crops(const Image& image, std::int32_t height, std::int32_t width,
                                                      InputFormat format = RESIDUA_UINT8_NHWC) {
  return try_ten_crops(image, height, width, format).value();
}

struct ImageSize {
  std::int32_t height = 0;
  std::int32_t width = 0;
};

// A dense RGB image of bytes.
struct Pixels {
  std::vector<std::uint8_t> rgb;  // [height, width, 3]
  std::int32_t height = 0;
  std::int32_t width = 0;

  // A view, for ten_crops and Input::images.
  Image image() const { return {.data = rgb.data(), .height = height, .width = width}; }
};

// The images of a run, which must live as long as it: `batch` of one size from `data` on, or those of `images`. See
// residua_input.
struct Input {
  InputFormat format = RESIDUA_UINT8_NHWC;
  const void* data = nullptr;
  std::int32_t batch = 1;
  std::int32_t height = 0;  // 0: the model's own
  std::int32_t width = 0;
  Preparation preparation = RESIDUA_AS_IS;
  std::int64_t row_stride = 0;
  std::int64_t pixel_stride = 0;
  std::int64_t channel_stride = 0;
  std::int64_t image_stride = 0;
  std::vector<Image> images = {};  // where there are any, they are all there is: data, sizes and strides stay 0
};

// Where a run writes one output. See residua_output.
struct Output {
  std::string name = {};    // any of Model::tensors(), which begin with "logits", ...; "": the first output
  std::span<float> values;  // [batch, values of an image]; with top_k: [batch, top_k]
  std::int32_t top_k = 0;   // 0: everything; otherwise only the largest, best first,
  std::span<std::int32_t> indices = {};  // and which these are: [batch, top_k]
};

// A way to give up runs from another thread: cancel() ends those that were started with it.
class CancelToken {
 public:
  CancelToken() {
    residua_cancel_token* token = nullptr;
    detail::call(residua_cancel_token_create, &token);
    token_.reset(token);
  }
  void cancel() const noexcept { residua_cancel_token_cancel(token_.get()); }
  const residua_cancel_token* get() const noexcept { return token_.get(); }

 private:
  struct Release {
    void operator()(residua_cancel_token* token) const noexcept { residua_cancel_token_release(token); }
  };
  std::unique_ptr<residua_cancel_token, Release> token_;
};

// Where the time of a run went.
struct RunProfile {
  struct Layer {
    std::string name, op, implementation;
    double milliseconds, gflop;  // of the whole batch
  };
  std::vector<Layer> layers;  // in the order of computation
  std::string trace;          // JSON, as Context::trace gives it
};

struct RunOptions {
  std::chrono::duration<double, std::milli> deadline{0};  // from the call on; 0: none
  const CancelToken* cancel = nullptr;
  RunInfo* info = nullptr;        // filled by a run that succeeds
  RunProfile* profile = nullptr;  // likewise; layers are timed for it
};

// The shape of dense images given as a span: [batch, channels, height, width] floats, [batch, height, width, 3] bytes.
struct InputShape {
  std::int32_t batch = 1;
  std::int32_t height = 0;  // 0: the model's own
  std::int32_t width = 0;
};

namespace detail {

inline residua_context_options to_c(const ContextOptions& options) {
  auto converted = sized<residua_context_options>();
  converted.threads = options.threads;
  converted.schedule = options.schedule;
  converted.profile = options.profile ? 1 : 0;
  converted.tune = options.tune ? 1 : 0;
  converted.direct = options.direct ? 1 : 0;
  return converted;
}

// `user`: a Progress.
inline std::int32_t tell_progress(void* user, const char* stage, double done) {
  return (*static_cast<const Progress*>(user))(stage, done) ? 0 : 1;
}
inline void* to_c(const Progress& progress) { return const_cast<Progress*>(&progress); }

inline residua_load_options to_c(const LoadOptions& options) {
  auto converted = sized<residua_load_options>();
  if (!options.architecture.empty()) converted.architecture = options.architecture.c_str();
  if (!options.labels.empty()) converted.labels = options.labels.c_str();
  converted.verify = options.verify ? 1 : 0;
  converted.cache = options.cache ? 1 : 0;
  if (!options.cache_folder.empty()) converted.cache_folder = options.cache_folder.c_str();
  converted.memory_limit = options.memory_limit;
  if (options.progress) {
    converted.progress = tell_progress;
    converted.progress_user = to_c(options.progress);
  }
  if (options.sidecar) converted.sidecar = options.sidecar->c_str();
  return converted;
}

// `user`: a RunProfile.
inline void take_profile(void* user, const residua_run_profile* profile) {
  auto& taken = *static_cast<RunProfile*>(user);
  taken = {};
  for (std::size_t i = 0; i < profile->layer_count; ++i) {
    const residua_layer_info& layer = profile->layers[i];
    taken.layers.push_back({layer.name, layer.op, layer.implementation, layer.milliseconds, layer.gflop});
  }
  taken.trace = profile->trace;
}

// A run's arguments as the C interface takes them. What they point to is the caller's, and this object's.
struct RunArguments {
  RunArguments(const Input& given, std::span<const Output> outputs, const RunOptions& options, const ModelInfo& model)
      : input(sized<residua_input>()), run(sized<residua_run_options>()) {
    input.format = given.format;
    input.batch = given.batch;
    input.preparation = given.preparation;
    input.data = given.data;
    input.height = given.height;
    input.width = given.width;
    input.row_stride = given.row_stride;
    input.pixel_stride = given.pixel_stride;
    input.channel_stride = given.channel_stride;
    input.image_stride = given.image_stride;
    for (const Image& image : given.images)
      images.push_back({sizeof(residua_image), image.data, image.height, image.width, image.row_stride,
                        image.pixel_stride, image.channel_stride});
    if (images.empty()) {
      if (input.height == 0) input.height = model.input_height;
      if (input.width == 0) input.width = model.input_width;
    } else {
      input.images = images.data();
      input.batch = static_cast<std::int32_t>(images.size());
    }
    for (const Output& output : outputs)
      converted.push_back({sizeof(residua_output), output.name.c_str(), output.values.data(), output.values.size(),
                           output.top_k, output.indices.empty() ? nullptr : output.indices.data()});
    run.deadline_ms = options.deadline.count();
    run.cancel = options.cancel ? options.cancel->get() : nullptr;
    run.info = options.info;
    if (run.info) run.info->struct_size = sizeof(RunInfo);
    run.profile = options.profile ? take_profile : nullptr;
    run.profile_user = options.profile;
  }
  RunArguments(const RunArguments&) = delete;
  RunArguments& operator=(const RunArguments&) = delete;

  residua_input input;
  std::vector<residua_image> images;
  std::vector<residua_output> converted;
  residua_run_options run;
};

// What only the wrapper can know: whether the indices have the room that the C interface takes on trust.
inline Result<void> check_indices(std::span<const Output> outputs, std::int32_t batch) {
  for (const Output& output : outputs) {
    if (output.top_k <= 0) continue;
    const auto needed = static_cast<std::size_t>(output.top_k) * static_cast<std::size_t>(batch > 0 ? batch : 0);
    if (output.indices.size() < needed)
      return invalid("room for " + std::to_string(output.indices.size()) + " indices: " + std::to_string(needed) +
                     " expected");
  }
  return {};
}

inline std::int32_t batch_of(const Input& input) {
  return input.images.empty() ? input.batch : static_cast<std::int32_t>(input.images.size());
}

}  // namespace detail

}  // namespace residua
