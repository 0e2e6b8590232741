// Grouped 3x3 convolutions, whole layers on one thread.
#include "bench/kernel_bench.h"

using namespace residua::kernels;

namespace {

void run(benchmark::State& state, const BenchTier& tier, const ConvolutionShape& shape) {
  const GroupedKernels& grouped = tier.kernels.grouped;
  const ConvolutionGeometry geometry{.height = shape.height,
                                     .width = shape.width,
                                     .channels = shape.channels,
                                     .output_height = shape.output_height(),
                                     .output_width = shape.output_width(),
                                     .kernel_height = shape.kernel,
                                     .kernel_width = shape.kernel,
                                     .stride_height = shape.stride,
                                     .stride_width = shape.stride,
                                     .padding_top = shape.padding,
                                     .padding_left = shape.padding,
                                     .dilation_height = 1,
                                     .dilation_width = 1};
  const ChannelGroup channels{shape.channels / shape.groups, shape.output_channels / shape.groups};
  const std::int64_t block_weights = shape.kernel * shape.kernel * channels.inputs * grouped.lanes;
  const auto input = zeros(shape.height * shape.width * shape.channels), bias = zeros(shape.output_channels),
             weights = zeros(shape.output_channels / grouped.lanes * block_weights);
  auto output = zeros(shape.output_height() * shape.output_width() * shape.output_channels);
  repeat(state, [&] {
    for (std::int64_t block = 0; block < shape.output_channels / grouped.lanes; ++block)
      for (std::int64_t y = 0; y < geometry.output_height; ++y)
        grouped.convolve_row(input.data(), geometry, channels, block, y, weights.data() + block * block_weights,
                             {shape.output_channels, output.data(), nullptr, bias.data(), true});
  });
  count_convolutions(state, shape, tier);
}

}  // namespace

void register_grouped_benchmarks(const BenchTier& tier, const std::vector<NamedShapes>& networks) {
  for (const NamedShapes& network : networks)
    for (const ConvolutionShape& shape : network.shapes)
      if ((shape.groups > 1 || shape.channels < tier.kernels.grouped.lanes) && shape.kernel == GroupedKernels::kernel &&
          shape.output_channels % tier.kernels.grouped.lanes == 0)
        benchmark::RegisterBenchmark(("grouped/" + network.name + "/" + shape.name + "/" + tier.name).c_str(),
                                     [tier, shape](benchmark::State& state) { run(state, tier, shape); });
}
