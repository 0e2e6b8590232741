// Gathering of pixels and packing of weights, of every tier, against their definitions.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "kernels/table.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/random_case.h"

namespace {

using namespace residua::kernels;

float factor(const std::vector<float>& images, const ConvolutionGeometry& g, std::int64_t pixel, std::int64_t tap,
             std::int64_t channel) {
  const std::int64_t image = pixel / (g.output_height * g.output_width),
                     at = pixel % (g.output_height * g.output_width);
  const std::int64_t y =
      at / g.output_width * g.stride_height - g.padding_top + tap / g.kernel_width * g.dilation_height;
  const std::int64_t x =
      at % g.output_width * g.stride_width - g.padding_left + tap % g.kernel_width * g.dilation_width;
  if (y < 0 || y >= g.height || x < 0 || x >= g.width) return 0;
  return images[static_cast<std::size_t>(((image * g.height + y) * g.width + x) * g.channels + channel)];
}

}  // namespace

TEST_CASE("pixels are gathered as defined, whatever the shape, and nothing beside them is touched") {
  for (const KernelTable& table : tables_of_this_cpu()) {
    const std::int64_t lanes = table.products.lanes;
    for (const unsigned seed : seeds(300)) {
      std::mt19937 random(seed);
      ConvolutionGeometry g{};
      g.height = pick(random, 1, 12);
      g.width = pick(random, 1, 12);
      g.channels = coin(random) ? pick(random, 1, 5) : pick(random, 1, 4) * 16;
      g.kernel_height = pick(random, 1, 7);
      g.kernel_width = pick(random, 1, 7);
      g.stride_height = pick(random, 1, 3);
      g.stride_width = pick(random, 1, 3);
      g.dilation_height = pick(random, 1, 2);
      g.dilation_width = pick(random, 1, 2);
      g.padding_top = pick(random, 0, 3);
      g.padding_left = pick(random, 0, 3);
      g.output_height = pick(random, 1, 5);
      g.output_width = pick(random, 1, 5);
      const std::int64_t images = pick(random, 1, 3), pixels = images * g.output_height * g.output_width;
      const auto rows = static_cast<int>(std::min(pick(random, 1, table.products.rows), pixels));
      const std::int64_t first_pixel = pick(random, 0, pixels - rows);
      const std::int64_t first_channel = coin(random) ? 0 : pick(random, 0, g.channels - 1);
      const std::int64_t channels =
          coin(random) ? g.channels - first_channel : pick(random, 1, g.channels - first_channel);
      std::vector<float> values(static_cast<std::size_t>(images * g.height * g.width * g.channels));
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i + 1);
      const std::int64_t taps = g.kernel_height * g.kernel_width, depth = taps * channels;
      const std::int64_t chunks = (depth + lanes - 1) / lanes;
      GuardedBuffer input(static_cast<std::int64_t>(values.size()), random), panel(chunks * lanes * rows, random);
      std::copy(values.begin(), values.end(), input.data());
      table.convolution.gather_pixels(input.data(), g, first_pixel, rows, first_channel, channels, panel.data());
      INFO(repeat_command(seed));
      CAPTURE(lanes);
      for (int r = 0; r < rows; ++r)
        for (std::int64_t d = 0; d < chunks * lanes; ++d) {
          const float expected =
              d < depth ? factor(values, g, first_pixel + r, d / channels, first_channel + d % channels) : 0.0f;
          REQUIRE(panel.data()[(d / lanes * rows + r) * lanes + d % lanes] == expected);
        }
    }
  }
}

TEST_CASE("weights are packed tap by tap, with zeros for channels that do not exist") {
  const KernelTable table = make_kernel_table(detect_cpu());
  const std::int64_t channels = 5, taps = 9, outputs = 21, width = 16, depth = 48;
  std::vector<float> weights(static_cast<std::size_t>(outputs * channels * taps));
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i + 1);
  std::mt19937 random(1);
  GuardedBuffer packed(depth * width, random);
  for (const std::int64_t first : {std::int64_t{0}, width}) {
    table.convolution.pack_weights(weights.data(), channels, taps, outputs, first, width, depth, packed.data());
    for (std::int64_t d = 0; d < depth; ++d)
      for (std::int64_t k = 0; k < width; ++k) {
        const bool exists = d < taps * channels && first + k < outputs;
        const auto at = static_cast<std::size_t>(((first + k) * channels + d % channels) * taps + d / channels);
        CHECK(packed.data()[d * width + k] == (exists ? weights[at] : 0.0f));
      }
  }
}
