// What a caller's structs ask a run for, checked and translated.
#pragma once

#include <cstddef>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/c_calls.h"

namespace residua::engine::c {

// A run's images, outputs and options. Movable: the input's list of images moves along.
struct Request {
  Input input;
  std::vector<ImageView> images;  // of `input`, where they are listed
  std::vector<Output> outputs;
  StopCondition stop;
  Clock::time_point asked;           // when the caller called
  residua_run_info* info = nullptr;  // the caller's
  residua_profile_callback profile = nullptr;
  void* profile_user = nullptr;
};

void require_known(residua_input_format format);

// One image of `channels`, named in complaints, with its strides all set: those of a dense image of the format where
// the caller's are 0.
ImageView view_of(residua_input_format format, std::int64_t channels, const residua_image& image,
                  const std::string& name);

// Struct `index` of an array whose elements lie as far apart as the caller's header says.
template <class Struct>
Struct* element_at(Struct* first, std::size_t index, const char* complaint) {
  using Byte = std::conditional_t<std::is_const_v<Struct>, const std::byte, std::byte>;
  const std::size_t size = first->struct_size;
  require(size >= sizeof(std::size_t) && size % alignof(Struct) == 0, complaint);
  return reinterpret_cast<Struct*>(reinterpret_cast<Byte*>(first) + index * size);
}

Input input_of(const residua_input* input, const Model& model, std::vector<ImageView>& images);

// Translates a run's arguments; what is refused on the way counts as a run of the model that failed.
template <class Translate>
auto counting_refusals(const Model& model, const Translate& translate) {
  try {
    return translate();
  } catch (...) {
    count_failure(model.counters(), graph::ErrorCode::invalid_argument);
    throw;
  }
}

// `options` NULL: defaults. The deadline counts from now.
Request request_of(const Model& model, const residua_input* input, const residua_output* outputs,
                   std::size_t output_count, const residua_run_options* options);

// Of the last run, which succeeded.
residua_run_info run_info_of(const Context& context, double queue_milliseconds);

inline void write_run_info(residua_run_info* info, const Context& context, double queue_milliseconds) {
  write_struct(info, run_info_of(context, queue_milliseconds), "info is NULL or its struct_size is not set");
}

// Its texts live as long as the run's program.
residua_layer_info layer_info_of(const RunInfo& run, std::size_t index);

// Calls `request.profile` with a run that was profiled.
void tell_profile(const Request& request, const RunInfo& run);

}  // namespace residua::engine::c
