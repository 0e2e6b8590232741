// 3x3 convolutions by Winograd, whole layers on one thread: transforms and products.
#include "bench/kernel_bench.h"
#include "kernels/winograd/winograd_layer.h"

using namespace residua::kernels;

namespace {

// `prepare` runs before the layer each time and is timed with it.
template <class Prepare>
void run(benchmark::State& state, const BenchTier& tier, const WinogradKernels& winograd,
         const WinogradGeometry& geometry, const ConvolutionShape& shape, const std::vector<float>& input,
         const Prepare& prepare) {
  const WinogradLayer layer{tier.kernels.products, winograd, geometry,
                            usual_winograd_blocking(tier.kernels.products, winograd, geometry)};
  const WinogradSizes sizes = sizes_of(layer);
  const auto packed = zeros(sizes.packed), bias = zeros(shape.output_channels + tier.kernels.products.lanes);
  auto panels = zeros(sizes.panels), sums = zeros(sizes.sums),
       output = zeros(geometry.output_height * geometry.output_width * geometry.output_channels);
  repeat(state, [&] {
    prepare();
    run_winograd_layer(layer, input.data(), packed.data(), panels.data(), sums.data(),
                       {output.data(), nullptr, bias.data(), true});
  });
  count_convolutions(state, shape, tier);
}

void run_3x3(benchmark::State& state, const BenchTier& tier, const WinogradKernels& winograd,
             const ConvolutionShape& shape) {
  const Padding padding{shape.padding, shape.padding, shape.padding, shape.padding};
  const WinogradGeometry geometry =
      make_winograd_geometry(1, shape.height, shape.width, shape.channels, shape.output_channels, padding,
                             winograd.scheme.stride, winograd.scheme.taps);
  run(state, tier, winograd, geometry, shape, zeros(shape.height * shape.width * shape.channels), [] {});
}

void run_stem(benchmark::State& state, const BenchTier& tier, const ConvolutionShape& shape) {
  constexpr std::int64_t folded_channels = 16;
  const WinogradKernels& winograd = tier.kernels.winograd_stem;
  const std::int64_t height = shape.output_height() + winograd.scheme.taps - 1,
                     width = shape.output_width() + winograd.scheme.taps - 1;
  const WinogradGeometry geometry = make_winograd_geometry(1, height, width, folded_channels, shape.output_channels, {},
                                                           winograd.scheme.stride, winograd.scheme.taps);
  const auto image = zeros(shape.height * shape.width * shape.channels);
  auto folded = zeros(height * width * folded_channels);
  run(state, tier, winograd, geometry, shape, folded, [&] {
    for (std::int64_t y = 0; y < height; ++y)
      tier.kernels.space_to_depth_row(image.data(), shape.height, shape.width, shape.channels, shape.padding,
                                      shape.padding, y, width, folded.data() + y * width * folded_channels);
  });
}

}  // namespace

// Not for groups: the transforms of outputs end at the last channel of the layer, not of a group.
void register_winograd_benchmarks(const BenchTier& tier, const std::vector<NamedShapes>& networks) {
  const std::pair<const char*, const WinogradKernels*> kinds[] = {
      {"winograd_4x4", &tier.kernels.winograd_4x4},
      {"winograd_4x4_compact", &tier.kernels.winograd_4x4_compact},
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
