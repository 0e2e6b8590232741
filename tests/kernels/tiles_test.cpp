// Products on tile registers against the same sums in double.

#include "kernels/tiles/tiles.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "kernels/table.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/random_case.h"
#include "tests/sanitized.h"

using namespace residua::kernels;

namespace {

struct Case {
  ConvolutionGeometry geometry;
  std::int64_t images, outputs;
  int rows_per_block, columns_at_once;
  bool residual, relu;
  bool pairs;                       // of images in a block, where they have few rows
  std::int64_t blocks_at_once = 0;  // of planes and lines, in a call; 0: half of them

  std::int64_t pixels() const { return images * geometry.output_height * geometry.output_width; }
  std::int64_t depth() const { return geometry.kernel_height * geometry.kernel_width * geometry.channels; }
  std::string text() const {
    const ConvolutionGeometry& g = geometry;
    return std::to_string(images) + " x " + std::to_string(g.height) + "x" + std::to_string(g.width) + "x" +
           std::to_string(g.channels) + " to " + std::to_string(outputs) + ", kernel " +
           std::to_string(g.kernel_height) + "x" + std::to_string(g.kernel_width) + ", stride " +
           std::to_string(g.stride_height) + "x" + std::to_string(g.stride_width) + ", padding " +
           std::to_string(g.padding_top) + "," + std::to_string(g.padding_left) + ", dilation " +
           std::to_string(g.dilation_height) + "x" + std::to_string(g.dilation_width) + ", blocks of " +
           std::to_string(rows_per_block) + " rows, " + std::to_string(columns_at_once) + " columns at once" +
           (residual ? ", residual" : "") + (relu ? ", ReLU" : "") + (pairs ? ", images in pairs" : "");
  }
};

std::int64_t outputs_along(std::int64_t size, std::int64_t padding, std::int64_t kernel, std::int64_t dilation,
                           std::int64_t stride) {
  return (size + 2 * padding - (kernel - 1) * dilation - 1) / stride + 1;
}

Case random_case(std::mt19937& random) {
  Case c{};
  ConvolutionGeometry& g = c.geometry;
  c.images = pick(random, 0, 7) > 0 ? pick(random, 1, 3) : pick(random, 4, 6);
  // One or several slices of the depth.
  g.channels = TileSizes::chunk * (coin(random) ? pick(random, 1, 4) : pick(random, 5, 40));
  const bool pointwise = coin(random);
  g.kernel_height = pointwise ? 1 : pick(random, 1, 3);
  g.kernel_width = pointwise ? 1 : pick(random, 1, 3);
  g.stride_height = coin(random) ? 1 : 2;
  const bool plain = coin(random);  // as planes can be
  g.stride_width = pointwise || plain ? g.stride_height : pick(random, 1, 2);
  g.dilation_height = plain ? 1 : pick(random, 1, 2);
  g.dilation_width = plain ? 1 : pick(random, 1, 2);
  g.padding_top = pointwise ? 0 : pick(random, 0, 2);
  g.padding_left = pointwise ? 0 : pick(random, 0, 2);
  g.height = pick(random, 5, 9);
  g.width = pick(random, 5, 12);
  g.output_height = outputs_along(g.height, g.padding_top, g.kernel_height, g.dilation_height, g.stride_height);
  g.output_width = outputs_along(g.width, g.padding_left, g.kernel_width, g.dilation_width, g.stride_width);
  c.outputs = coin(random) ? 64 * pick(random, 1, 5) : pick(random, 1, 200);
  c.rows_per_block =
      static_cast<int>(pick(random, 1, coin(random) ? TileSizes::most_rows : TileSizes::most_rows_alone));
  c.columns_at_once = static_cast<int>(2 * pick(random, 1, 4));
  c.residual = coin(random);
  c.relu = coin(random);
  c.pairs = coin(random);
  return c;
}

struct Values {
  std::vector<float> input, weights, bias, residual;  // weights [outputs][channels][taps]
};

std::vector<float> random_floats(std::mt19937& random, std::int64_t count, float most) {
  std::uniform_real_distribution<float> distribution(-most, most);
  std::vector<float> values(size(count));
  for (float& value : values) value = distribution(random);
  return values;
}

Values random_values(const Case& c, std::mt19937& random) {
  const ConvolutionGeometry& g = c.geometry;
  return {random_floats(random, c.images * g.height * g.width * g.channels, 2),
          random_floats(random, c.outputs * c.depth(), 1), random_floats(random, c.outputs, 1),
          random_floats(random, c.pixels() * c.outputs, 1)};
}

// Factors as the kernels read them: gathered into panels, or an image in planes.
struct Factors {
  std::unique_ptr<GuardedBuffer> memory;
  std::vector<std::int64_t> taps;
  TileFactors factors;
  std::int64_t blocks, steps;
};

// So many bf16, all NaN: sanitizers do not see what instructions for tiles read and write, guards do.
std::unique_ptr<GuardedBuffer> guarded(std::int64_t values, std::mt19937& random) {
  return std::make_unique<GuardedBuffer>((values + 1) / 2, random);
}
Bfloat16* values_of(GuardedBuffer& buffer) { return reinterpret_cast<Bfloat16*>(buffer.data()); }

Factors in_panels(const TileKernels& tiles, const Case& c, const Values& values, std::mt19937& random) {
  const std::int64_t room = c.rows_per_block, depth = c.depth(), blocks = (c.pixels() + room - 1) / room;
  Factors f{guarded(blocks * room * depth * TileSizes::parts, random), {}, {}, blocks, depth / TileSizes::chunk};
  for (std::int64_t block = 0; block < blocks; ++block)
    tiles.gather_pixels(values.input.data(), c.geometry, block * room,
                        static_cast<int>(std::min(room, c.pixels() - block * room)), 0, c.geometry.channels,
                        c.rows_per_block, values_of(*f.memory) + block * room * depth * TileSizes::parts);
  f.factors = panels_of(values_of(*f.memory), c.pixels(), c.rows_per_block, f.steps);
  return f;
}

// Blocks of one image each, or of two.
void cut_into_blocks(Factors& f, const Case& c) {
  f.blocks = c.images * f.factors.blocks_of_image();
  if (!c.pairs || !go_in_pairs(f.factors, c.images)) return;
  f.factors = in_pairs(f.factors, c.images);
  f.blocks = (c.images + 1) / 2;
}

Factors in_planes(const TileKernels& tiles, const Case& c, const Values& values, std::mt19937& random) {
  const ConvolutionGeometry& g = c.geometry;
  const TilePlanes planes(g);
  const std::int64_t images = images_with_room(planes_of(planes, g, nullptr, nullptr, 1), c.images);
  Factors f{guarded(planes.size(images), random), {}, {}, 0, planes.chunks * planes.taps};
  for (std::int64_t image = 0; image < c.images; ++image)
    for (std::int64_t line = 0; line < planes.lines; ++line)
      for (std::int64_t phase = 0; phase < planes.stride; ++phase)
        tiles.split_line(values.input.data() + image * g.height * g.width * g.channels, g, planes, phase, line,
                         values_of(*f.memory) + image * planes.image_stride());
  for (std::int64_t ky = 0; ky < g.kernel_height; ++ky)
    for (std::int64_t kx = 0; kx < g.kernel_width; ++kx) f.taps.push_back(planes.tap(ky, kx));
  f.factors = planes_of(planes, g, values_of(*f.memory), f.taps.data(), c.rows_per_block);
  cut_into_blocks(f, c);
  return f;
}

// By Winograd's algorithm along lines.
Factors in_lines(const TileKernels& tiles, const Case& c, const Values& values, std::mt19937& random) {
  const ConvolutionGeometry& g = c.geometry;
  const TileLines lines(g);
  const std::int64_t images = images_with_room(lines_of(lines, g, nullptr, nullptr, 1), c.images);
  Factors f{guarded(lines.size(images), random), {}, {}, 0, lines.chunks * LineSizes::taps};
  for (std::int64_t image = 0; image < c.images; ++image)
    for (std::int64_t line = 0; line < lines.lines; ++line)
      tiles.transform_line(values.input.data() + image * g.height * g.width * g.channels, g, line,
                           values_of(*f.memory) + image * lines.image_stride());
  for (std::int64_t ky = 0; ky < LineSizes::taps; ++ky) f.taps.push_back(ky * lines.cells * TileSizes::chunk);
  f.factors = lines_of(lines, g, values_of(*f.memory), f.taps.data(), c.rows_per_block);
  cut_into_blocks(f, c);
  return f;
}

// The weights of one block of output channels, by steps and packed.
std::vector<float> packed_weights(const KernelTable& table, const Case& c, const Values& values, const Factors& f,
                                  std::int64_t first) {
  const ConvolutionGeometry& g = c.geometry;
  const std::int64_t width = c.columns_at_once * TileSizes::column, steps = f.steps * f.factors.positions;
  std::vector<float> by_step(size(steps * TileSizes::chunk * width)), packed(by_step);
  if (f.factors.positions > 1) {
    std::vector<float> block(size(width * c.depth()));
    std::copy_n(values.weights.data() + first * c.depth(), std::min(width, c.outputs - first) * c.depth(),
                block.data());
    table.tiles.transform_line_weights(block.data(), g.channels, width, by_step.data());
  } else {
    const std::int64_t taps = g.kernel_height * g.kernel_width;
    std::vector<float> by_tap(by_step);
    table.convolution.pack_weights(values.weights.data(), g.channels, g.kernel_height * g.kernel_width, c.outputs,
                                   first, width, c.depth(), by_tap.data());
    for (std::int64_t step = 0; step < f.steps; ++step)
      std::copy_n(by_tap.data() + (step % taps * g.channels + step / taps * TileSizes::chunk) * width,
                  TileSizes::chunk * width, by_step.data() + step * TileSizes::chunk * width);
  }
  table.tiles.pack_weights(by_step.data(), f.factors.positions, f.steps, c.columns_at_once, packed.data());
  return packed;
}

// All outputs; what the kernel must not touch beside them stays NaN, and is checked.
std::vector<float> run(const KernelTable& table, const Case& c, const Values& values, const Factors& f,
                       std::mt19937& random) {
  const ConvolutionGeometry& g = c.geometry;
  const TileKernels& tiles = table.tiles;
  const bool planes = f.factors.image_stride != 0;
  const std::int64_t stride = c.outputs + 3, width = c.columns_at_once * TileSizes::column;
  GuardedBuffer output(c.pixels() * stride, random), residual(c.pixels() * stride, random);
  for (std::int64_t p = 0; p < c.pixels(); ++p)
    std::copy_n(values.residual.data() + p * c.outputs, c.outputs, residual.data() + p * stride);
  // In planes and lines, blocks in two calls: which are first is told by number.
  const std::int64_t half = (f.blocks + 1) / 2;
  const std::int64_t once = !planes ? f.blocks : c.blocks_at_once > 0 ? c.blocks_at_once : half;
  const std::int64_t rows = once * f.factors.rows_per_block * f.factors.positions;
  GuardedBuffer scratch(TileSizes::scratch_floats(rows, f.factors.positions), random);
  residual.freeze();
  f.memory->freeze();
  tiles.configure(f.factors.rows_per_block);
  for (std::int64_t first = 0; first < c.outputs; first += width) {
    const std::vector<float> weights = packed_weights(table, c, values, f, first);
    GuardedBuffer packed(static_cast<std::int64_t>(weights.size()), random), bias(width, random);
    std::copy(weights.begin(), weights.end(), packed.data());
    std::fill_n(bias.data(), width, 0.0f);
    const std::int64_t channels = std::min(width, c.outputs - first);
    std::copy_n(values.bias.data() + first, channels, bias.data());
    const ProductTarget target{
        output.data() + first, c.residual ? residual.data() + first : nullptr, bias.data(), stride, channels, c.relu};
    for (std::int64_t block = 0; block < f.blocks; block += once)
      (f.factors.positions > 1 ? tiles.convolve_lines : tiles.convolve)(
          f.factors, {block, std::min(once, f.blocks - block)}, {packed.data(), f.steps},
          g.output_height * g.output_width, target, scratch.data());
  }
  tiles.release();
  CHECK((output.margins_untouched() && scratch.margins_untouched()));
  std::vector<float> result(size(c.pixels() * c.outputs));
  for (std::int64_t p = 0; p < c.pixels(); ++p) {
    std::copy_n(output.data() + p * stride, c.outputs, result.data() + p * c.outputs);
    for (std::int64_t k = c.outputs; k < stride; ++k) CHECK(GuardedBuffer::untouched(output.data()[p * stride + k]));
  }
  return result;
}

struct Sum {
  double value, magnitude;  // of all products and what is added, and of their absolute values
};

Sum exact(const Case& c, const Values& values, std::int64_t pixel, std::int64_t k) {
  const ConvolutionGeometry& g = c.geometry;
  const std::int64_t x = pixel % g.output_width, y = pixel / g.output_width % g.output_height;
  const std::int64_t image = pixel / g.output_width / g.output_height;
  Sum sum{values.bias[size(k)], std::abs(values.bias[size(k)])};
  const auto add = [&](double value) {
    sum.value += value;
    sum.magnitude += std::abs(value);
  };
  for (std::int64_t ky = 0; ky < g.kernel_height; ++ky)
    for (std::int64_t kx = 0; kx < g.kernel_width; ++kx) {
      const std::int64_t iy = y * g.stride_height - g.padding_top + ky * g.dilation_height;
      const std::int64_t ix = x * g.stride_width - g.padding_left + kx * g.dilation_width;
      const bool inside = iy >= 0 && iy < g.height && ix >= 0 && ix < g.width;
      for (std::int64_t ch = 0; ch < g.channels; ++ch) {
        const float pixel_value =
            inside ? values.input[size(((image * g.height + iy) * g.width + ix) * g.channels + ch)] : 0;
        // Padding is multiplied too: zero times NaN.
        add(static_cast<double>(pixel_value) *
            static_cast<double>(
                values.weights[size(((k * g.channels + ch) * g.kernel_height + ky) * g.kernel_width + kx)]));
      }
    }
  if (c.residual) add(values.residual[size(pixel * c.outputs + k)]);
  if (c.relu) sum.value = std::max(sum.value, 0.0);
  return sum;
}

// The largest error of any output, of the sum of its magnitudes; infinite where an output is no number, as one that was
// not written.
double worst_error(const Case& c, const Values& values, const std::vector<float>& outputs) {
  double worst = 0;
  for (std::int64_t p = 0; p < c.pixels(); ++p)
    for (std::int64_t k = 0; k < c.outputs; ++k) {
      const Sum sum = exact(c, values, p, k);
      const double error = std::abs(static_cast<double>(outputs[size(p * c.outputs + k)]) - sum.value);
      if (std::isnan(error)) return std::numeric_limits<double>::infinity();
      if (error > 0) worst = std::max(worst, error / sum.magnitude);
    }
  return worst;
}

Factors factors_of(const TileKernels& tiles, const Case& c, const Values& values, std::mt19937& random) {
  const ConvolutionGeometry& g = c.geometry;
  const bool planes = g.stride_height == g.stride_width && g.dilation_height == 1 && g.dilation_width == 1;
  return planes ? in_planes(tiles, c, values, random) : in_panels(tiles, c, values, random);
}

// Sums in double take most of a test's time, and many times as long under sanitizers, which do not see what
// instructions for tiles read and write.
constexpr unsigned seeds_of(unsigned seeds) { return residua::tests::sanitized ? seeds / 2 : seeds; }

bool has_tiles(const KernelTable& table) { return table.tiles.convolve != nullptr; }

// 3x3 with stride 1 and a depth of one or several slices.
Case as_lines_take_it(Case c, std::mt19937& random) {
  ConvolutionGeometry& g = c.geometry;
  g.channels = TileSizes::chunk * (coin(random) ? pick(random, 1, 4) : pick(random, 5, 16));
  g.kernel_height = g.kernel_width = LineSizes::taps;
  g.stride_height = g.stride_width = g.dilation_height = g.dilation_width = 1;
  g.output_height = outputs_along(g.height, g.padding_top, LineSizes::taps, 1, 1);
  g.output_width = outputs_along(g.width, g.padding_left, LineSizes::taps, 1, 1);
  return c;
}

}  // namespace

