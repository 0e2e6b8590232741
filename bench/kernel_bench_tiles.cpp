// Convolutions on tile registers, whole layers on one thread: factors are split, then multiplied.
#include <algorithm>
#include <random>

#include "bench/kernel_bench.h"

using namespace residua::kernels;

namespace {

// Zeros make tile products faster than a network's numbers do: the clock falls less.
std::vector<float> weights_like(std::int64_t count) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> distribution(-1, 1);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = distribution(random);
  return values;
}
// As after a ReLU.
std::vector<float> activations(std::int64_t count) {
  std::vector<float> values = weights_like(count);
  for (float& value : values) value = std::max(value, 0.0f);
  return values;
}

int rows_per_block(std::int64_t rows) {
  const std::int64_t blocks = (rows + TileSizes::most_rows - 1) / TileSizes::most_rows;
  return static_cast<int>((rows + blocks - 1) / blocks);
}

using Convolve = decltype(TileKernels::convolve);

// `prepare` writes the factors of all rows and says where they are; `row_bytes`: of a row of factors. Some blocks at a
// time, as many as stay in a level 2 cache of 2 MB.
template <class Prepare>
void run(benchmark::State& state, const BenchTier& tier, const ConvolutionShape& shape, Convolve convolve,
         std::int64_t row_bytes, std::int64_t steps, const Prepare& prepare) {
  const TileKernels& tiles = tier.kernels.tiles;
  const std::int64_t pixels = shape.output_height() * shape.output_width(), outputs = shape.output_channels;
  TileFactors factors = prepare();
  const std::int64_t blocks = factors.blocks_of_image();
  const std::int64_t room = std::int64_t{3} << 19;
  const std::int64_t once = std::max<std::int64_t>(room / (row_bytes * factors.rows_per_block), 1);
  const auto weights = weights_like(steps * factors.positions * TileSizes::chunk * outputs), bias = zeros(outputs);
  auto output = zeros(pixels * outputs),
       scratch = zeros(TileSizes::scratch_floats(once * factors.rows_per_block * factors.positions, factors.positions));
  repeat(state, [&] {
    factors = prepare();
    tiles.configure(factors.rows_per_block);
    for (std::int64_t block = 0; block < blocks; block += once)
      convolve(factors, {block, std::min(once, blocks - block)}, {weights.data(), steps}, pixels,
               {output.data(), nullptr, bias.data(), outputs, outputs, true}, scratch.data());
    tiles.release();
  });
  count_convolutions(state, shape, tier);
}

std::vector<Bfloat16> split_values(std::int64_t count) {
  return std::vector<Bfloat16>(static_cast<std::size_t>(count));
}

void run_panels(benchmark::State& state, const BenchTier& tier, const ConvolutionShape& shape) {
  const ConvolutionGeometry g = geometry_of(shape);
  const std::int64_t pixels = g.output_height * g.output_width, steps = g.channels / TileSizes::chunk;
  const int room = rows_per_block(pixels);
  const auto input = activations(g.height * g.width * g.channels);
  const std::int64_t panel = room * steps * TileSizes::chunk * TileSizes::parts;
  auto panels = split_values((pixels + room - 1) / room * panel);
  run(state, tier, shape, tier.kernels.tiles.convolve, g.channels * 6, steps, [&] {
    for (std::int64_t first = 0; first < pixels; first += room)
      tier.kernels.tiles.gather_pixels(input.data(), g, first,
                                       static_cast<int>(std::min<std::int64_t>(room, pixels - first)), 0, g.channels,
                                       room, panels.data() + first / room * panel);
    return panels_of(panels.data(), pixels, room, steps);
  });
}

void run_planes(benchmark::State& state, const BenchTier& tier, const ConvolutionShape& shape) {
  const ConvolutionGeometry g = geometry_of(shape);
  const TilePlanes planes(g);
  std::vector<std::int64_t> taps;
  for (std::int64_t ky = 0; ky < g.kernel_height; ++ky)
    for (std::int64_t kx = 0; kx < g.kernel_width; ++kx) taps.push_back(planes.tap(ky, kx));
  const int room = rows_per_block(planes_of(planes, g, nullptr, nullptr, 1).rows);
  const auto input = activations(g.height * g.width * g.channels);
  auto memory = split_values(planes.size(1));
  run(state, tier, shape, tier.kernels.tiles.convolve, g.channels * 6, planes.chunks * planes.taps, [&] {
    for (std::int64_t line = 0; line < planes.lines; ++line)
      for (std::int64_t phase = 0; phase < planes.stride; ++phase)
        tier.kernels.tiles.split_line(input.data(), g, planes, phase, line, memory.data());
    return planes_of(planes, g, memory.data(), taps.data(), room);
  });
}

void run_lines(benchmark::State& state, const BenchTier& tier, const ConvolutionShape& shape) {
  const ConvolutionGeometry g = geometry_of(shape);
  const TileLines lines(g);
  const std::int64_t line = lines.cells * TileSizes::chunk, taps[LineSizes::taps] = {0, line, 2 * line};
  const int room = rows_per_block(g.output_height * lines.cells);
  const auto input = activations(g.height * g.width * g.channels);
  auto memory = split_values(lines.size(1));
  // By half, as the engine counts them: only one position's factors are read at a time.
  run(state, tier, shape, tier.kernels.tiles.convolve_lines, g.channels * 6 * LineSizes::positions / 2,
      lines.chunks * LineSizes::taps, [&] {
        for (std::int64_t y = 0; y < lines.lines; ++y)
          tier.kernels.tiles.transform_line(input.data(), g, y, memory.data());
        return lines_of(lines, g, memory.data(), taps, room);
      });
}

bool suits_tiles(const ConvolutionShape& shape) {
  return shape.groups == 1 && shape.channels % TileSizes::chunk == 0 &&
         shape.output_channels % (2 * TileSizes::column) == 0;
}

}  // namespace

void register_tile_benchmarks(const BenchTier& tier, const std::vector<NamedShapes>& networks) {
  if (tier.kernels.tiles.convolve == nullptr) return;
  using Run = void (*)(benchmark::State&, const BenchTier&, const ConvolutionShape&);
  const auto add = [&](const char* kind, const NamedShapes& network, const ConvolutionShape& shape, Run run_kind) {
    benchmark::RegisterBenchmark((std::string(kind) + "/" + network.name + "/" + shape.name + "/" + tier.name).c_str(),
                                 [tier, shape, run_kind](benchmark::State& state) { run_kind(state, tier, shape); });
  };
  for (const NamedShapes& network : networks)
    for (const ConvolutionShape& shape : network.shapes) {
      if (!suits_tiles(shape)) continue;
      add("tiles", network, shape, shape.kernel == 1 ? run_panels : run_planes);
      if (shape.kernel == 3 && shape.stride == 1) add("winograd_lines", network, shape, run_lines);
    }
}
