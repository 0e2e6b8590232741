#include "engine/preparation.h"

#include <algorithm>
#include <cstring>

#include "kernels/image/resize.h"

namespace residua::engine {
namespace {

using kernels::PreprocessPlan;
using kernels::ResizeAxis;
using kernels::ResizeTaps;

constexpr std::int64_t channels = 3;

PreprocessPlan plan_for(const ImageView& image, const ModelCard& card) {
  return kernels::make_preprocess_plan({image.width, image.height}, card.resize, card.interpolation,
                                       {card.input_width, card.input_height});
}

std::size_t in_bytes(std::int64_t count, std::size_t size = 1) { return static_cast<std::size_t>(count) * size; }

// Bytes: the kernel wants its pixels packed, top row first. Others are copied so.
void prepare_bytes(const ImageView& image, const PreprocessPlan& plan, Block& scratch, std::uint8_t* output) {
  const std::int64_t row = image.width * channels;
  const bool packed = image.channel_stride == 1 && image.pixel_stride == channels && image.row_stride >= row;
  std::byte* const memory = scratch.at_least(plan.scratch_bytes + (packed ? 0 : in_bytes(row * image.height)));
  const std::byte* source = image.data;
  if (!packed) {
    std::byte* target = memory + plan.scratch_bytes;
    source = target;
    for (std::int64_t y = 0; y < image.height; ++y)
      for (std::int64_t x = 0; x < image.width; ++x)
        for (std::int64_t c = 0; c < channels; ++c)
          *target++ = image.data[y * image.row_stride + x * image.pixel_stride + c * image.channel_stride];
  }
  kernels::preprocess_rgb8(plan, reinterpret_cast<const std::uint8_t*>(source),
                           in_bytes(packed ? image.row_stride : row), reinterpret_cast<std::uint8_t*>(memory), output);
}

// What output `index` of an axis is made of: source positions [first, first + weights.size()).
struct Window {
  std::int64_t first = 0;
  std::vector<float> weights;
};

std::vector<Window> windows_of(const ResizeAxis& axis) {
  std::vector<Window> windows;
  if (axis.copied) {
    for (std::int64_t i = axis.source_begin; i < axis.source_end; ++i) windows.push_back({i, {1.0f}});
    return windows;
  }
  for (const ResizeTaps& taps : axis.taps) {
    Window window{taps.first, {}};
    double sum = 0;
    std::vector<double> weights;
    for (std::size_t i = 0; i < in_bytes(taps.count); ++i) {
      const kernels::ResizeCoefficients& pair = axis.coefficients[taps.pair + i / 2];
      weights.push_back(pair.low[i % 2] + 4096.0 * pair.high[i % 2]);
      sum += weights.back();
    }
    for (double weight : weights) window.weights.push_back(static_cast<float>(weight / sum));
    windows.push_back(std::move(window));
  }
  return windows;
}

float float_at(const ImageView& image, std::int64_t y, std::int64_t x, std::int64_t c) {
  float value = 0;
  std::memcpy(&value, image.data + y * image.row_stride + x * image.pixel_stride + c * image.channel_stride,
              sizeof value);
  return value;
}

// Floats: along the rows first, into [source rows, kept columns, 3]; then down the columns.
void prepare_floats(const ImageView& image, const PreprocessPlan& plan, Block& scratch, float* output) {
  const std::vector<Window> columns = windows_of(plan.resize.columns), rows = windows_of(plan.resize.rows);
  const std::int64_t top = plan.resize.rows.source_begin, height = plan.resize.rows.source_end - top;
  const auto line = static_cast<std::int64_t>(columns.size()) * channels;
  auto* const between = reinterpret_cast<float*>(scratch.at_least(in_bytes(height * line, sizeof(float))));
  float* target = between;
  for (std::int64_t y = top; y < top + height; ++y)
    for (const Window& window : columns)
      for (std::int64_t c = 0; c < channels; ++c) {
        float sum = 0;
        for (std::size_t i = 0; i < window.weights.size(); ++i)
          sum += window.weights[i] * float_at(image, y, window.first + static_cast<std::int64_t>(i), c);
        *target++ = sum;
      }
  std::fill_n(output, plan.output.width * plan.output.height * channels, 0.0f);  // black where the image does not reach
  for (std::size_t y = 0; y < rows.size(); ++y) {
    float* const to = output + ((plan.top + static_cast<std::int64_t>(y)) * plan.output.width + plan.left) * channels;
    for (std::size_t i = 0; i < rows[y].weights.size(); ++i) {
      const float weight = rows[y].weights[i];
      const float* const from = between + (rows[y].first - top + static_cast<std::int64_t>(i)) * line;
      for (std::int64_t k = 0; k < line; ++k) to[k] += weight * from[k];
    }
  }
}

}  // namespace

Input Preparer::prepare(const Input& input, const ModelCard& card, int workers,
                        const std::function<void(const Phase&)>& run, const std::function<void()>& before_image) {
  const bool floats = input.type == PixelType::float32;
  const std::size_t element = floats ? sizeof(float) : 1;
  const std::int64_t values = card.input_height * card.input_width * channels;
  std::byte* const prepared = prepared_.at_least(in_bytes(input.shape.batch * values, element));
  scratch_.resize(std::max(scratch_.size(), static_cast<std::size_t>(workers)));
  const Phase phase{input.shape.batch, [&](std::int64_t index, int worker) {
                      before_image();
                      const ImageView image = input.image(index);
                      const PreprocessPlan plan = plan_for(image, card);
                      Block& scratch = scratch_[static_cast<std::size_t>(worker)];
                      std::byte* const output = prepared + in_bytes(index * values, element);
                      if (floats)
                        prepare_floats(image, plan, scratch, reinterpret_cast<float*>(output));
                      else
                        prepare_bytes(image, plan, scratch, reinterpret_cast<std::uint8_t*>(output));
                    }};
  run(phase);

  const auto size = static_cast<std::int64_t>(element);
  const std::int64_t row = card.input_width * channels * size;
  return {.type = input.type,
          .preparation = Preparation::normalize,
          .shape = input.shape,
          .first = {prepared, card.input_height, card.input_width, row, channels * size, size},
          .image_stride = values * size};
}

std::size_t Preparer::bytes() const {
  std::size_t sum = prepared_.bytes();
  for (const Block& block : scratch_) sum += block.bytes();
  return sum;
}

}  // namespace residua::engine