TEST_CASE("products on tiles are as exact as those of floats, for every geometry and blocking") {
  for_each_seed(seeds_of(200), [](const KernelTable& table, std::mt19937& random) {
    if (!has_tiles(table)) return;
    const Case c = random_case(random);
    INFO(c.text());
    const Values values = random_values(c, random);
    const std::vector<float> outputs = run(table, c, values, factors_of(table.tiles, c, values, random), random);
    // Each sum of floats rounds to 2^-24 of what it is at that point: 6 additions of a chunk's products, twice as many
    // inside the instruction; what is left out of products is below 2^-22 of each.
    const std::int64_t additions = c.depth() / TileSizes::chunk * 6 + 34;
    const double bound = std::ldexp(1.0, -22) + std::ldexp(static_cast<double>(additions), -24);
    const double worst = worst_error(c, values, outputs);
    CHECK(worst < bound);
    // Products of random numbers come nowhere near the bound: a part that is missing would.
    CHECK(worst < std::ldexp(1.0, -22));
  });
}

TEST_CASE("by Winograd's algorithm along lines on tiles: every size, padding and blocking") {
  for_each_seed(seeds_of(120), [](const KernelTable& table, std::mt19937& random) {
    if (!has_tiles(table)) return;
    const Case c = as_lines_take_it(random_case(random), random);
    INFO(c.text());
    const Values values = random_values(c, random);
    const std::vector<float> outputs = run(table, c, values, in_lines(table.tiles, c, values, random), random);
    const double worst = worst_error(c, values, outputs);
    // In one dimension, with these points, F(4, 3) loses hardly more than direct products do.
    CHECK(worst < std::ldexp(1.0, -21));
  });
}

