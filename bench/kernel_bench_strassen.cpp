// 1x1 convolutions with Strassen's products, whole layers on one thread.
#include <algorithm>

#include "bench/kernel_bench.h"
#include "kernels/strassen/strassen_layer.h"

using namespace residua::kernels;

namespace {

void run(benchmark::State& state, const BenchTier& tier, const ConvolutionShape& shape) {
  constexpr std::int64_t cache_floats = 128 * 1024;  // half of a megabyte
  const ProductKernels& products = tier.kernels.products;
  StrassenLayer layer{products,
                      tier.kernels.strassen,
                      make_pair_geometry(shape.height, shape.width, shape.channels, shape.stride, shape.stride),
                      1,
                      shape.output_channels,
                      products.vectors,
                      products.rows,
                      1};
  layer.panels = std::max<std::int64_t>(cache_floats / sizes_of(layer).panels, 1);
  const StrassenSizes sizes = sizes_of(layer);
  const auto input = zeros(shape.height * shape.width * shape.channels), packed = zeros(sizes.packed),
             bias = zeros(shape.output_channels);
  auto panels = zeros(sizes.panels), sums = zeros(sizes.sums),
       output = zeros(shape.output_height() * shape.output_width() * shape.output_channels);
  repeat(state, [&] {
    run_strassen_layer(layer, input.data(), packed.data(), panels.data(), sums.data(),
                       {output.data(), nullptr, bias.data(), shape.output_channels, true});
  });
  count_convolutions(state, shape, tier);
}

}  // namespace

void register_strassen_benchmarks(const BenchTier& tier, const std::vector<NamedShapes>& networks) {
  const ProductKernels& products = tier.kernels.products;
  for (const NamedShapes& network : networks)
    for (const ConvolutionShape& shape : network.shapes)
      if (shape.kernel == 1 && shape.padding == 0 && shape.groups == 1 && shape.channels % (2 * products.lanes) == 0 &&
          shape.output_channels % (2 * products.vectors * products.lanes) == 0)
        benchmark::RegisterBenchmark(("strassen/" + network.name + "/" + shape.name + "/" + tier.name).c_str(),
                                     [tier, shape](benchmark::State& state) { run(state, tier, shape); });
}
