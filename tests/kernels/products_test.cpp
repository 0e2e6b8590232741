// The matrix products of every tier against plain loops in double.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/products/products_layer.h"
#include "tests/kernels/fills.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/random_case.h"

namespace {

using namespace residua::kernels;

// One panel and one block of weights, packed and guarded.
struct Case {
  std::int64_t depth, chunks, channels, stride;
  int rows, vectors, lanes;
  bool residual, in_place, relu;
  Fill fill, weight_fill;
  std::vector<float> factors, weights;  // [rows][depth], [channels][depth]

  std::string text() const {
    std::ostringstream out;
    out << "depth " << depth << ", rows " << rows << ", vectors " << vectors << ", channels " << channels << ", stride "
        << stride << ", residual " << residual << ", in place " << in_place << ", relu " << relu << ", factors "
        << name_of(fill) << ", weights " << name_of(weight_fill);
    return out.str();
  }
};

Case random_case(const ProductKernels& kernels, std::mt19937& random) {
  Case c{};
  c.depth = pick_channels(random, coin(random) ? 40 : 600);
  c.lanes = kernels.lanes;
  c.chunks = (c.depth + c.lanes - 1) / c.lanes;
  c.rows = static_cast<int>(pick(random, 1, kernels.rows));
  c.vectors = static_cast<int>(pick(random, 1, kernels.vectors));
  const std::int64_t width = c.vectors * c.lanes;
  c.channels = coin(random) ? width : pick(random, 1, width);
  c.stride = c.channels + (coin(random) ? 0 : pick(random, 1, 40));
  c.residual = coin(random);
  c.in_place = coin(random);
  c.relu = coin(random);
  c.fill = all_fills[pick(random, 0, 7)];
  c.weight_fill = c.fill == Fill::mixed ? Fill::mixed : coin(random) ? Fill::uniform : Fill::positive;
  c.factors.resize(size(c.rows * c.depth));
  c.weights.resize(size(c.channels * c.depth));
  fill_with(c.fill, c.factors, random);
  fill_with(c.weight_fill, c.weights, random);
  return c;
}

void pack(const Case& c, GuardedBuffer& panel, GuardedBuffer& weights) {
  pack_panel(c.factors.data(), c.depth, c.depth, c.rows, c.lanes, panel.data());
  pack_product_weights(c.weights.data(), c.depth, c.channels, 0, c.vectors * c.lanes, c.lanes, weights.data());
  panel.freeze();
  weights.freeze();
}

// Calls run(chunk, count) for slices of the depth that follow each other.
template <class Run>
void in_random_slices(std::int64_t chunks, std::mt19937& random, const Run& run) {
  for (std::int64_t chunk = 0, count = 0; chunk < chunks; chunk += count) {
    count = pick(random, 1, chunks - chunk);
    run(chunk, count);
  }
}

// What the kernel was given beside panel and weights, and what it made of it.
struct Result {
  std::vector<float> bias, residual, output;  // the latter two with `stride`
  bool margins_untouched;
};

Result run_convolve(const Case& c, const ProductKernels& kernels, std::mt19937& random) {
  GuardedBuffer panel(c.chunks * c.rows * c.lanes, random), weights(c.chunks * c.lanes * c.vectors * c.lanes, random),
      bias(c.vectors * c.lanes, random), output((c.rows - 1) * c.stride + c.channels, random),
      residual((c.rows - 1) * c.stride + c.channels, random);
  pack(c, panel, weights);
  std::fill(bias.values().begin(), bias.values().end(), 0.0f);
  fill_with(c.fill, bias.values().first(size(c.channels)), random);
  for (std::int64_t r = 0; r < c.rows; ++r)
    fill_with(c.fill, residual.values().subspan(size(r * c.stride), size(c.channels)), random);
  Result result{
      {bias.values().begin(), bias.values().end()}, {residual.values().begin(), residual.values().end()}, {}, false};
  if (c.residual && c.in_place) std::copy(result.residual.begin(), result.residual.end(), output.values().begin());
  bias.freeze();
  residual.freeze();
  const float* added = !c.residual ? nullptr : c.in_place ? output.data() : residual.data();
  kernels.convolve({panel.data(), weights.data(), c.chunks}, c.rows, c.vectors,
                   {output.data(), added, bias.data(), c.stride, c.channels, c.relu});
  result.output.assign(output.values().begin(), output.values().end());
  result.margins_untouched = output.margins_untouched();
  for (std::int64_t r = 0; r + 1 < c.rows; ++r)
    for (std::int64_t k = c.channels; k < c.stride; ++k)
      result.margins_untouched &= GuardedBuffer::untouched(result.output[size(r * c.stride + k)]);
  return result;
}

struct Expected {
  double value, scale;  // scale: the sum of the absolute values of all that was added
};
Expected expected(const Case& c, const Result& result, std::int64_t r, std::int64_t k) {
  double sum = result.bias[size(k)], scale = std::abs(sum);
  const auto add = [&](double term) {
    sum += term;
    scale += std::abs(term);
  };
  if (c.residual) add(result.residual[size(r * c.stride + k)]);
  for (std::int64_t d = 0; d < c.depth; ++d)
    add(double{c.factors[size(r * c.depth + d)]} * c.weights[size(k * c.depth + d)]);
  return {c.relu && sum < 0 ? 0 : sum, scale};
}

// Every operation rounds by half an epsilon of a partial sum, and no partial sum is larger than the scale: one rounding
// a product and one an addition where they are not fused, then bias and residual. Nothing can be worse.
double bound(const Case& c, double scale) {
  return (static_cast<double>(c.depth) + 3) * (epsilon / 2 * scale * 1.001 + smallest_step);
}

}  // namespace

