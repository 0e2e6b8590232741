#include "tools/run_inputs.h"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <limits>
#include <memory>
#include <new>
#include <utility>

#include "tools/image/image.h"
#include "tools/image_paths.h"
#include "tools/npy.h"

namespace residua::tool {
namespace {

NpyArray read_array(const std::string& path, std::int32_t channels) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw NpyError(path + ": cannot be opened");
  NpyArray images;
  try {
    images = read_npy(stream);
  } catch (const NpyError& error) {
    throw NpyError(path + ": " + error.what());
  }
  std::string found = "[";
  for (const std::int64_t size : images.shape) found += (found.size() > 1 ? ", " : "") + std::to_string(size);
  found += ']';
  const auto fits = [](std::int64_t size) { return size >= 1 && size <= std::numeric_limits<std::int32_t>::max(); };
  if (images.shape.size() != 4 || images.shape[1] != channels ||
      !std::all_of(images.shape.begin(), images.shape.end(), fits)) {
    throw NpyError(path + ": shape " + found + " found, [N, " + std::to_string(channels) + ", height, width] expected");
  }
  return images;
}

// Why the image is not in `pixels`; empty: it is.
std::string read_into(std::span<std::uint8_t> pixels, const ImageInput& image, const Model& model) {
  try {
    if (!image.error.empty()) return image.error;
    const Image photo = read_image(image.path);
    model.preprocess(photo.rgb, photo.width, photo.height, pixels);
    return "";
  } catch (const std::bad_alloc&) {
    return "out of memory";
  } catch (const std::exception& failure) {
    return failure.what();
  }
}

}  // namespace

RunInputs array_inputs(const std::string& path, std::int32_t channels) {
  const auto images = std::make_shared<const NpyArray>(read_array(path, channels));
  const auto height = static_cast<std::int32_t>(images->shape[2]), width = static_cast<std::int32_t>(images->shape[3]);
  const std::size_t values = images->values.size() / static_cast<std::size_t>(images->shape[0]);
  const auto take = [=](std::int64_t first, std::int32_t size) {
    RunBatch batch;
    batch.input = {.format = RESIDUA_FLOAT32_NCHW,
                   .data = images->values.data() + static_cast<std::size_t>(first) * values,
                   .batch = size,
                   .height = height,
                   .width = width};
    return batch;
  };
  return {path, images->shape[0], height, width, take};
}

RunInputs image_inputs(const std::vector<std::string>& arguments, const Model& model) {
  const auto images = std::make_shared<std::vector<ImageInput>>();
  ImagePaths paths(arguments, STDIN_FILENO);
  while (auto image = paths.next({})) images->push_back(std::move(*image));
  const ModelInfo info = model.info();
  const std::size_t bytes =
      static_cast<std::size_t>(info.input_height) * static_cast<std::size_t>(info.input_width) * 3;
  const auto take = [=, &model](std::int64_t first, std::int32_t size) {
    RunBatch batch;
    batch.pixels.resize(static_cast<std::size_t>(size) * bytes);
    for (std::int32_t i = 0; i < size; ++i) {
      const ImageInput& image = (*images)[static_cast<std::size_t>(first + i)];
      const auto place = std::span(batch.pixels).subspan(static_cast<std::size_t>(i) * bytes, bytes);
      if (const std::string error = read_into(place, image, model); !error.empty())
        batch.failures.push_back({i, image.path + ": " + error});
    }
    batch.input = {.data = batch.pixels.data(), .batch = size, .height = info.input_height, .width = info.input_width};
    return batch;
  };
  return {"the images", static_cast<std::int64_t>(images->size()), info.input_height, info.input_width, take};
}

}  // namespace residua::tool
