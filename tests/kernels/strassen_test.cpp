// The kernels around Strassen's products of every tier, gathering to combining, against a convolution in double.
#include "kernels/strassen/strassen_layer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>
#include <vector>

#include "kernels/table.h"
#include "tests/kernels/fills.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/random_case.h"

namespace {

using namespace residua::kernels;

struct Case {
  PairGeometry geometry;
  std::int64_t images, blocks, half;  // blocks of 2 * half output channels
  bool relu, in_place;
  std::vector<float> input, weights, bias, residual;  // an empty residual: none

  std::int64_t outputs() const { return blocks * 2 * half; }
  std::int64_t pixels() const { return geometry.output_height * geometry.output_width; }
  std::string text() const {
    std::ostringstream out;
    out << "images " << images << ", " << geometry.height << " x " << geometry.width << ", stride "
        << geometry.stride_height << " x " << geometry.stride_width << ", channels " << geometry.channels
        << ", output channels " << outputs() << ", relu " << relu << ", residual " << !residual.empty() << ", in place "
        << in_place;
    return out.str();
  }
};

void fill(Case& c, Fill kind, bool with_residual, std::mt19937& random) {
  c.input.resize(size(c.images * c.geometry.height * c.geometry.width * c.geometry.channels));
  c.weights.resize(size(c.outputs() * c.geometry.channels));
  c.bias.resize(size(c.outputs()));
  c.residual.resize(with_residual ? size(c.images * c.pixels() * c.outputs()) : 0);
  for (std::vector<float>* values : {&c.input, &c.bias, &c.residual}) fill_with(kind, *values, random);
  fill_with(kind == Fill::mixed ? kind : Fill::uniform, c.weights, random);
}

Case random_case(const KernelTable& table, std::mt19937& random) {
  Case c{};
  const std::int64_t height = pick(random, 1, 9), width = pick(random, 1, 9),
                     channels = pick(random, 1, 4) * 2 * table.products.lanes;
  c.geometry = make_pair_geometry(height, width, channels, pick(random, 1, 2), pick(random, 1, 2));
  c.images = pick(random, 1, 3);
  c.half = pick(random, 1, table.products.vectors) * table.products.lanes;
  c.blocks = pick(random, 1, 2);
  c.relu = coin(random);
  c.in_place = coin(random);
  fill(c, all_fills[pick(random, 0, 7)], coin(random), random);
  return c;
}

const float* pixel_of(const Case& c, std::int64_t image, std::int64_t pixel) {
  const PairGeometry& g = c.geometry;
  const std::int64_t y = pixel / g.output_width * g.stride_height, x = pixel % g.output_width * g.stride_width;
  return c.input.data() + ((image * g.height + y) * g.width + x) * g.channels;
}

// Each output, and what its rounding errors are in proportion to: the sums of a pair's pixels and of two output
// channels' weights, channel by channel.
struct Expected {
  std::vector<double> values, scales;
};

Expected convolve(const Case& c) {
  Expected expected;
  const std::int64_t depth = c.geometry.channels, half_depth = depth / 2;
  for (std::int64_t image = 0; image < c.images; ++image)
    for (std::int64_t pixel = 0; pixel < c.pixels(); ++pixel)
      for (std::int64_t k = 0; k < c.outputs(); ++k) {
        const std::int64_t other_pixel = pixel ^ 1, other_k = k / c.half % 2 == 0 ? k + c.half : k - c.half;
        const float* own = pixel_of(c, image, pixel);
        const float* partner = other_pixel < c.pixels() ? pixel_of(c, image, other_pixel) : nullptr;
        const auto weight = [&](std::int64_t channel, std::int64_t d) {
          return double{c.weights[size(channel * depth + d)]};
        };
        double sum = 0, scale = 0;
        for (std::int64_t d = 0; d < depth; ++d) sum += double{own[d]} * weight(k, d);
        for (std::int64_t d = 0; d < half_depth; ++d) {
          double pixels = 0, weights = 0;
          for (const std::int64_t at : {d, d + half_depth}) {
            pixels += std::abs(double{own[at]}) + (partner ? std::abs(double{partner[at]}) : 0);
            weights += std::abs(weight(k, at)) + std::abs(weight(other_k, at));
          }
          scale += pixels * weights;
        }
        const std::size_t at = expected.values.size();
        const double added = double{c.bias[size(k)]} + (c.residual.empty() ? 0 : double{c.residual[at]});
        scale += std::abs(double{c.bias[size(k)]}) + (c.residual.empty() ? 0 : std::abs(double{c.residual[at]}));
        sum += added;
        expected.values.push_back(c.relu && sum < 0 ? 0 : sum);
        expected.scales.push_back(scale);
      }
  return expected;
}

// Panels of `rows` pairs, some together; every buffer guarded.
std::vector<float> run(const Case& c, const KernelTable& table, int rows, std::int64_t panels_together,
                       std::mt19937& random) {
  const StrassenLayer layer{table.products, table.strassen, c.geometry,
                            c.images,       c.outputs(),    static_cast<int>(c.half) / table.products.lanes,
                            rows,           panels_together};
  const StrassenSizes sizes = sizes_of(layer);
  GuardedBuffer input(static_cast<std::int64_t>(c.input.size()), random), packed(sizes.packed, random),
      panels(sizes.panels, random), sums(sizes.sums, random), bias(c.outputs(), random),
      residual(static_cast<std::int64_t>(c.residual.size()), random),
      output(c.images * c.pixels() * c.outputs(), random);
  std::copy(c.input.begin(), c.input.end(), input.data());
  std::copy(c.bias.begin(), c.bias.end(), bias.data());
  const bool in_place = c.in_place && !c.residual.empty();
  std::copy(c.residual.begin(), c.residual.end(), in_place ? output.data() : residual.data());
  pack_strassen_weights(layer, c.weights.data(), packed.data());
  for (GuardedBuffer* buffer : {&input, &packed, &bias, &residual}) buffer->freeze();
  const float* added = c.residual.empty() ? nullptr : in_place ? output.data() : residual.data();
  run_strassen_layer(layer, input.data(), packed.data(), panels.data(), sums.data(),
                     {output.data(), added, bias.data(), c.outputs(), c.relu});
  for (GuardedBuffer* buffer : {&packed, &panels, &sums, &output}) CHECK(buffer->margins_untouched());
  return {output.values().begin(), output.values().end()};
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("Strassen: random layers, the same bits in any blocking") {
  // Errors measured on these cases and 20 000 more seeds: at most 0.9 epsilons of the scale, and what products lose
  // that underflow.
  constexpr double most_epsilons = 4;
  for (const KernelTable& table : tables_of_this_cpu())
    for (unsigned seed : seeds(120)) {
      std::mt19937 random(seed);
      const Case c = random_case(table, random);
      INFO(std::string(name_of(table.instruction_set)), ", ", c.text());
      INFO(repeat_command(seed));
      const Expected expected = convolve(c);
      const std::vector<float> output =
          run(c, table, static_cast<int>(pick(random, 1, table.products.rows)), pick(random, 1, 3), random);
      REQUIRE(output.size() == expected.values.size());
      double worst = 0;
      for (std::size_t n = 0; n < output.size(); ++n) {
        const double bound =
            epsilon * expected.scales[n] + 64 * smallest_step * static_cast<double>(c.geometry.channels);
        const double error = std::abs(output[n] - expected.values[n]) / bound;
        worst = error <= worst ? worst : error;  // a NaN stays
      }
      CHECK(worst <= most_epsilons);
      CHECK(same_bits(output, run(c, table, 1, 1, random)));
      CHECK(same_bits(output, run(c, table, table.products.rows, 2, random)));
    }
}

TEST_CASE("Strassen: NaN and infinity reach their pair and nothing else") {
  for (const KernelTable& table : tables_of_this_cpu())
    for (unsigned seed : seeds(60)) {
      std::mt19937 random(seed);
      Case c = random_case(table, random);
      fill(c, Fill::uniform, !c.residual.empty(), random);
      INFO(std::string(name_of(table.instruction_set)), ", ", c.text());
      INFO(repeat_command(seed));
      const std::vector<float> before = run(c, table, table.products.rows, 2, random);
      const float special =
          seed % 2 == 0 ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
      const std::int64_t image = pick(random, 0, c.images - 1), pixel = pick(random, 0, c.pixels() - 1);
      const std::ptrdiff_t at = pixel_of(c, image, pixel) - c.input.data();
      c.input[static_cast<std::size_t>(at + pick(random, 0, c.geometry.channels - 1))] = special;
      const std::vector<float> after = run(c, table, table.products.rows, 2, random);
      bool own_is_special = true, others_are_equal = true;
      for (std::size_t n = 0; n < after.size(); ++n) {
        const std::int64_t its_pixel = static_cast<std::int64_t>(n) / c.outputs();
        if (its_pixel == image * c.pixels() + pixel)
          own_is_special &= !std::isfinite(after[n]) || (!std::isnan(special) && c.relu && after[n] == 0);
        else if (its_pixel / c.pixels() != image || its_pixel % c.pixels() / 2 != pixel / 2)
          others_are_equal &= std::memcmp(&after[n], &before[n], sizeof(float)) == 0;
      }
      CHECK(own_is_special);
      CHECK(others_are_equal);
    }
}