TEST_CASE("products: convolve adds, activates and stores what it should") {
  for (const KernelTable& table : tables_of_this_cpu()) {
    const std::string tier(name_of(table.instruction_set));
    CAPTURE(tier);
    for (unsigned seed : seeds(400)) {
      std::mt19937 random(seed);
      const Case c = random_case(table.products, random);
      INFO(c.text());
      INFO(repeat_command(seed));
      const Result result = run_convolve(c, table.products, random);
      CHECK(result.margins_untouched);
      double worst = 0;  // in units of the bound
      for (std::int64_t r = 0; r < c.rows; ++r)
        for (std::int64_t k = 0; k < c.channels; ++k) {
          const Expected e = expected(c, result, r, k);
          const double error = std::abs(result.output[size(r * c.stride + k)] - e.value) / bound(c, e.scale);
          worst = error <= worst ? worst : error;  // a NaN stays
        }
      CHECK(worst <= 1);
    }
  }
}

TEST_CASE("products: a sum has the same bits in any blocking") {
  for (const KernelTable& table : tables_of_this_cpu()) {
    const std::string tier(name_of(table.instruction_set));
    CAPTURE(tier);
    const ProductKernels& kernels = table.products;
    for (unsigned seed : seeds(100)) {
      std::mt19937 random(seed);
      Case c = random_case(kernels, random);
      INFO(c.text());
      INFO(repeat_command(seed));
      const std::int64_t width = c.vectors * c.lanes;
      GuardedBuffer panel(c.chunks * c.rows * c.lanes, random), weights(c.chunks * c.lanes * width, random),
          together(c.rows * width, random);
      pack(c, panel, weights);
      kernels.multiply({panel.data(), weights.data(), c.chunks}, c.rows, c.vectors, together.data());
      CHECK(together.margins_untouched());
      bool equal = true;
      for (std::int64_t r = 0; r < c.rows; ++r)
        for (std::int64_t v = 0; v < c.vectors; ++v) {
          GuardedBuffer one_row(c.chunks * c.lanes, random), one_vector(c.chunks * c.lanes * c.lanes, random),
              alone(c.lanes, random);
          pack_panel(c.factors.data() + r * c.depth, c.depth, c.depth, 1, c.lanes, one_row.data());
          pack_product_weights(c.weights.data(), c.depth, c.channels, v * c.lanes, c.lanes, c.lanes, one_vector.data());
          kernels.multiply({one_row.data(), one_vector.data(), c.chunks}, 1, 1, alone.data());
          equal &= alone.margins_untouched();
          equal &= std::memcmp(alone.data(), together.data() + (r * c.vectors + v) * c.lanes,
                               size(c.lanes) * sizeof(float)) == 0;
        }
      CHECK(equal);

      // In slices of the depth, each asking for the weights of the next.
      GuardedBuffer sliced(c.rows * width, random);
      in_random_slices(c.chunks, random, [&](std::int64_t chunk, std::int64_t count) {
        const float* const from = weights.data() + chunk * c.lanes * width;
        kernels.multiply(
            {panel.data() + chunk * c.rows * c.lanes, from, count, chunk > 0, {from + count * c.lanes * width, 16}},
            c.rows, c.vectors, sliced.data());
      });
      CHECK(sliced.margins_untouched());
      equal &= std::memcmp(sliced.data(), together.data(), size(c.rows * width) * sizeof(float)) == 0;
      CHECK(equal);

      // convolve() with nothing to add, which also ends in code of its own for a part of the channels.
      c.relu = c.residual = false;
      GuardedBuffer bias(width, random), output(c.rows * c.stride, random);
      std::fill(bias.values().begin(), bias.values().end(), -0.0f);
      const UpcomingWeights upcoming{coin(random) ? weights.data() : nullptr, pick(random, 1, 16)};
      kernels.convolve({panel.data(), weights.data(), c.chunks, false, upcoming}, c.rows, c.vectors,
                       {output.data(), nullptr, bias.data(), c.stride, c.channels, false});
      for (std::int64_t r = 0; r < c.rows; ++r)
        equal &= std::memcmp(output.data() + r * c.stride, together.data() + r * width,
                             size(c.channels) * sizeof(float)) == 0;
      CHECK(equal);
    }
  }
}

