#include "engine/c_input.h"

#include <algorithm>
#include <cmath>

#include "engine/trace.h"
#include "graph/operators.h"

namespace residua::engine::c {
namespace {

// So that offsets within an image, and within a batch of the most images, stay far from what 64 bits hold.
constexpr std::int64_t largest_stride = std::int64_t{1} << 40;

[[noreturn]] void refuse(const std::string& message) { throw Refusal{{graph::ErrorCode::invalid_argument, message}}; }

// The same, read.
template <class Struct>
Struct element_of(const Struct* first, std::size_t index, const char* complaint) {
  const Struct element = read_struct(element_at(first, index, complaint), complaint);
  require(element.struct_size == first->struct_size, complaint);
  return element;
}

// From one image to the next where there is no gap.
std::int64_t dense_image_stride(residua_input_format format, std::int64_t channels, const ImageView& view) {
  return format == RESIDUA_FLOAT32_NCHW ? channels * view.channel_stride : view.height * view.row_stride;
}

void list_images(const residua_input& given, const Model& model, Input& input, std::vector<ImageView>& images) {
  if (given.data != nullptr || given.height != 0 || given.width != 0 || given.row_stride != 0 ||
      given.pixel_stride != 0 || given.channel_stride != 0 || given.image_stride != 0)
    refuse("residua_input.images is set: data, sizes and strides are those of the images, expected NULL and 0 here");
  for (std::int32_t i = 0; i < given.batch; ++i) {
    const std::string name = "residua_input.images[" + std::to_string(i) + "]";
    const residua_image image = element_of(given.images, static_cast<std::size_t>(i),
                                           "residua_image.struct_size is not set, or differs within the images");
    images.push_back(view_of(given.format, model.channels(), image, name));
    if (given.preparation == RESIDUA_PREPARE) continue;
    if (images[0].height != image.height || images[0].width != image.width)
      refuse(name + " is " + std::to_string(image.height) + " x " + std::to_string(image.width) +
             ", the first one is " + std::to_string(images[0].height) + " x " + std::to_string(images[0].width) +
             ": images of different sizes need RESIDUA_PREPARE");
  }
  input.images = images;
  input.shape.height = images[0].height;
  input.shape.width = images[0].width;
}

Output output_of(const Model& model, const residua_output& given, const std::string& name, std::int64_t batch) {
  Output output{.source = value_or_refuse(model.find_output(given.name ? given.name : "")),
                .values = {given.values, given.capacity},
                .top = given.top_k};
  if (given.values == nullptr) refuse(name + ".values is NULL");
  if (given.top_k < 0) refuse(name + ".top_k is " + std::to_string(given.top_k) + ", expected 0 or more");
  if (given.top_k > 0) {
    if (given.indices == nullptr) refuse(name + ".indices is NULL, though top_k is set");
    output.indices = {given.indices, static_cast<std::size_t>(batch) * static_cast<std::size_t>(given.top_k)};
  } else if (given.indices != nullptr) {
    refuse(name + ".indices is set, though top_k is 0");
  }
  return output;
}

}  // namespace

void require_known(residua_input_format format) {
  require(format == RESIDUA_FLOAT32_NCHW || format == RESIDUA_UINT8_NHWC || format == RESIDUA_FLOAT32_NHWC,
          "unknown residua_input_format");
}

ImageView view_of(residua_input_format format, std::int64_t channels, const residua_image& image,
                  const std::string& name) {
  require_within(image.height, (name + ".height").c_str(), 1, largest_image_side);
  require_within(image.width, (name + ".width").c_str(), 1, largest_image_side);
  require_within(image.row_stride, (name + ".row_stride").c_str(), -largest_stride, largest_stride);
  require_within(image.pixel_stride, (name + ".pixel_stride").c_str(), -largest_stride, largest_stride);
  require_within(image.channel_stride, (name + ".channel_stride").c_str(), -largest_stride, largest_stride);
  if (image.data == nullptr) refuse(name + ".data is NULL");
  ImageView view{static_cast<const std::byte*>(image.data),
                 image.height,
                 image.width,
                 image.row_stride,
                 image.pixel_stride,
                 image.channel_stride};
  const bool planes = format == RESIDUA_FLOAT32_NCHW;
  const std::int64_t element = format == RESIDUA_UINT8_NHWC ? 1 : static_cast<std::int64_t>(sizeof(float));
  if (view.pixel_stride == 0) view.pixel_stride = planes ? element : channels * element;
  if (view.row_stride == 0) view.row_stride = view.width * view.pixel_stride;
  if (view.channel_stride == 0) view.channel_stride = planes ? view.height * view.row_stride : element;
  return view;
}

Input input_of(const residua_input* input, const Model& model, std::vector<ImageView>& images) {
  require(input != nullptr, "input is NULL");
  const residua_input given = read_struct(input, "residua_input.struct_size is not set");
  require_known(given.format);
  require(given.preparation == RESIDUA_AS_IS || given.preparation == RESIDUA_NORMALIZE ||
              given.preparation == RESIDUA_PREPARE,
          "unknown residua_input.preparation");
  require_within(given.batch, "residua_input.batch", 1, INT32_MAX);
  require_within(given.image_stride, "residua_input.image_stride", -largest_stride, largest_stride);
  Input result;
  result.type = given.format == RESIDUA_UINT8_NHWC ? PixelType::uint8 : PixelType::float32;
  result.preparation = static_cast<Preparation>(given.preparation);
  result.shape.batch = given.batch;
  if (given.images != nullptr) {
    list_images(given, model, result, images);
  } else {
    result.first = view_of(given.format, model.channels(),
                           {.struct_size = sizeof(residua_image),
                            .data = given.data,
                            .height = given.height,
                            .width = given.width,
                            .row_stride = given.row_stride,
                            .pixel_stride = given.pixel_stride,
                            .channel_stride = given.channel_stride},
                           "residua_input");
    result.image_stride =
        given.image_stride != 0 ? given.image_stride : dense_image_stride(given.format, model.channels(), result.first);
    result.shape.height = given.height;
    result.shape.width = given.width;
  }
  if (given.preparation == RESIDUA_PREPARE) {
    result.shape.height = model.card().input_height;
    result.shape.width = model.card().input_width;
  }
  return result;
}

namespace {

Request checked_request(const Model& model, const residua_input* input, const residua_output* outputs,
                        std::size_t output_count, const residua_run_options* options) {
  Request request;
  request.asked = Clock::now();
  request.input = input_of(input, model, request.images);
  require(outputs != nullptr && output_count > 0, "outputs is NULL or output_count is 0");
  for (std::size_t i = 0; i < output_count; ++i)
    request.outputs.push_back(
        output_of(model, element_of(outputs, i, "residua_output.struct_size is not set, or differs within the outputs"),
                  "residua_output[" + std::to_string(i) + "]", request.input.shape.batch));
  const auto given = read_struct(options, "residua_run_options.struct_size is not set");
  // Longer than a year is for ever; not a number fails as well.
  constexpr double year = 366.0 * 24 * 3600 * 1e3;
  require(given.deadline_ms >= 0, "residua_run_options.deadline_ms is negative or not a number");
  if (given.deadline_ms > 0 && given.deadline_ms < year)
    request.stop.deadline = request.asked + std::chrono::duration_cast<Clock::duration>(
                                                std::chrono::duration<double, std::milli>(given.deadline_ms));
  if (given.cancel != nullptr) request.stop.cancelled = given.cancel->flag;
  require(given.info == nullptr || given.info->struct_size >= sizeof(std::size_t),
          "residua_run_options.info: its struct_size is not set");
  request.info = given.info;
  request.profile = given.profile;
  request.profile_user = given.profile_user;
  return request;
}

}  // namespace

Request request_of(const Model& model, const residua_input* input, const residua_output* outputs,
                   std::size_t output_count, const residua_run_options* options) {
  return counting_refusals(model, [&] { return checked_request(model, input, outputs, output_count, options); });
}

residua_run_info run_info_of(const Context& context, double queue_milliseconds) {
  const RunInfo& run = context.last_run();
  require(run.program != nullptr, "the context has not run yet, or its last run failed");
  const Program& program = *run.program;
  residua_run_info filled{};
  filled.threads = program.key.threads;
  filled.schedule = program.key.whole_images ? RESIDUA_THROUGHPUT : RESIDUA_LATENCY;
  for (const Segment& segment : program.segments) {
    filled.arena_bytes = std::max(filled.arena_bytes, segment.plan->arena_bytes);
    filled.arena_lower_bound = std::max(filled.arena_lower_bound, segment.plan->arena_lower_bound);
    filled.scratch_bytes = std::max(filled.scratch_bytes, segment.plan->scratch_bytes);
  }
  filled.workers = program.key.whole_images ? program.key.threads : 1;
  filled.packed_weight_bytes = context.model().packed_weight_bytes();
  filled.gflop_per_image = program.gflop / static_cast<double>(program.key.batch);
  filled.layer_count = static_cast<std::int32_t>(program.layers.size());
  filled.images = static_cast<std::int32_t>(run.images);
  filled.planned = run.planned ? 1 : 0;
  filled.planning_ms = run.planning_milliseconds;
  filled.preparation_ms = run.preparation_milliseconds;
  filled.total_ms = run.total_milliseconds;
  filled.queue_ms = queue_milliseconds + run.waited_milliseconds;
  filled.context_bytes = context.bytes();
  return filled;
}

residua_layer_info layer_info_of(const RunInfo& run, std::size_t index) {
  const Layer& layer = run.program->layers[index];
  return {.struct_size = sizeof(residua_layer_info),
          .name = layer.step->name.c_str(),
          .op = graph::info_of(layer.step->op).name.data(),
          .implementation = layer.step->implementation.c_str(),
          .milliseconds = run.layer_milliseconds[index],
          .gflop = layer.step->gflop * layer.runs * run.scale};
}

void tell_profile(const Request& request, const RunInfo& run) {
  std::vector<residua_layer_info> layers;
  layers.reserve(run.program->layers.size());
  for (std::size_t i = 0; i < run.program->layers.size(); ++i) layers.push_back(layer_info_of(run, i));
  const std::string trace = trace_json(run);
  const residua_run_profile profile{sizeof(residua_run_profile), layers.data(), layers.size(), trace.c_str()};
  request.profile(request.profile_user, &profile);
}

}  // namespace residua::engine::c