TEST_CASE("on tiles NaN comes out where it went in and nowhere else, infinities as infinity or NaN") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for_each_seed(seeds_of(60), [](const KernelTable& table, std::mt19937& random) {
    if (!has_tiles(table)) return;
    const Case c = random_case(random);
    INFO(c.text());
    Values values = random_values(c, random);
    const float quiet_low_bits = std::bit_cast<float>(std::uint32_t{0x7F800001});  // a NaN whose upper half is infinity
    const float special = std::array{nan, quiet_low_bits, infinity, -infinity}[size(pick(random, 0, 3))];
    for (std::int64_t n = pick(random, 1, 3); n > 0; --n)
      values.input[size(pick(random, 0, static_cast<std::int64_t>(values.input.size()) - 1))] = special;
    if (coin(random)) values.weights[size(pick(random, 0, static_cast<std::int64_t>(values.weights.size()) - 1))] = nan;
    const std::vector<float> outputs = run(table, c, values, factors_of(table.tiles, c, values, random), random);
    bool right = true;
    for (std::int64_t p = 0; p < c.pixels(); ++p)
      for (std::int64_t k = 0; k < c.outputs; ++k) {
        const float found = outputs[size(p * c.outputs + k)];
        const Sum sum = exact(c, values, p, k);
        // std::max(NaN, 0) is NaN here, as ReLU has it; a sum of -infinity is 0 with ReLU.
        right &= std::isnan(sum.value)          ? std::isnan(found)
                 : std::isfinite(sum.magnitude) ? std::isfinite(found)
                                                : !std::isfinite(found);
      }
    CHECK(right);
  });
}

