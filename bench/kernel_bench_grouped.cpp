// Grouped 3x3 convolutions, whole layers on one thread.
#include "bench/kernel_bench.h"

using namespace residua::kernels;

namespace {

void run(benchmark::State& state, const BenchTier& tier, const ConvolutionShape& shape) {
  const GroupedKernels& grouped = tier.kernels.grouped;
  const ConvolutionGeometry geometry = geometry_of(shape);
  const ChannelGroup channels{shape.channels / shape.groups, shape.output_channels / shape.groups};
  const std::int64_t block_weights = shape.kernel * shape.kernel * channels.inputs * grouped.lanes;
  const auto input = zeros(shape.height * shape.width * shape.channels), bias = zeros(shape.output_channels),
             weights = zeros(shape.output_channels / grouped.lanes * block_weights);
  auto output = zeros(shape.output_height() * shape.output_width() * shape.output_channels);
  const std::int64_t inputs =
      std::max(channels.outputs, std::int64_t{grouped.lanes}) / channels.outputs * channels.inputs;
  const PaddedColumns columns = padded_columns(geometry);
  const std::int64_t width = columns.width;
  auto padded = zeros(shape.height * width * inputs);
  repeat(state, [&] {
    std::int64_t gathered = -1;  // first input channel
    for (std::int64_t block = 0; block < shape.output_channels / grouped.lanes; ++block) {
      const std::int64_t first_input = block * grouped.lanes / channels.outputs * channels.inputs;
      if (first_input != gathered)
        grouped.gather_rows(input.data(), geometry, {0, shape.height, first_input, inputs, columns, padded.data()});
      gathered = first_input;
      for (std::int64_t y = 0; y < geometry.output_height; ++y) {
        const RowsUnder under = rows_under(geometry, y);
        grouped.convolve_row(
            {.rows = padded.data() + under.first * width * inputs,
             .channels = inputs,
             .columns = columns,
             .under = under,
             .outputs = geometry.output_width,
             .stride = shape.stride},
            channels, weights.data() + block * block_weights,
            {.stride = shape.output_channels,
             .output = output.data() + y * geometry.output_width * shape.output_channels + block * grouped.lanes,
             .residual = nullptr,
             .bias = bias.data() + block * grouped.lanes,
             .relu = true});
      }
    }
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
