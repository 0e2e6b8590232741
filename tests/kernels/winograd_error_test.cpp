// How large errors get: on random data, where direct convolution is measured beside, and on data searched for the
// worst. The numbers in docs/decisions/winograd.md are what this prints with RESIDUA_KERNEL_REPORT=1.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/products/products_layer.h"
#include "tests/kernels/random_case.h"
#include "tests/kernels/winograd_bounds.h"
#include "tests/kernels/winograd_case.h"
#include "tests/sanitized.h"

namespace {

using namespace residua::kernels;

// Errors in epsilons, relative to the scale of each output.
struct Errors {
  double worst = 0, squares = 0, count = 0;

  void add(const std::vector<float>& output, const std::vector<double>& exact, const std::vector<double>& scales) {
    for (std::size_t n = 0; n < output.size(); ++n) {
      const double error = std::abs(output[n] - exact[n]) / (epsilon * scales[n]);
      worst = error <= worst ? worst : error;  // a NaN stays
      squares += error * error;
      ++count;
    }
  }
  double root_mean_square() const { return count > 0 ? std::sqrt(squares / count) : 0; }
};

// One image without bias, residual and ReLU: only what the sums themselves lose.
WinogradCase bare_case(int stride, std::int64_t side, std::int64_t channels, std::int64_t padding, Fill fill,
                       Fill weight_fill) {
  WinogradCase c{};
  c.images = 1;
  c.stride = stride;
  c.height = c.width = side;
  c.channels = channels;
  c.output_channels = 8;
  c.padding = {padding, padding, padding, padding};
  c.fill = fill;
  c.weight_fill = weight_fill;
  return c;
}

void refill(WinogradCase& c, std::mt19937& random) {
  fill_tensors(c, false, random);
  std::fill(c.bias.begin(), c.bias.end(), 0.0f);
}

// The sum of |input * weight| over the window of each output.
std::vector<double> window_scales(WinogradCase c) {
  for (std::vector<float>* values : {&c.input, &c.weights})
    for (float& value : *values) value = std::abs(value);
  return convolve_directly(c.reference());
}

std::vector<float> run(const WinogradCase& c, const WinogradKernelSet& kernels, std::mt19937& random) {
  const WinogradBlocking blocking = usual_winograd_blocking(kernels.products, kernels.winograd, c.geometry());
  return run_guarded(c, kernels, blocking, random).value();
}

// Direct convolution on the same products: a panel row is an output's window.
std::vector<float> run_direct(const WinogradCase& c, const ProductKernels& kernels) {
  const WinogradGeometry g = c.geometry();
  const std::int64_t window_size = c.taps * c.taps, depth = window_size * c.channels,
                     chunks = (depth + kernels.lanes - 1) / kernels.lanes;
  std::vector<float> weights(size(c.output_channels * depth));  // [output_channels][3][3][channels]
  for (std::int64_t k = 0; k < c.output_channels; ++k)
    for (std::int64_t channel = 0; channel < c.channels; ++channel)
      for (std::int64_t i = 0; i < window_size; ++i)
        weights[size(k * depth + i * c.channels + channel)] =
            c.weights[size((k * c.channels + channel) * window_size + i)];
  const std::int64_t width = kernels.vectors * kernels.lanes;
  std::vector<float> packed(size(chunks * kernels.lanes * width)), window(size(depth)),
      panel(size(chunks * kernels.lanes)), sums(size(width)), output;
  REQUIRE(c.output_channels <= width);
  pack_product_weights(weights.data(), depth, c.output_channels, 0, width, kernels.lanes, packed.data());
  for (std::int64_t y = 0; y < g.output_height; ++y)
    for (std::int64_t x = 0; x < g.output_width; ++x) {
      std::fill(window.begin(), window.end(), 0.0f);
      for (std::int64_t i = 0; i < window_size; ++i) {
        const std::int64_t row = y * c.stride + i / c.taps - c.padding.top,
                           column = x * c.stride + i % c.taps - c.padding.left;
        if (row >= 0 && row < c.height && column >= 0 && column < c.width)
          std::copy_n(c.input.begin() + (row * c.width + column) * c.channels, c.channels,
                      window.begin() + i * c.channels);
      }
      pack_panel(window.data(), depth, depth, 1, kernels.lanes, panel.data());
      kernels.multiply({panel.data(), packed.data(), chunks}, 1, kernels.vectors, sums.data());
      output.insert(output.end(), sums.begin(), sums.begin() + c.output_channels);
    }
  return output;
}

void report(const std::string& line) {
  if (std::getenv("RESIDUA_KERNEL_REPORT") != nullptr) std::puts(line.c_str());
}

std::string text_of_stride(int stride) { return "stride " + std::to_string(stride); }

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

// Changes some numbers of a case: anything, a turned sign, a last digit, the largest size.
void mutate(WinogradCase& c, std::mt19937& random) {
  std::uniform_real_distribution<float> uniform(-2, 2);
  for (std::int64_t n = pick(random, 1, 3); n > 0; --n) {
    std::vector<float>& values = coin(random) ? c.input : c.weights;
    float& value = values[size(pick(random, 0, static_cast<std::int64_t>(values.size()) - 1))];
    switch (pick(random, 0, 3)) {
      case 0:
        value = uniform(random);
        break;
      case 1:
        value = -value;
        break;
      case 2:
        value *= 1 + 0.01f * uniform(random);
        break;
      default:
        value = coin(random) ? 1.9999f : -1.9999f;
    }
  }
}

}  // namespace