TEST_CASE("on tiles the largest and the smallest numbers are numbers") {
  for_each_seed(20, [](const KernelTable& table, std::mt19937& random) {
    if (!has_tiles(table)) return;
    Case c = random_case(random);
    c.residual = c.relu = false;
    INFO(c.text());
    Values values = random_values(c, random);
    const bool large = coin(random);
    const float scale = large ? std::numeric_limits<float>::max() / 2 : std::numeric_limits<float>::min() * 16;
    for (float& value : values.input) value *= scale;
    // Powers of two: as many bits of the products as there are of the inputs.
    for (float& value : values.weights) value = std::ldexp(value < 0 ? -1.0f : 1.0f, large ? -30 : 3);
    for (float& value : values.bias) value = 0;
    const std::vector<float> outputs = run(table, c, values, factors_of(table.tiles, c, values, random), random);
    const double worst = worst_error(c, values, outputs);
    // The middle and low parts of the smallest numbers are denormal: zero.
    CHECK(worst < std::ldexp(1.0, large ? -22 : -6));
  });
}

TEST_CASE("on tiles outputs are the same bits in any blocks, and by panels as by planes") {
  for_each_seed(40, [](const KernelTable& table, std::mt19937& random) {
    if (!has_tiles(table)) return;
    Case c = random_case(random);
    ConvolutionGeometry& g = c.geometry;
    g.stride_width = g.stride_height;
    g.dilation_height = g.dilation_width = 1;
    g.output_height = outputs_along(g.height, g.padding_top, g.kernel_height, 1, g.stride_height);
    g.output_width = outputs_along(g.width, g.padding_left, g.kernel_width, 1, g.stride_width);
    INFO(c.text());
    const Values values = random_values(c, random);
    const std::vector<float> expected = run(table, c, values, in_planes(table.tiles, c, values, random), random);
    for (const int rows : {1, 16, 17, 32, 33, 64}) {
      CAPTURE(rows);
      c.rows_per_block = rows;
      c.columns_at_once = static_cast<int>(2 * pick(random, 1, 4));
      c.pairs = coin(random);
      CHECK(run(table, c, values, in_panels(table.tiles, c, values, random), random) == expected);
      CHECK(run(table, c, values, in_planes(table.tiles, c, values, random), random) == expected);
    }
  });
}