TEST_CASE("products: weights kept as terms give the bits of the weights that they make") {
  for_each_seed(100, [](const KernelTable& table, std::mt19937& random) {
    const ProductKernels& kernels = table.products;
    const Case c = random_case(kernels, random);
    // Powers of two, whose products are exact: fused or not, a weight has the same bits.
    constexpr float factors[] = {1, -1, 0.5f, -2, 4};
    const auto any_term = [&] { return static_cast<std::uint8_t>(pick(random, 0, ProductTerms::terms - 1)); };
    const ProductTerms how{any_term(), any_term(), factors[pick(random, 0, 4)]};
    INFO(c.text());
    INFO("term ", int{how.first}, " + ", how.factor, " * term ", int{how.second});
    const std::int64_t width = c.vectors * c.lanes, depth = c.chunks * c.lanes, step = ProductTerms::terms * width;
    GuardedBuffer panel(c.rows * depth, random), terms(depth * step, random), weights(depth * width, random),
        made(c.rows * width, random), given(c.rows * width, random);
    pack_panel(c.factors.data(), c.depth, c.depth, c.rows, c.lanes, panel.data());
    fill_with(c.weight_fill, terms.values(), random);
    for (std::int64_t d = 0; d < depth; ++d)
      for (std::int64_t k = 0; k < width; ++k)
        weights.data()[d * width + k] = how.factor * terms.data()[d * step + how.second * width + k] +
                                        terms.data()[d * step + how.first * width + k];
    panel.freeze();
    terms.freeze();
    weights.freeze();
    kernels.multiply({panel.data(), weights.data(), c.chunks}, c.rows, c.vectors, given.data());
    in_random_slices(c.chunks, random, [&](std::int64_t chunk, std::int64_t count) {
      const float* const from = terms.data() + chunk * c.lanes * step;
      const UpcomingWeights upcoming{coin(random) ? from + count * c.lanes * step : nullptr, pick(random, 1, 16)};
      kernels.multiply_terms({panel.data() + chunk * c.rows * c.lanes, from, count, chunk > 0, upcoming}, how, c.rows,
                             c.vectors, made.data());
    });
    CHECK(made.margins_untouched());
    CHECK(std::memcmp(made.data(), given.data(), size(c.rows * width) * sizeof(float)) == 0);
  });
}

TEST_CASE("products: the terms of the depths of a request are six cache lines") {
  for (const KernelTable& table : tables_of_this_cpu()) {
    const ProductKernels& kernels = table.products;
    CHECK(kernels.lanes % kernels.depths_a_request == 0);
    CHECK(kernels.depths_a_request * ProductTerms::terms * kernels.vectors * kernels.lanes == 6 * 16);
  }
}

