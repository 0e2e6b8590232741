// The C interface: what becomes of an image before a run.

#include <array>
#include <vector>

#include "engine/c_input.h"
#include "kernels/image/resize.h"
#include "residua/residua.h"

namespace engine = residua::engine;
namespace graph = residua::graph;
namespace kernels = residua::kernels;
using namespace residua::engine::c;

namespace {

void require_pixels(const uint8_t* pixels, int32_t width, size_t row_stride, const uint8_t* output) {
  require(pixels != nullptr && output != nullptr, "pixels or output is NULL");
  require(row_stride >= static_cast<std::size_t>(width) * 3, "row_stride is smaller than a row of RGB pixels");
}

kernels::ImageSize resized_size_of(const residua_model* model, int32_t width, int32_t height, int32_t shorter_side) {
  require(model != nullptr, "model is NULL");
  require_within(width, "width", 1, INT32_MAX);
  require_within(height, "height", 1, INT32_MAX);
  require_within(shorter_side, "shorter_side", 0, engine::largest_image_side);
  const std::int64_t shorter = shorter_side > 0 ? shorter_side : model->model->card().resize;
  const kernels::ImageSize resized = kernels::resized_to_shorter_side({width, height}, shorter);
  if (resized.width > engine::largest_image_side || resized.height > engine::largest_image_side)
    throw Refusal{{graph::ErrorCode::limit, "an image of " + std::to_string(width) + " x " + std::to_string(height) +
                                                " would become " + std::to_string(resized.width) + " x " +
                                                std::to_string(resized.height) + ", expected at most " +
                                                std::to_string(engine::largest_image_side) + " a side"}};
  return resized;
}

// `height` x `width` of `image`, from row `top` and column `left` on.
engine::ImageView part_of(const engine::ImageView& image, std::int64_t top, std::int64_t left, std::int64_t height,
                          std::int64_t width) {
  engine::ImageView part = image;
  part.data += top * image.row_stride + left * image.pixel_stride;
  part.height = height;
  part.width = width;
  return part;
}

engine::ImageView mirrored(const engine::ImageView& image) {
  engine::ImageView mirror = image;
  mirror.data += (image.width - 1) * image.pixel_stride;
  mirror.pixel_stride = -image.pixel_stride;
  return mirror;
}

}  // namespace

residua_status residua_preprocess(const residua_model* model, const uint8_t* pixels, int32_t width, int32_t height,
                                  size_t row_stride, uint8_t* output, residua_error* error) {
  return guarded(error, [&] {
    require(model != nullptr, "model is NULL");
    require_within(width, "width", 1, INT32_MAX);
    require_within(height, "height", 1, INT32_MAX);
    require_pixels(pixels, width, row_stride, output);
    const engine::ModelCard& card = model->model->card();
    const kernels::PreprocessPlan plan = kernels::make_preprocess_plan({width, height}, card.resize, card.interpolation,
                                                                       {card.input_width, card.input_height});
    std::vector<std::uint8_t> scratch(plan.scratch_bytes);
    kernels::preprocess_rgb8(plan, pixels, row_stride, scratch.data(), output);
  });
}

residua_status residua_resized_size(const residua_model* model, int32_t width, int32_t height, int32_t shorter_side,
                                    int32_t* resized_width, int32_t* resized_height, residua_error* error) {
  return guarded(error, [&] {
    require(resized_width != nullptr && resized_height != nullptr, "resized_width or resized_height is NULL");
    const kernels::ImageSize resized = resized_size_of(model, width, height, shorter_side);
    *resized_width = static_cast<int32_t>(resized.width);
    *resized_height = static_cast<int32_t>(resized.height);
  });
}

residua_status residua_resize(const residua_model* model, const uint8_t* pixels, int32_t width, int32_t height,
                              size_t row_stride, int32_t shorter_side, uint8_t* output, residua_error* error) {
  return guarded(error, [&] {
    const kernels::ImageSize resized = resized_size_of(model, width, height, shorter_side);
    require_pixels(pixels, width, row_stride, output);
    const kernels::ResizePlan plan = kernels::make_resize_plan(
        {width, height}, resized, {0, 0, resized.width, resized.height}, model->model->card().interpolation);
    std::vector<std::uint8_t> scratch(plan.scratch_bytes);
    kernels::resize_rgb8(plan, pixels, row_stride, scratch.data(), output, static_cast<std::size_t>(resized.width) * 3);
  });
}

residua_status residua_ten_crops(residua_input_format format, const residua_image* image, int32_t height, int32_t width,
                                 residua_image* crops, residua_error* error) {
  return guarded(error, [&] {
    require(image != nullptr && crops != nullptr, "image or crops is NULL");
    require_known(format);
    constexpr const char* complaint = "residua_image.struct_size is not set";
    const engine::ImageView whole = view_of(format, 3, read_struct(image, complaint), "residua_image");
    require_within(height, "height", 1, whole.height);
    require_within(width, "width", 1, whole.width);
    const std::int64_t bottom = whole.height - height, right = whole.width - width;
    const std::int64_t middle = kernels::center_begin(whole.height, height),
                       center = kernels::center_begin(whole.width, width);
    const std::array<std::array<std::int64_t, 2>, 5> corners = {
        {{0, 0}, {0, right}, {bottom, 0}, {bottom, right}, {middle, center}}};
    // Of the mirrored image, not the crops mirrored: where an odd number of columns is left over the centres differ.
    const std::array images = {whole, mirrored(whole)};
    for (std::size_t i = 0; i < RESIDUA_TEN_CROPS; ++i) {
      const auto [top, left] = corners[i % corners.size()];
      const engine::ImageView view = part_of(images[i / corners.size()], top, left, height, width);
      residua_image* const target = element_at(crops, i, complaint);
      target->struct_size = crops->struct_size;
      write_struct(target,
                   {.struct_size = crops->struct_size,
                    .data = view.data,
                    .height = static_cast<int32_t>(view.height),
                    .width = static_cast<int32_t>(view.width),
                    .row_stride = view.row_stride,
                    .pixel_stride = view.pixel_stride,
                    .channel_stride = view.channel_stride},
                   complaint);
    }
  });
}