TEST_CASE("along lines on tiles outputs are the same bits in any blocks, and NaN reaches its cell alone") {
  for_each_seed(40, [](const KernelTable& table, std::mt19937& random) {
    if (!has_tiles(table)) return;
    Case c = as_lines_take_it(random_case(random), random);
    INFO(c.text());
    Values values = random_values(c, random);
    const auto run_lines = [&] { return run(table, c, values, in_lines(table.tiles, c, values, random), random); };
    const std::vector<float> expected = run_lines();
    for (const int rows : {1, 16, 17, 32, 33, 64}) {
      CAPTURE(rows);
      c.rows_per_block = rows;
      c.columns_at_once = static_cast<int>(2 * pick(random, 1, 4));
      c.pairs = coin(random);
      CHECK(run_lines() == expected);
    }
    const ConvolutionGeometry& g = c.geometry;
    const std::int64_t image = pick(random, 0, c.images - 1), y = pick(random, 0, g.height - 1);
    const std::int64_t x = pick(random, 0, g.width - 1), channel = pick(random, 0, g.channels - 1);
    values.input[size(((image * g.height + y) * g.width + x) * g.channels + channel)] =
        std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> found = run_lines();
    bool right = true;
    for (std::int64_t p = 0; p < c.pixels(); ++p) {
      const std::int64_t px = p % g.output_width, py = p / g.output_width % g.output_height;
      const std::int64_t down = y + g.padding_top - py, first = px / LineSizes::tile * LineSizes::tile;
      const bool in_line = p / g.output_width / g.output_height == image && down >= 0 && down < LineSizes::taps;
      const std::int64_t across = x + g.padding_left - px, in_cell = x + g.padding_left - first;
      const bool reads = in_line && across >= 0 && across < LineSizes::taps;
      const bool near = in_line && in_cell >= 0 && in_cell < LineSizes::positions;
      for (std::int64_t k = 0; k < c.outputs; ++k) {
        const std::size_t at = size(p * c.outputs + k);
        right &= (!reads || std::isnan(found[at])) && (near || found[at] == expected[at]);
      }
    }
    CHECK(right);
  });
}