TEST_CASE("products: NaN and infinity come out where they went in and nowhere else") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (const KernelTable& table : tables_of_this_cpu()) {
    const std::string tier(name_of(table.instruction_set));
    CAPTURE(tier);
    for (unsigned seed : seeds(200)) {
      std::mt19937 random(seed);
      Case c = random_case(table.products, random);
      c.fill = c.weight_fill = Fill::positive;
      fill_with(c.fill, c.factors, random);
      fill_with(c.weight_fill, c.weights, random);
      const float special = seed % 3 == 0 ? nan : seed % 3 == 1 ? infinity : -infinity;
      for (std::int64_t n = pick(random, 0, 2); n > 0; --n)
        c.factors[size(pick(random, 0, c.rows * c.depth - 1))] = special;
      for (std::int64_t n = pick(random, 0, 2); n > 0; --n)
        c.weights[size(pick(random, 0, c.channels * c.depth - 1))] = special;
      INFO(c.text());
      INFO(repeat_command(seed));
      const Result result = run_convolve(c, table.products, random);
      CHECK(result.margins_untouched);
      bool right = true;
      for (std::int64_t r = 0; r < c.rows; ++r)
        for (std::int64_t k = 0; k < c.channels; ++k) {
          const float found = result.output[size(r * c.stride + k)];
          const Expected e = expected(c, result, r, k);
          right &= std::isnan(e.value)      ? std::isnan(found)
                   : std::isfinite(e.scale) ? std::abs(found - e.value) <= bound(c, e.scale)
                                            : static_cast<double>(found) == e.value;
        }
      CHECK(right);
    }
  }
}

TEST_CASE("products: NaN in bias and residual passes the activation") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  for (const KernelTable& table : tables_of_this_cpu()) {
    const std::string tier(name_of(table.instruction_set));
    CAPTURE(tier);
    const int lanes = table.products.lanes;
    for (const std::int64_t channels : {1, lanes, 2 * lanes - 1, 2 * lanes})
      for (const bool in_residual : {false, true}) {
        CAPTURE(channels);
        CAPTURE(in_residual);
        const auto count = size(2 * lanes);
        const std::vector<float> panel(size(lanes)), weights(size(lanes) * count);
        std::vector<float> bias(count, -1.0f), residual(count, -1.0f), output(count);
        (in_residual ? residual : bias)[0] = nan;
        table.products.convolve({panel.data(), weights.data(), 1}, 1, 2,
                                {output.data(), residual.data(), bias.data(), channels, channels, true});
        CHECK(std::isnan(output[0]));
        for (std::size_t k = 1; k < size(channels); ++k) CHECK(output[k] == 0);
      }
  }
}

TEST_CASE("products: a pointwise layer") {
  for (const KernelTable& table : tables_of_this_cpu()) {
    const std::string tier(name_of(table.instruction_set));
    CAPTURE(tier);
    for (unsigned seed : seeds(40)) {
      std::mt19937 random(seed);
      const PointwiseLayer layer{.products = table.products,
                                 .height = pick(random, 1, 9),
                                 .width = pick(random, 1, 9),
                                 .channels = pick_channels(random, 70),
                                 .output_channels = pick_channels(random, 70),
                                 .stride = pick(random, 1, 2)};
      INFO(layer.height, " x ", layer.width, ", channels ", layer.channels, " to ", layer.output_channels, ", stride ",
           layer.stride);
      INFO(repeat_command(seed));
      const PointwiseSizes sizes = sizes_of(layer);
      const std::int64_t outputs = layer.output_height() * layer.output_width();
      GuardedBuffer input(layer.height * layer.width * layer.channels, random), packed(sizes.packed, random),
          panels(sizes.panels, random), bias(sizes.bias, random), output(outputs * layer.output_channels, random);
      std::vector<float> weights(size(layer.channels * layer.output_channels));
      fill_with(Fill::uniform, weights, random);
      fill_with(Fill::uniform, input.values(), random);
      std::fill(bias.values().begin(), bias.values().end(), 0.0f);
      fill_with(Fill::uniform, bias.values().first(size(layer.output_channels)), random);
      pack_pointwise_weights(layer, weights.data(), packed.data());
      input.freeze();
      run_pointwise_layer(layer, input.data(), packed.data(), bias.data(), panels.data(), output.data());
      CHECK((packed.margins_untouched() && panels.margins_untouched() && output.margins_untouched()));
      double worst = 0;
      for (std::int64_t p = 0; p < outputs; ++p)
        for (std::int64_t k = 0; k < layer.output_channels; ++k) {
          const std::int64_t y = p / layer.output_width(), x = p % layer.output_width();
          const float* pixel = input.data() + (y * layer.width + x) * layer.stride * layer.channels;
          double sum = bias.values()[size(k)];
          for (std::int64_t c = 0; c < layer.channels; ++c)
            sum += double{pixel[c]} * weights[size(k * layer.channels + c)];
          const double error = std::abs(output.values()[size(p * layer.output_channels + k)] - std::max(sum, 0.0));
          worst = error <= worst ? worst : error;
        }
      CHECK(worst < 1e-4);
    }
  }
}
