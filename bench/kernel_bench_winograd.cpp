// 3x3 convolutions by Winograd, whole layers on one thread: transforms and products.
#include "bench/kernel_bench.h"
#include "kernels/winograd/winograd_layer.h"

using namespace residua::kernels;

namespace {

void run_3x3(benchmark::State& state, const BenchTier& tier, const WinogradKernels& winograd,
             const ConvolutionShape& shape) {
  const Padding padding{shape.padding, shape.padding, shape.padding, shape.padding};
  const WinogradGeometry geometry = make_winograd_geometry(1, shape.height, shape.width, shape.channels,
                                                           shape.output_channels, padding, winograd.scheme.stride);
  const WinogradLayer layer{tier.kernels.products, winograd, geometry,
                            usual_winograd_blocking(tier.kernels.products, winograd, geometry)};
  const WinogradSizes sizes = sizes_of(layer);
  const auto packed = zeros(sizes.packed), bias = zeros(shape.output_channels + tier.kernels.products.lanes);
  const auto input = zeros(shape.height * shape.width * shape.channels);
  auto panels = zeros(sizes.panels), sums = zeros(sizes.sums),
       output = zeros(geometry.output_height * geometry.output_width * geometry.output_channels);
  repeat(state, [&] {
    run_winograd_layer(layer, input.data(), packed.data(), panels.data(), sums.data(),
                       {output.data(), nullptr, bias.data(), true});
  });
  count_convolutions(state, shape, tier);
}

void run_stem(benchmark::State& state, const BenchTier& tier, const ConvolutionShape& shape) {
  const StemKernels& stem = tier.kernels.stem;
  const StemGeometry g{.height = shape.height,
                       .width = shape.width,
                       .channels = shape.channels,
                       .output_height = shape.output_height(),
                       .output_width = shape.output_width(),
                       .output_channels = shape.output_channels,
                       .padding_top = shape.padding,
                       .padding_left = shape.padding};
  const auto image = zeros(shape.height * shape.width * shape.channels),
             packed = zeros(stem.blocks(g) * stem.block_weights(g)), bias = zeros(stem.blocks(g) * stem.width);
  const std::int64_t line = StemKernels::line_floats(g);
  auto lines = zeros(((g.output_height - 1) * StemKernels::stride + StemKernels::kernel) * line),
       sums = zeros(stem.sum_floats()), output = zeros(g.output_height * g.output_width * g.output_channels);
  repeat(state, [&] {
    std::int64_t transformed = 0;
    for (std::int64_t y = 0; y < g.output_height; ++y) {
      const std::int64_t first = y * StemKernels::stride;
      for (; transformed < first + StemKernels::kernel; ++transformed)
        stem.transform_line(image.data(), g, transformed - g.padding_top, lines.data() + transformed * line);
      stem.convolve_row(lines.data() + first * line, g, packed.data(), sums.data(),
                        {output.data() + y * g.output_width * g.output_channels, nullptr, bias.data(), true});
    }
  });
  count_convolutions(state, shape, tier);
}

}  // namespace

// Not for groups: the transforms of outputs end at the last channel of the layer, not of a group.
void register_winograd_benchmarks(const BenchTier& tier, const std::vector<NamedShapes>& networks) {
  const std::pair<const char*, const WinogradKernels*> kinds[] = {
      {"winograd_6x6", &tier.kernels.winograd_6x6},
      {"winograd_4x4", &tier.kernels.winograd_4x4},
      {"winograd_4x4_compact", &tier.kernels.winograd_4x4_compact},
      {"winograd_4x4_terms", &tier.kernels.winograd_4x4_terms},
      {"winograd_2x2", &tier.kernels.winograd_2x2},
      {"winograd_2x2_compact", &tier.kernels.winograd_2x2_compact},
      {"winograd_4x4", &tier.kernels.winograd_4x4_stride_2},
      {"winograd_4x4_compact", &tier.kernels.winograd_4x4_stride_2_compact},
      {"winograd_2x2", &tier.kernels.winograd_2x2_stride_2},
      {"winograd_2x2_compact", &tier.kernels.winograd_2x2_stride_2_compact}};
  for (const auto& [kind, winograd] : kinds)
    for (const NamedShapes& network : networks)
      for (const ConvolutionShape& shape : network.shapes)
        if (shape.kernel == 3 && shape.stride == winograd->scheme.stride && shape.padding <= 1 && shape.groups == 1)
          benchmark::RegisterBenchmark(
              (std::string(kind) + "/" + network.name + "/" + shape.name + "/" + tier.name).c_str(),
              [tier, winograd = *winograd, shape](benchmark::State& state) { run_3x3(state, tier, winograd, shape); });
  for (const NamedShapes& network : networks)
    for (const ConvolutionShape& shape : network.shapes)
      if (shape.kernel == 7 && shape.stride == 2 && shape.channels <= 4)
        benchmark::RegisterBenchmark(("winograd_stem/" + network.name + "/" + shape.name + "/" + tier.name).c_str(),
                                     [tier, shape](benchmark::State& state) { run_stem(state, tier, shape); });
}