TEST_CASE(
    "along lines on tiles outputs are the same bits whether sums of all columns wait together, of some or of one") {
  for_each_seed(2, [](const KernelTable& table, std::mt19937& random) {
    if (!has_tiles(table)) return;
    Case c = as_lines_take_it(random_case(random), random);
    ConvolutionGeometry& g = c.geometry;
    g.channels = TileSizes::chunk;
    g.height = 24;
    g.width = 12;
    g.padding_top = g.padding_left = 1;
    g.output_height = g.height;
    g.output_width = g.width;
    c.images = 12;
    c.outputs = 250;
    c.columns_at_once = 8;
    c.rows_per_block = TileSizes::most_rows;
    const std::int64_t row_sums = LineSizes::positions * 2 * TileSizes::column;  // of a pair of columns
    const std::int64_t rows_of_one = TileSizes::waiting_sums(LineSizes::positions) / row_sums;
    const Values values = random_values(c, random);
    std::vector<float> expected;
    for (const std::int64_t rows : {rows_of_one / 8, rows_of_one / 2, rows_of_one + TileSizes::most_rows}) {
      CAPTURE(rows);
      c.blocks_at_once = rows / TileSizes::most_rows;
      const std::vector<float> found = run(table, c, values, in_lines(table.tiles, c, values, random), random);
      if (expected.empty()) expected = found;
      CHECK(found == expected);
    }
  });
}

