// The first convolution of most networks, 7x7 with stride 2 on an image of few channels, by Winograd's algorithm along
// its rows (kernels/stem/stem.h).

#include <algorithm>

#include "engine/arena.h"
#include "engine/caches.h"
#include "engine/steps/convolution_cost.h"
#include "engine/steps/onednn_convolution_step.h"

namespace residua::engine {
namespace {

using kernels::StemGeometry;
using kernels::StemKernels;

constexpr std::size_t weight_input = 1, bias_input = 2, residual_input = 3;

std::string reject(const StepRequest& request) {
  if (std::string reason = reject_without_constant_weights(request); !reason.empty()) return reason;
  const auto& node = graph::attributes_of<graph::ConvolutionAttributes>(request.node);
  const graph::Shape& weight = request.input(weight_input).shape;
  if (weight[2] != StemKernels::kernel || weight[3] != StemKernels::kernel) return "the kernel is not 7x7";
  if (node.strides[0] != StemKernels::stride || node.strides[1] != StemKernels::stride) return "the stride is not 2";
  if (node.dilations[0] != 1 || node.dilations[1] != 1) return "the kernel is dilated";
  if (node.groups != 1) return "the channels are in groups";
  if (weight[1] > StemKernels::most_channels)
    return std::to_string(weight[1]) + " channels are more than the " + std::to_string(StemKernels::most_channels) +
           " of an image";
  return "";
}

StemGeometry geometry_of(const StepRequest& request) {
  const auto& padding = graph::attributes_of<graph::ConvolutionAttributes>(request.node).padding;
  const graph::Shape& x = request.input(0).shape;
  const graph::Shape& y = request.output().shape;
  return {.height = x[2],
          .width = x[3],
          .channels = x[1],
          .output_height = y[2],
          .output_width = y[3],
          .output_channels = y[1],
          .padding_top = padding.top,
          .padding_left = padding.left};
}

std::size_t packed_bytes(const StemKernels& stem, const StemGeometry& g) {
  return static_cast<std::size_t>(stem.blocks(g) * stem.block_weights(g)) * sizeof(float);
}

// What the parts of a step share. A part is a band of rows of one image.
struct Work {
  StemKernels kernels;
  StemGeometry geometry;
  std::int64_t bands;
  bool relu;
  std::shared_ptr<const std::byte> weights;
  std::vector<float> bias;

  std::int64_t first_row(std::int64_t band) const { return geometry.output_height * band / bands; }
  std::int64_t line_floats() const { return StemKernels::line_floats(geometry); }
  std::int64_t most_lines() const {
    const std::int64_t rows = (geometry.output_height + bands - 1) / bands;
    return (rows - 1) * StemKernels::stride + StemKernels::kernel;
  }

