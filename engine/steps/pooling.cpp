// Pooling on our own kernels, row by row.

#include <algorithm>

#include "engine/onednn.h"
#include "engine/steps/step.h"

namespace residua::engine {
namespace {

std::string accept(const StepRequest&) { return ""; }

kernels::PoolGeometry geometry_of(const StepRequest& request) {
  const auto& pool = graph::attributes_of<graph::PoolAttributes>(request.node);
  const graph::Shape& x = request.input(0).shape;
  const graph::Shape& y = request.output().shape;
  return {.channels = x[1],
          .height = x[2],
          .width = x[3],
          .output_height = y[2],
          .output_width = y[3],
          .kernel_height = pool.kernel[0],
          .kernel_width = pool.kernel[1],
          .stride_height = pool.strides[0],
          .stride_width = pool.strides[1],
          .padding_top = pool.padding.top,
          .padding_left = pool.padding.left,
          .padding_bottom = pool.padding.bottom,
          .padding_right = pool.padding.right,
          .dilation_height = pool.dilations[0],
          .dilation_width = pool.dilations[1],
          .count_include_pad = pool.count_include_pad};
}

// Whether every window along one axis holds a pixel of the image: what the kernels start from.
bool every_window_sees_a_pixel(std::int64_t outputs, std::int64_t stride, std::int64_t padding, std::int64_t kernel,
                               std::int64_t dilation, std::int64_t size) {
  for (std::int64_t i = 0; i < outputs; ++i) {
    const std::int64_t start = i * stride - padding;
    const std::int64_t first = start < 0 ? start + (-start + dilation - 1) / dilation * dilation : start;
    if (first >= size || first > start + (kernel - 1) * dilation) return false;
  }
  return true;
}

std::string reject_window_pool(const StepRequest& request) {
  const kernels::PoolGeometry g = geometry_of(request);
  const bool filled = every_window_sees_a_pixel(g.output_height, g.stride_height, g.padding_top, g.kernel_height,
                                                g.dilation_height, g.height) &&
                      every_window_sees_a_pixel(g.output_width, g.stride_width, g.padding_left, g.kernel_width,
                                                g.dilation_width, g.width);
  return filled ? "" : "a window lies wholly in the padding";
}

Step make_window_pool(const StepRequest& request) {
  const bool is_max = request.node.op == graph::Op::max_pool;
  Step step =
      request.make_step((is_max ? "max_pool " : "average_pool ") + std::string(name_of(request.kernels.vector_set())));
  step.bind = [g = geometry_of(request), batch = request.input(0).shape[0], threads = request.threads,
               kernel = is_max ? request.kernels.max_pool_row : request.kernels.average_pool_row,
               locate = request.locate(0),
               output_id = request.node.output](const Binding& binding) -> std::vector<Phase> {
    const float* const input = locate(binding);
    float* const output = binding.address(output_id);
    return {in_ranges(threads, batch * g.output_height, [=](std::int64_t begin, std::int64_t end) {
      const std::int64_t image = g.height * g.width * g.channels, row = g.output_width * g.channels;
      for (std::int64_t i = begin; i < end; ++i)
        kernel(input + i / g.output_height * image, g, i % g.output_height, output + i * row);
    })};
  };
  return step;
}

Step make_global_pool(const StepRequest& request) {
  const graph::Shape& shape = request.input(0).shape;
  Step step = request.make_step("global_average " + std::string(name_of(request.kernels.vector_set())));
  step.bind = [batch = shape[0], channels = shape[1], pixels = shape[2] * shape[3], threads = request.threads,
               kernel = request.kernels.global_average, locate = request.locate(0),
               output_id = request.node.output](const Binding& binding) -> std::vector<Phase> {
    const float* const input = locate(binding);
    float* const output = binding.address(output_id);
    // Items are runs of 64 channels, so that one image keeps several threads busy.
    constexpr std::int64_t run = 64;
    const std::int64_t runs = (channels + run - 1) / run;
    return {in_ranges(threads, batch * runs, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t image = i / runs, first = i % runs * run;
        kernel(input + image * pixels * channels + first, pixels, channels, std::min(run, channels - first),
               output + image * channels + first);
      }
    })};
  };
  return step;
}

}  // namespace

std::vector<Implementation> pooling_implementations() {
  return {{graph::Op::max_pool, "max_pool", reject_window_pool, make_window_pool},
          {graph::Op::average_pool, "average_pool", reject_window_pool, make_window_pool},
          {graph::Op::global_average_pool, "global_average", accept, make_global_pool}};
}

}  // namespace residua::engine