TEST_CASE("planes: the row of an output and a tap is the pixel under the tap, or padding") {
  for (const unsigned seed : seeds(300)) {
    std::mt19937 random(seed);
    Case c = random_case(random);
    ConvolutionGeometry& g = c.geometry;
    g.stride_width = g.stride_height;
    g.dilation_height = g.dilation_width = 1;
    g.output_height = outputs_along(g.height, g.padding_top, g.kernel_height, 1, g.stride_height);
    // Padding at the right-hand side may differ.
    g.output_width = outputs_along(g.width, g.padding_left, g.kernel_width, 1, g.stride_width) + (coin(random) ? 1 : 0);
    INFO(c.text());
    const TilePlanes planes(g);
    const TileFactors factors = planes_of(planes, g, nullptr, nullptr, 1);
    const auto inside = [](std::int64_t at, std::int64_t end) { return at >= 0 && at < end; };
    bool right = factors.rows == (g.output_height - 1) * planes.pitch + g.output_width;
    for (std::int64_t y = 0; y < g.output_height; ++y)
      for (std::int64_t x = 0; x < g.output_width; ++x)
        for (std::int64_t ky = 0; ky < g.kernel_height; ++ky)
          for (std::int64_t kx = 0; kx < g.kernel_width; ++kx) {
            const std::int64_t cell = planes.tap(ky, kx) / TileSizes::chunk + y * planes.pitch + x;
            const std::int64_t phase = cell / planes.cells(), at = cell % planes.cells();
            right &= phase < planes.stride * planes.stride;
            const std::int64_t line = std::min(at / planes.pitch, planes.lines - 1), column = at - line * planes.pitch;
            const std::int64_t iy = line * planes.stride + phase / planes.stride - g.padding_top;
            const std::int64_t ix = column * planes.stride + phase % planes.stride - g.padding_left;
            const std::int64_t wanted_y = y * planes.stride + ky - g.padding_top;
            const std::int64_t wanted_x = x * planes.stride + kx - g.padding_left;
            const bool pixel = inside(wanted_y, g.height) && inside(wanted_x, g.width);
            right &= pixel ? iy == wanted_y && ix == wanted_x : !inside(iy, g.height) || !inside(ix, g.width);
          }
    CHECK(right);
  }
}