  // `scratch`: lines of a band, then sums.
  void run(std::int64_t part, const float* input, const float* residual, float* output, float* scratch) const {
    const StemGeometry& g = geometry;
    const std::int64_t image = part / bands, band = part % bands, first = first_row(band), end = first_row(band + 1);
    const float* const pixels = input + image * g.height * g.width * g.channels;
    float* const sums = scratch + most_lines() * line_floats();
    std::int64_t transformed = 0;  // lines of the band, each when the first row that reads it comes
    for (std::int64_t y = first; y < end; ++y) {
      const std::int64_t line = (y - first) * StemKernels::stride;
      for (; transformed < line + StemKernels::kernel; ++transformed)
        kernels.transform_line(pixels, g, first * StemKernels::stride - g.padding_top + transformed,
                               scratch + transformed * line_floats());
      const std::int64_t at = (image * g.output_height + y) * g.output_width * g.output_channels;
      kernels.convolve_row(scratch + line * line_floats(), g, reinterpret_cast<const float*>(weights.get()), sums,
                           {.output = output + at,
                            .residual = residual != nullptr ? residual + at : nullptr,
                            .bias = bias.data(),
                            .relu = relu});
    }
  }
};

// Enough bands that no thread waits long for another's last part, and that a band's lines stay in the level 2 cache;
// but not so low that lines which two bands read, and both transform, count.
std::int64_t bands_of(const StemGeometry& g, std::int64_t images, int threads) {
  constexpr std::int64_t parts_a_thread = 4, fewest_rows = 8;
  const auto room = static_cast<std::int64_t>(caches().level2 / 4 / sizeof(float));
  const auto divided_up = [](std::int64_t value, std::int64_t by) { return (value + by - 1) / by; };
  const std::int64_t wanted = divided_up(parts_a_thread * threads, std::max<std::int64_t>(images, 1)),
                     lines = g.output_height * StemKernels::stride * StemKernels::line_floats(g),
                     most = divided_up(g.output_height, fewest_rows);
  return std::clamp<std::int64_t>(std::max(wanted, divided_up(lines, room)), 1, std::max<std::int64_t>(most, 1));
}

Step make(const StepRequest& request) {
  const StemKernels stem = request.kernels.stem;
  const StemGeometry g = geometry_of(request);
  const std::int64_t images = request.input(0).shape[0];
  const auto work = std::make_shared<Work>();
  work->kernels = stem;
  work->geometry = g;
  work->bands = bands_of(g, images, request.threads);
  work->relu = graph::attributes_of<graph::ConvolutionAttributes>(request.node).activation == graph::Activation::relu;
  const std::string tier(name_of(request.kernels.vector_set()));
  work->weights = request.packed.get(
      request.input(weight_input), {"winograd stem " + tier, packed_bytes(stem, g), stem.blocks(g)},
      [=](std::span<const float> values, std::int64_t block, std::byte* packed) {
        stem.pack_weights(values.data(), g, block, reinterpret_cast<float*>(packed) + block * stem.block_weights(g));
      });
  if (request.has_input(bias_input)) work->bias = graph::read_floats(request.input(bias_input));
  work->bias.resize(static_cast<std::size_t>(stem.blocks(g) * stem.width), 0.0f);

  Step step = request.make_step("winograd stem " + tier);
  const std::int64_t scratch = work->most_lines() * work->line_floats() + stem.sum_floats();
  step.scratch_bytes = whole_cache_lines(static_cast<std::size_t>(scratch) * sizeof(float));
  if (request.has_input(residual_input) && request.may_overwrite(request.node.input(residual_input)))
    step.overwrites = request.node.input(residual_input);
  const auto locate_input = request.locate(0);
  const auto locate_residual = request.locate(residual_input);
  step.bind = [=, shared_work = std::shared_ptr<const Work>(work), parts = images * work->bands,
               output = request.node.output](const Binding& binding) -> std::vector<Phase> {
    const float* const input = locate_input(binding);
    const float* const residual = locate_residual(binding);
    return {{parts, [=, to = binding.address(output)](std::int64_t part, int worker) {
               shared_work->run(part, input, residual, to, reinterpret_cast<float*>(binding.scratch_of(worker)));
             }}};
  };
  return step;
}

Cost cost(const StepRequest& request) {
  const StemKernels& stem = request.kernels.stem;
  const StemGeometry g = geometry_of(request);
  const std::size_t bytes = packed_bytes(stem, g);
  const std::int64_t products = StemKernels::positions * StemKernels::tiles(g) * g.output_height;
  return {.multiplications = static_cast<double>(products * StemKernels::kernel * 2 * g.channels) *
                             static_cast<double>(g.output_channels),
          .weight_bytes = bytes,
          .added_weight_bytes = bytes - std::min(bytes, own_weight_bytes(request))};
}

}  // namespace

std::vector<Implementation> stem_convolution_implementations() {
  return {{graph::Op::convolution, "winograd stem", reject, make, cost, nullptr, true}};
}

}  // namespace residua::engine