TEST_CASE("Winograd: errors on random data") {
  struct Data {
    Fill fill, weight_fill;
    std::int64_t channels;
    int repeats;
  };
  constexpr Data data[] = {
      {Fill::uniform, Fill::uniform, 1, 20},   {Fill::uniform, Fill::uniform, 64, 4},
      {Fill::uniform, Fill::uniform, 512, 1},  {Fill::positive, Fill::uniform, 64, 4},
      {Fill::positive, Fill::uniform, 512, 1}, {Fill::positive, Fill::positive, 512, 1},
      {Fill::signs, Fill::positive, 1, 20},    {Fill::mixed, Fill::mixed, 16, 10},
  };
  constexpr std::int64_t outputs = 13;  // on a side: whole tiles and trimmed ones
  report(
      "convolution, input, weights, channels | direct | 2x2 | 4x4 | 6x6: worst and root mean square by the window; "
      "worst by the tile");
  for (const int stride : winograd_strides)
    for (const Data& d : data) {
      Errors direct;
      Errors by_window[3], by_tile[3];  // 2x2, 4x4, 6x6
      for (const WinogradKernelSet& kernels : winograd_kernel_sets(stride)) {
        const int tile = kernels.winograd.scheme.tile;
        const std::string what = kernels.name + " " + text_of_stride(stride) + ", input " + name_of(d.fill) +
                                 ", weights " + name_of(d.weight_fill) + ", channels " + std::to_string(d.channels);
        CAPTURE(what);
        std::mt19937 random(1);
        WinogradCase c =
            bare_case(stride, (outputs - 1) * stride + WinogradCase::taps - 2, d.channels, 1, d.fill, d.weight_fill);
        Errors errors;
        for (int n = 0; n < d.repeats; ++n) {
          refill(c, random);
          const std::vector<double> exact = convolve_directly(c.reference());
          const std::vector<float> output = run(c, kernels, random);
          const std::vector<double> scales = winograd_error_scales(c.reference(), tile);
          errors.add(output, exact, scales);
          by_tile[tile / 2 - 1].add(output, exact, scales);
          by_window[tile / 2 - 1].add(output, exact, window_scales(c));
          if (tile == 4) direct.add(run_direct(c, kernels.products), exact, window_scales(c));
        }
        CHECK(errors.worst <= winograd_factors(tile).of(d.channels));
      }
      // The mean sees what the worst case has room for: a constant with a wrong last digit, weights rounded too early.
      if (d.fill == Fill::uniform && d.channels >= 64) {
        CHECK(by_window[0].root_mean_square() <= 0.2);
        CHECK(by_window[1].root_mean_square() <= 0.6);
        CHECK(by_window[2].root_mean_square() <= 2.5);
      }
      std::string line = text_of_stride(stride) + ", " + std::string(name_of(d.fill)) + ", " + name_of(d.weight_fill) +
                         ", " + std::to_string(d.channels) + " | " + number(direct.worst) + " " +
                         number(direct.root_mean_square());
      for (int tile = 0; tile < 3; ++tile)
        line += " | " + number(by_window[tile].worst) + " " + number(by_window[tile].root_mean_square()) + "; " +
                number(by_tile[tile].worst);
      report(line);
    }
}

// Climbs from random data by keeping every change that makes the worst error worse. RESIDUA_KERNEL_SEARCH=N takes N
// steps from each start instead of some that fit a test run.
TEST_CASE("Winograd: errors on data searched for the worst") {
  const char* text = std::getenv("RESIDUA_KERNEL_SEARCH");
  const std::int64_t steps = text != nullptr ? std::strtoll(text, nullptr, 10) : residua::tests::sanitized ? 30 : 300;
  for (const int stride : winograd_strides)
    for (const WinogradKernelSet& kernels : winograd_kernel_sets(stride))
      for (const std::int64_t channels : {1, 4}) {
        CAPTURE(kernels.name);
        CAPTURE(text_of_stride(stride));
        CAPTURE(channels);
        const int tile = kernels.winograd.scheme.tile;
        double worst = 0;
        for (unsigned start = 0; start < 8; ++start) {  // one tile, whole and trimmed
          std::mt19937 random(start);
          const Fill fill = start / 4 == 0 ? Fill::uniform : Fill::signs;
          const std::int64_t outputs = tile - static_cast<std::int64_t>(start) % tile;
          WinogradCase c = bare_case(stride, (outputs - 1) * stride + WinogradCase::taps, channels, 0, fill, fill);
          const auto error = [&] {
            Errors errors;
            errors.add(run(c, kernels, random), convolve_directly(c.reference()),
                       winograd_error_scales(c.reference(), tile));
            return errors.worst;
          };
          refill(c, random);
          double best = error();
          for (std::int64_t step = 0; step < steps; ++step) {
            const WinogradCase before = c;
            mutate(c, random);
            const double now = error();
            if (now >= best)
              best = now;
            else
              c = before;
          }
          worst = std::max(worst, best);
        }
        CHECK(worst <= winograd_factors(tile).of(channels));
        report("searched, " + kernels.name + " " + text_of_stride(stride) + ", channels " + std::to_string(channels) +
               ": " + number(worst) + " by the tile");
      }
}
