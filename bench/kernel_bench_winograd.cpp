// 3x3 convolutions by Winograd, whole layers on one thread: transforms and products.
#include "bench/kernel_bench.h"
#include "kernels/winograd/winograd_layer.h"

using namespace residua::kernels;

namespace {

void run(benchmark::State& state, const BenchTier& tier, const WinogradKernels& winograd,
         const ConvolutionShape& shape) {
  const Padding padding{shape.padding, shape.padding, shape.padding, shape.padding};
  const WinogradGeometry geometry =
      make_winograd_geometry(1, shape.height, shape.width, shape.channels, shape.output_channels, padding,
                             winograd.scheme.stride, winograd.scheme.taps);
  const WinogradLayer layer{tier.kernels.products, winograd, geometry,
                            usual_winograd_blocking(tier.kernels.products, winograd, geometry)};
  const WinogradSizes sizes = sizes_of(layer);
  const auto input = zeros(shape.height * shape.width * shape.channels), packed = zeros(sizes.packed),
             bias = zeros(shape.output_channels + tier.kernels.products.lanes);
  auto panels = zeros(sizes.panels), sums = zeros(sizes.sums),
       output = zeros(geometry.output_height * geometry.output_width * geometry.output_channels);
  repeat(state, [&] {
    run_winograd_layer(layer, input.data(), packed.data(), panels.data(), sums.data(),
                       {output.data(), nullptr, bias.data(), true});
  });
  count_convolutions(state, shape, tier);
}

}  // namespace

// Not for groups: the transforms of outputs end at the last channel of the layer, not of a group.
void register_winograd_benchmarks(const BenchTier& tier, const std::vector<NamedShapes>& networks) {
  const std::pair<const char*, const WinogradKernels*> kinds[] = {
      {"winograd_4x4", &tier.kernels.winograd_4x4},
      {"winograd_2x2", &tier.kernels.winograd_2x2},
      {"winograd_4x4", &tier.kernels.winograd_4x4_stride_2},
      {"winograd_2x2", &tier.kernels.winograd_2x2_stride_2}};
  for (const auto& [kind, winograd] : kinds)
    for (const NamedShapes& network : networks)
      for (const ConvolutionShape& shape : network.shapes)
        if (shape.kernel == 3 && shape.stride == winograd->scheme.stride && shape.padding <= 1 && shape.groups == 1)
          benchmark::RegisterBenchmark(
              (std::string(kind) + "/" + network.name + "/" + shape.name + "/" + tier.name).c_str(),
              [tier, winograd = *winograd, shape](benchmark::State& state) { run(state, tier, winograd, shape); });
}
