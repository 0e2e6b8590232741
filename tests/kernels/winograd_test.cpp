// The Winograd kernels of every tier, transform to transform, against convolution in double.
#include "kernels/winograd/winograd.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/random_case.h"
#include "tests/kernels/winograd_bounds.h"
#include "tests/kernels/winograd_case.h"

namespace {

using namespace residua::kernels;

// The largest error in units of its bound; NaN if an output is NaN. `counts(n)` says which outputs do.
template <class Counts>
double worst_error(const WinogradCase& c, int tile, const std::vector<float>& output, const std::vector<double>& exact,
                   const Counts& counts) {
  const std::vector<double> scales = winograd_error_scales(c.reference(), tile);
  const WinogradBound bound(c, tile);
  double worst = 0;
  for (std::size_t n = 0; n < output.size(); ++n)
    if (counts(n)) {
      const double error = std::abs(output[n] - exact[n]) / bound(scales[n]);
      worst = error <= worst ? worst : error;  // a NaN stays
    }
  return worst;
}

double worst_error(const WinogradCase& c, int tile, const std::vector<float>& output,
                   const std::vector<double>& exact) {
  return worst_error(c, tile, output, exact, [](std::size_t) { return true; });
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

bool is_in(const WinogradTile& tile, std::int64_t image, std::int64_t y, std::int64_t x) {
  return image == tile.image && y >= tile.y && y < tile.y + tile.height && x >= tile.x && x < tile.x + tile.width;
}

}  // namespace

TEST_CASE("Winograd: tiles cover every output once, and blocks know who needs a position") {
  for (unsigned seed : seeds(100)) {
    std::mt19937 random(seed);
    const WinogradCase c = random_winograd_case(random, 100'000);
    const WinogradGeometry g = c.geometry();
    for (const WinogradKernelSet& kernels : winograd_kernel_sets(c.stride)) {
      const WinogradScheme& scheme = kernels.winograd.scheme;
      const WinogradTiling tiling = make_winograd_tiling(scheme, g);
      CAPTURE(kernels.name);
      INFO(c.text());
      INFO(repeat_command(seed));
      std::vector<int> covered(size(g.images * g.output_height * g.output_width));
      std::int64_t products = 0;
      bool right = true;
      for (std::int64_t first = 0; first < tiling.tiles();) {
        const int rows =
            static_cast<int>(std::min(pick(random, 1, std::int64_t{WinogradBlock::most_rows}), tiling.tiles() - first));
        const WinogradBlock block = block_of_tiles(tiling, first, rows);
        first += rows;
        right &= block.rows == rows;
        for (int r = 0; r < rows; ++r) {
          const WinogradTile& tile = block.tiles[r];
          for (std::int64_t y = tile.y; y < tile.y + tile.height; ++y)
            for (std::int64_t x = tile.x; x < tile.x + tile.width; ++x)
              ++covered.at(size((tile.image * g.output_height + y) * g.output_width + x));
          for (int p = 0; p < scheme.positions; ++p) {
            const bool needs = (scheme.needed[tile.height - 1] >> scheme.at[p].row & 1) != 0 &&
                               (scheme.needed[tile.width - 1] >> scheme.at[p].column & 1) != 0;
            const auto [from, count] = block.rows_of[p];
            right &= (r >= from && r < from + count) == needs;
            products += needs ? 1 : 0;
          }
        }
      }
      CHECK(right);
      CHECK(std::all_of(covered.begin(), covered.end(), [](int times) { return times == 1; }));
      CHECK(products == count_products(tiling));
    }
  }
}

TEST_CASE("Winograd: random layers in random blockings") {
  for (unsigned seed : seeds(80)) {
    std::mt19937 random(seed);
    const WinogradCase c = random_winograd_case(random, 1'000'000);
    const std::vector<double> exact = convolve_directly(c.reference());
    for (const WinogradKernelSet& kernels : winograd_kernel_sets(c.stride)) {
      const WinogradBlocking blocking = random_blocking(kernels, random);
      CAPTURE(kernels.name);
      INFO(c.text());
      INFO(text_of(blocking));
      INFO(repeat_command(seed));
      const auto output = run_guarded(c, kernels, blocking, random);
      REQUIRE(output.has_value());
      CHECK(worst_error(c, kernels.winograd.scheme.tile, *output, exact) <= 1);

      const WinogradBlocking singly{.rows = 1, .vectors = 1, .panels = 1, .gap = 0};
      const WinogradBlocking most{
          .rows = kernels.products.rows, .vectors = kernels.products.vectors, .panels = 2, .gap = 0};
      const auto one_by_one = run_guarded(c, kernels, singly, random);
      const auto all_at_once = run_guarded(c, kernels, most, random);
      REQUIRE(one_by_one.has_value());
      REQUIRE(all_at_once.has_value());
      CHECK(same_bits(*output, *one_by_one));
      CHECK(same_bits(*output, *all_at_once));
    }
  }
}

TEST_CASE("Winograd: an image has the same bits alone and among others") {
  for (unsigned seed : seeds(30)) {
    std::mt19937 random(seed);
    WinogradCase c = random_winograd_case(random, 300'000);
    c.images = 3;
    fill_tensors(c, coin(random), random);
    for (const WinogradKernelSet& kernels : winograd_kernel_sets(c.stride)) {
      CAPTURE(kernels.name);
      INFO(c.text());
      INFO(repeat_command(seed));
      const auto together = run_guarded(c, kernels, random_blocking(kernels, random), random);
      REQUIRE(together.has_value());
      for (std::size_t image = 0; image < 3; ++image) {
        WinogradCase one = c;
        one.images = 1;
        const auto part = [image](const std::vector<float>& of) {
          const auto count = static_cast<std::ptrdiff_t>(of.size() / 3), at = static_cast<std::ptrdiff_t>(image);
          return std::vector<float>(of.begin() + at * count, of.begin() + (at + 1) * count);
        };
        one.input = part(c.input);
        one.residual = part(c.residual);
        const auto alone = run_guarded(one, kernels, random_blocking(kernels, random), random);
        REQUIRE(alone.has_value());
        CHECK(same_bits(*alone, part(*together)));
      }
    }
  }
}

// A NaN makes every output NaN whose window covers it, and may spoil the other outputs of the tiles that lie over it;
// so may an infinity, which a transform subtracts from itself. No other output feels either.
TEST_CASE("Winograd: NaN and infinity stay in their tiles") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (unsigned seed : seeds(150)) {
    std::mt19937 random(seed);
    WinogradCase c = random_winograd_case(random, 300'000);
    c.fill = Fill::uniform;
    c.weight_fill = Fill::uniform;
    fill_tensors(c, !c.residual.empty(), random);
    const float special = seed % 3 == 0 ? nan : seed % 3 == 1 ? infinity : -infinity;
    const std::size_t pixels = size(c.images * c.height * c.width);
    std::vector<bool> spoilt(pixels);
    for (std::int64_t n = pick(random, 1, 2); n > 0; --n) {
      const std::size_t pixel = size(pick(random, 0, static_cast<std::int64_t>(pixels) - 1));
      spoilt[pixel] = true;
      c.input[pixel * size(c.channels) + size(pick(random, 0, c.channels - 1))] = special;
    }
    const std::vector<double> exact = convolve_directly(c.reference());
    // Whether a spoilt pixel lies under outputs [y, y + side) x [x, x + side).
    const auto covers = [&](std::int64_t image, std::int64_t y, std::int64_t x, std::int64_t side) {
      const std::int64_t span = (side - 1) * c.stride + c.taps, top = y * c.stride - c.padding.top,
                         left = x * c.stride - c.padding.left;
      for (std::int64_t i = top; i < top + span; ++i)
        for (std::int64_t j = left; j < left + span; ++j)
          if (i >= 0 && i < c.height && j >= 0 && j < c.width && spoilt[size((image * c.height + i) * c.width + j)])
            return true;
      return false;
    };
    for (const WinogradKernelSet& kernels : winograd_kernel_sets(c.stride)) {
      const WinogradBlocking blocking = random_blocking(kernels, random);
      CAPTURE(kernels.name);
      CAPTURE(special);
      INFO(c.text());
      INFO(text_of(blocking));
      INFO(repeat_command(seed));
      const auto output = run_guarded(c, kernels, blocking, random);
      REQUIRE(output.has_value());
      const int tile = kernels.winograd.scheme.tile;
      const WinogradGeometry g = c.geometry();
      std::vector<bool> sound(output->size());
      bool right = true;
      for (std::size_t n = 0; n < output->size(); ++n) {
        const auto at = static_cast<std::int64_t>(n) / g.output_channels;
        const std::int64_t image = at / (g.output_height * g.output_width), y = at / g.output_width % g.output_height,
                           x = at % g.output_width;
        const float found = (*output)[n];
        if (covers(image, y, x, 1))
          right &= std::isnan(special) ? std::isnan(found) : !std::isfinite(found) || (c.relu && found == 0);
        sound[n] = !covers(image, y / tile * tile, x / tile * tile, tile);
      }
      CHECK(right);
      CHECK(worst_error(c, tile, *output, exact, [&](std::size_t n) { return sound[n]; }) <= 1);
    }
  }
}

TEST_CASE("Winograd: NaN in weights, bias and residual reaches its own outputs alone") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  for (unsigned seed : seeds(60)) {
    std::mt19937 random(seed);
    WinogradCase c = random_winograd_case(random, 300'000);
    c.fill = Fill::uniform;
    c.weight_fill = Fill::uniform;
    fill_tensors(c, true, random);
    const std::size_t channel = size(pick(random, 0, c.output_channels - 1)),
                      alone = size(pick(random, 0, static_cast<std::int64_t>(c.residual.size()) - 1));
    const bool in_weights = coin(random);
    (in_weights ? c.weights[channel * size(c.channels * c.taps * c.taps)] : c.bias[channel]) = nan;
    c.residual[alone] = nan;
    const std::vector<double> exact = convolve_directly(c.reference());
    for (const WinogradKernelSet& kernels : winograd_kernel_sets(c.stride)) {
      CAPTURE(kernels.name);
      CAPTURE(in_weights);
      INFO(c.text());
      INFO(repeat_command(seed));
      const auto output = run_guarded(c, kernels, random_blocking(kernels, random), random);
      REQUIRE(output.has_value());
      const auto spoilt = [&](std::size_t n) { return n == alone || n % size(c.output_channels) == channel; };
      bool all_nan = true;
      for (std::size_t n = 0; n < output->size(); ++n) all_nan &= !spoilt(n) || std::isnan((*output)[n]);
      CHECK(all_nan);
      CHECK(worst_error(c, kernels.winograd.scheme.tile, *output, exact, [&](std::size_t n) { return !spoilt(n); }) <=
            1);
    }
  }
}

// Few tiles are cut by channels, for several threads.
TEST_CASE("Winograd: inputs transformed in pieces of the depth are those transformed at once") {
  for (unsigned seed : seeds(60)) {
    std::mt19937 random(seed);
    const WinogradCase c = random_winograd_case(random, 100'000);
    const WinogradGeometry g = c.geometry();
    for (const WinogradKernelSet& kernels : winograd_kernel_sets(c.stride)) {
      const WinogradTiling tiling = make_winograd_tiling(kernels.winograd.scheme, g);
      const std::int64_t tiles = tiling.tiles(), lanes = kernels.products.lanes;
      const int rows = static_cast<int>(pick(random, 1, std::min<std::int64_t>(WinogradBlock::most_rows, tiles)));
      const WinogradBlock block = block_of_tiles(tiling, pick(random, 0, tiles - rows), rows);
      const std::int64_t first_channel = pick(random, 0, g.channels - 1),
                         channels = pick(random, 1, g.channels - first_channel);
      const std::int64_t chunks = (channels + lanes - 1) / lanes, stride = rows * chunks * lanes;
      CAPTURE(kernels.name);
      INFO(c.text());
      INFO("rows ", rows, ", channels from ", first_channel, ": ", channels);
      INFO(repeat_command(seed));
      GuardedBuffer whole(tiling.scheme.positions * stride, random), pieces(tiling.scheme.positions * stride, random);
      kernels.winograd.transform_input(c.input.data(), g, block, first_channel, channels, {whole.data(), stride, 0});
      for (std::int64_t chunk = 0; chunk < chunks;) {
        const std::int64_t end = pick(random, chunk + 1, chunks), first = chunk * lanes;
        kernels.winograd.transform_input(c.input.data(), g, block, first_channel + first,
                                         std::min(end * lanes, channels) - first, {pieces.data(), stride, chunk});
        chunk = end;
      }
      CHECK(pieces.margins_untouched());
      CHECK(std::memcmp(whole.data(), pieces.data(), whole.values().size_bytes()) == 0);
    }
  }
}

// What the layer's loops can't show: one call writes the outputs of its own tiles and channels and no others.
TEST_CASE("Winograd: transform_output writes its own outputs only") {
  for (unsigned seed : seeds(100)) {
    std::mt19937 random(seed);
    const WinogradCase c = random_winograd_case(random, 100'000);
    for (const WinogradKernelSet& kernels : winograd_kernel_sets(c.stride)) {
      const WinogradGeometry g = c.geometry();
      const WinogradTiling tiling = make_winograd_tiling(kernels.winograd.scheme, g);
      const std::int64_t tiles = tiling.tiles(), lanes = kernels.products.lanes;
      const int rows = static_cast<int>(pick(random, 1, std::min<std::int64_t>(kernels.products.rows, tiles)));
      const int vectors = static_cast<int>(pick(random, 1, kernels.products.vectors));
      const std::int64_t first_tile = pick(random, 0, tiles - rows), width = vectors * lanes;
      const std::int64_t first_channel = pick(random, 0, (g.output_channels - 1) / width) * width;
      CAPTURE(kernels.name);
      INFO(c.text());
      INFO("tiles from ", first_tile, ", rows ", rows, ", channels from ", first_channel, ", vectors ", vectors);
      INFO(repeat_command(seed));
      const std::int64_t outputs = c.images * g.output_height * g.output_width * g.output_channels;
      GuardedBuffer sums(kernels.winograd.scheme.positions * rows * width, random), output(outputs, random);
      std::fill(sums.values().begin(), sums.values().end(), 1.0f);
      sums.freeze();
      const std::vector<float> bias(size(g.output_channels + width));
      const WinogradBlock block = block_of_tiles(tiling, first_tile, rows);
      kernels.winograd.transform_output(sums.data(), rows * width, g, block, first_channel, vectors,
                                        {output.data(), nullptr, bias.data(), false});
      CHECK(output.margins_untouched());
      bool right = true;
      for (std::int64_t n = 0; n < outputs; ++n) {
        const std::int64_t k = n % g.output_channels, at = n / g.output_channels;
        const std::int64_t image = at / (g.output_height * g.output_width), y = at / g.output_width % g.output_height,
                           x = at % g.output_width;
        bool own = false;
        for (int r = 0; r < rows; ++r) own |= is_in(block.tiles[r], image, y, x);
        own &= k >= first_channel && k < first_channel + width;
        right &= GuardedBuffer::untouched(output.values()[size(n)]) != own;
      }
      CHECK(right);
    }
  }
}

// Whatever rows need a position, in slices of the depth, and whether or not upcoming terms are asked for.
TEST_CASE("Winograd: weights as terms give the bits of the weights that they make") {
  for (unsigned seed : seeds(60)) {
    std::mt19937 random(seed);
    for (const WinogradKernelSet& kernels : winograd_kernel_sets(1)) {
      const WinogradScheme& scheme = kernels.winograd.scheme;
      if (scheme.kept != WinogradWeights::terms) continue;
      constexpr int count = ProductTerms::terms;
      const std::int64_t lanes = kernels.products.lanes, chunks = pick(random, 1, 5), depth = chunks * lanes;
      const int rows = static_cast<int>(pick(random, 1, WinogradBlock::most_rows));
      const std::int64_t panel_stride = rows * depth, sum_row = pick(random, 1, 2) * lanes, sum_stride = rows * sum_row;
      WinogradRowOfPositions row{.row = static_cast<int>(pick(random, 0, scheme.points() - 1)),
                                 .rows = {},
                                 .panels = nullptr,
                                 .panel_stride = panel_stride,
                                 .sums = nullptr,
                                 .sum_stride = sum_stride,
                                 .sum_row = sum_row};
      const auto any_rows = [&] {
        const int first = static_cast<int>(pick(random, 0, rows));
        return WinogradBlock::Rows{first, static_cast<int>(pick(random, 0, rows - first))};
      };
      // Those of all points but infinity are often the same.
      const bool same = coin(random);
      const WinogradBlock::Rows common = any_rows();
      for (int column = 0; column < scheme.points(); ++column)
        row.rows[column] = same && column + 1 < scheme.points() ? common : any_rows();
      CAPTURE(kernels.name);
      INFO("chunks ", chunks, ", rows ", rows, ", of the points but infinity the same ", same);
      INFO(repeat_command(seed));

      GuardedBuffer terms(depth * count * count * lanes, random), panels(scheme.positions * panel_stride, random),
          sums(scheme.positions * sum_stride, random);
      fill_with(Fill::uniform, terms.values(), random);
      fill_with(Fill::uniform, panels.values(), random);
      terms.freeze();
      panels.freeze();
      row.panels = panels.data();
      row.sums = sums.data();
      WinogradUpcoming upcoming{terms.data(), coin(random) ? terms.data() + terms.values().size() : terms.data()};
      for (std::int64_t chunk = 0; chunk < chunks;) {
        const std::int64_t slice = pick(random, 1, chunks - chunk);
        kernels.winograd.multiply_row(row, {terms.data() + chunk * lanes * count * count * lanes, chunk, slice},
                                      upcoming);
        chunk += slice;
      }
      CHECK(sums.margins_untouched());

      bool equal = true;
      std::vector<bool> written(sums.values().size());
      for (int p = 0; p < scheme.positions; ++p) {
        const WinogradPosition& at = scheme.at[p];
        if (at.row != row.row) continue;
        // Factors are powers of two, whose products are exact: fused or not, a weight has the same bits.
        const ProductTerms &line = scheme.terms[at.row], &weight = scheme.terms[at.column];
        std::vector<float> weights(size(depth * lanes)), factors(size(depth)), expected(size(lanes));
        for (std::int64_t n = 0; n < depth * lanes; ++n) {
          const float* const kept = terms.data() + n / lanes * count * count * lanes + n % lanes;
          const auto term = [&](int column) {
            return line.factor * kept[(line.second * count + column) * lanes] +
                   kept[(line.first * count + column) * lanes];
          };
          weights[size(n)] = weight.factor * term(weight.second) + term(weight.first);
        }
        const auto [first, needing] = row.rows[at.column];
        for (int r = 0; r < needing; ++r) {
          for (std::int64_t d = 0; d < depth; ++d)
            factors[size(d)] = panels.data()[p * panel_stride + (d / lanes * needing + r) * lanes + d % lanes];
          kernels.products.multiply({factors.data(), weights.data(), chunks}, 1, 1, expected.data());
          const std::int64_t n = p * sum_stride + (first + r) * sum_row;
          equal &= std::memcmp(expected.data(), sums.data() + n, size(lanes) * sizeof(float)) == 0;
          std::fill_n(written.begin() + n, lanes, true);
        }
      }
      CHECK(equal);
      bool others_untouched = true;
      for (std::size_t n = 0; n < written.size(); ++n)
        others_untouched &= written[n] || GuardedBuffer::untouched(sums.values()[n]);
      CHECK(others_untouched);
    }
  }
}
