// 1x1 convolutions, whole layers on one thread: pixels are packed into panels and multiplied.
#include "bench/kernel_bench.h"
#include "kernels/products/products_layer.h"

using namespace residua::kernels;

namespace {

void run(benchmark::State& state, const BenchTier& tier, const ConvolutionShape& shape) {
  const PointwiseLayer layer{tier.kernels.products, shape.height,          shape.width,
                             shape.channels,        shape.output_channels, shape.stride};
  const PointwiseSizes sizes = sizes_of(layer);
  const auto input = zeros(shape.height * shape.width * shape.channels), packed = zeros(sizes.packed),
             bias = zeros(sizes.bias);
  auto panels = zeros(sizes.panels),
       output = zeros(layer.output_height() * layer.output_width() * shape.output_channels);
  repeat(state,
         [&] { run_pointwise_layer(layer, input.data(), packed.data(), bias.data(), panels.data(), output.data()); });
  count_convolutions(state, shape, tier);
}

}  // namespace

void register_product_benchmarks(const BenchTier& tier, const std::vector<NamedShapes>& networks) {
  for (const NamedShapes& network : networks)
    for (const ConvolutionShape& shape : network.shapes)
      if (shape.kernel == 1 && shape.padding == 0 && shape.groups == 1)
        benchmark::RegisterBenchmark(("products/" + network.name + "/" + shape.name + "/" + tier.name).c_str(),
                                     [tier, shape](benchmark::State& state) { run(state, tier, shape); });
}
