// The grouped convolution of every tier against plain loops in double.
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

constexpr std::int64_t kernel = GroupedKernels::kernel, taps = kernel * kernel;

struct Case {
  ConvolutionGeometry geometry;
  ChannelGroup group;
  std::int64_t outputs;  // of all groups
  bool relu, in_place;
  std::vector<float> input, weights, bias, residual;  // an empty residual: none

  std::string text() const {
    std::ostringstream out;
    out << geometry.height << " x " << geometry.width << ", stride " << geometry.stride_height << " x "
        << geometry.stride_width << ", padding " << geometry.padding_top << " x " << geometry.padding_left
        << ", output " << geometry.output_height << " x " << geometry.output_width << ", channels " << geometry.channels
        << " to " << outputs << ", in groups of " << group.inputs << " to " << group.outputs << ", relu " << relu
        << ", residual " << !residual.empty() << ", in place " << in_place;
    return out.str();
  }
};

// Paddings up to 5 on each side, so that windows lie wholly in them, also beyond what the output needs.
Case random_case(std::int64_t lanes, std::mt19937& random) {
  Case c{};
  ConvolutionGeometry& g = c.geometry;
  const std::int64_t widths[] = {4, 8, lanes, 2 * lanes};
  c.group.inputs = c.group.outputs = widths[pick(random, 0, 3)];
  if (c.group.outputs % lanes == 0) c.group.inputs = pick(random, 1, 2 * lanes);
  c.outputs = std::max(lanes, c.group.outputs) * pick(random, 1, 3);
  g.channels = c.outputs / c.group.outputs * c.group.inputs;
  g.height = pick(random, 1, 9);
  g.width = pick(random, 1, 40);
  g.kernel_height = g.kernel_width = kernel;
  g.dilation_height = g.dilation_width = 1;
  g.stride_height = pick(random, 1, 5);
  g.stride_width = pick(random, 1, 2);
  g.padding_top = pick(random, g.height < kernel ? 1 : 0, coin(random) ? 2 : 5);
  g.padding_left = pick(random, g.width < kernel ? 1 : 0, coin(random) ? 2 : 5);
  g.output_height = (std::max(g.height + 2 * g.padding_top, kernel) - kernel) / g.stride_height + 1;
  g.output_width = (std::max(g.width + 2 * g.padding_left, kernel) - kernel) / g.stride_width + 1;
  c.relu = coin(random);
  const Fill kind = all_fills[pick(random, 0, std::size(all_fills) - 1)];
  c.input.resize(size(g.height * g.width * g.channels));
  c.weights.resize(size(c.outputs * c.group.inputs * taps));
  c.bias.resize(size(c.outputs));
  if (coin(random)) c.residual.resize(size(g.output_height * g.output_width * c.outputs));
  c.in_place = !c.residual.empty() && coin(random);
  fill_with(kind, c.input, random);
  fill_with(Fill::uniform, c.weights, random);
  fill_with(kind, c.bias, random);
  fill_with(kind, c.residual, random);
  return c;
}

struct Expected {
  double value, scale;  // the sum, and the sum of absolute values
};

Expected expected(const Case& c, std::int64_t y, std::int64_t x, std::int64_t k) {
  const ConvolutionGeometry& g = c.geometry;
  const std::int64_t first = k / c.group.outputs * c.group.inputs;
  const std::size_t at = size((y * g.output_width + x) * c.outputs + k);
  Expected sum{static_cast<double>(c.bias[size(k)]), 0};
  if (!c.residual.empty()) sum.value += static_cast<double>(c.residual[at]);
  sum.scale = std::abs(static_cast<double>(c.bias[size(k)])) +
              (c.residual.empty() ? 0 : std::abs(static_cast<double>(c.residual[at])));
  for (std::int64_t ky = 0; ky < kernel; ++ky)
    for (std::int64_t kx = 0; kx < kernel; ++kx) {
      const std::int64_t row = y * g.stride_height - g.padding_top + ky;
      const std::int64_t column = x * g.stride_width - g.padding_left + kx;
      if (row < 0 || row >= g.height || column < 0 || column >= g.width) continue;
      for (std::int64_t i = 0; i < c.group.inputs; ++i) {
        const double product = static_cast<double>(c.input[size((row * g.width + column) * g.channels + first + i)]) *
                               static_cast<double>(c.weights[size((k * c.group.inputs + i) * taps + ky * kernel + kx)]);
        sum.value += product;
        sum.scale += std::abs(product);
      }
    }
  if (c.relu) sum.value = std::max(sum.value, 0.0);
  return sum;
}

// All rows of all blocks, each buffer between pages that can't be touched.
std::vector<float> run(const GroupedKernels& kernels, const Case& c, std::mt19937& random) {
  const ConvolutionGeometry& g = c.geometry;
  const auto copy = [&](GuardedBuffer& to, const std::vector<float>& from) {
    std::copy(from.begin(), from.end(), to.data());
  };
  GuardedBuffer input(static_cast<std::int64_t>(c.input.size()), random), bias(c.outputs, random),
      residual(static_cast<std::int64_t>(c.residual.size()), random),
      output(g.output_height * g.output_width * c.outputs, random);
  copy(input, c.input);
  copy(bias, c.bias);
  copy(c.in_place ? output : residual, c.residual);
  input.freeze();
  bias.freeze();
  const float* const added = c.residual.empty() ? nullptr : c.in_place ? output.data() : residual.data();
  // Some blocks' inputs at a time, some rows at a time.
  const std::int64_t least = std::max<std::int64_t>(kernels.lanes, c.group.outputs);
  const std::int64_t most = c.outputs / least, count = pick(random, 1, most);
  const std::int64_t bundled = (most % count == 0 ? count : 1) * least, band = pick(random, 1, g.output_height);
  const PaddedColumns columns = padded_columns(g);
  const std::int64_t width = columns.width, inputs = bundled / c.group.outputs * c.group.inputs;
  for (std::int64_t block = 0; block < c.outputs / kernels.lanes; ++block) {
    GuardedBuffer packed(taps * c.group.inputs * kernels.lanes, random);
    kernels.pack_weights(c.weights.data(), c.group.inputs, block, packed.data());
    CHECK(packed.margins_untouched());
    packed.freeze();
    const std::int64_t channel = block * kernels.lanes, first = channel / bundled * bundled;
    for (std::int64_t top = 0; top < g.output_height; top += band) {
      const std::int64_t rows = std::min(band, g.output_height - top);
      const RowsUnder last = rows_under(g, top + rows - 1);
      const std::int64_t first_row = rows_under(g, top).first, end_row = last.first + last.count;
      GuardedBuffer padded((end_row - first_row) * width * inputs, random);
      kernels.gather_rows(input.data(), g,
                          {.first_row = first_row,
                           .rows = end_row - first_row,
                           .first_channel = first / c.group.outputs * c.group.inputs,
                           .channels = inputs,
                           .columns = columns,
                           .values = padded.data()});
      CHECK(padded.margins_untouched());
      padded.freeze();
      for (std::int64_t y = 0; y < rows; ++y) {
        const RowsUnder under = rows_under(g, top + y);
        const std::int64_t at = (top + y) * g.output_width * c.outputs + channel;
        kernels.convolve_row({.rows = padded.data() + (under.first - first_row) * width * inputs +
                                      (channel - first) / c.group.outputs * c.group.inputs,
                              .channels = inputs,
                              .columns = columns,
                              .under = under,
                              .outputs = g.output_width,
                              .stride = g.stride_width},
                             c.group, packed.data(),
                             {.stride = c.outputs,
                              .output = output.data() + at,
                              .residual = added != nullptr ? added + at : nullptr,
                              .bias = bias.data() + channel,
                              .relu = c.relu});
      }
    }
  }
  CHECK(output.margins_untouched());
  return {output.values().begin(), output.values().end()};
}

template <class Check>
void for_each_case(unsigned count, const Check& check) {
  for_each_seed(count, [&check](const KernelTable& table, std::mt19937& random) {
    const Case c = random_case(table.grouped.lanes, random);
    INFO(c.text());
    check(table.grouped, c, random);
  });
}

}  // namespace

TEST_CASE("grouped convolution: within the rounding of its sums, in any shape") {
  for_each_case(150, [](const GroupedKernels& kernels, const Case& c, std::mt19937& random) {
    const std::vector<float> output = run(kernels, c, random);
    const ConvolutionGeometry& g = c.geometry;
    // A rounding for each product, each sum, bias and residual; what lies below normal numbers is lost whole.
    const double roundings = static_cast<double>(2 * taps * c.group.inputs + 4);
    double worst = 0;  // in units of the bound
    for (std::int64_t y = 0; y < g.output_height; ++y)
      for (std::int64_t x = 0; x < g.output_width; ++x)
        for (std::int64_t k = 0; k < c.outputs; ++k) {
          const Expected e = expected(c, y, x, k);
          const double bound = roundings * (e.scale * std::numeric_limits<float>::epsilon() / 2 +
                                            static_cast<double>(std::numeric_limits<float>::min()));
          const double error =
              std::abs(static_cast<double>(output[size((y * g.output_width + x) * c.outputs + k)]) - e.value) / bound;
          worst = error <= worst ? worst : error;  // a NaN stays
        }
    CHECK(worst <= 1);
  });
}

TEST_CASE("grouped convolution: an output has the same bits wherever it stands in a row") {
  for_each_case(30, [](const GroupedKernels& kernels, Case c, std::mt19937& random) {
    ConvolutionGeometry& g = c.geometry;
    g.padding_left = 0;
    g.width += kernel - 1;
    g.output_width = (g.width - kernel) / g.stride_width + 1;
    c.residual.clear();
    c.in_place = false;
    c.input.resize(size(g.height * g.width * g.channels));
    fill_with(Fill::uniform, c.input, random);
    const std::vector<float> whole = run(kernels, c, random);
    // The same without the first outputs: every other one lands in another place of another run.
    const std::int64_t skipped = pick(random, 0, g.output_width - 1), columns = skipped * g.stride_width;
    Case part = c;
    part.geometry.width = g.width - columns;
    part.geometry.output_width = g.output_width - skipped;
    part.input.clear();
    for (std::int64_t y = 0; y < g.height; ++y)
      part.input.insert(part.input.end(), c.input.begin() + (y * g.width + columns) * g.channels,
                        c.input.begin() + (y + 1) * g.width * g.channels);
    const std::vector<float> rest = run(kernels, part, random);
    bool equal = true;
    const std::int64_t row = part.geometry.output_width * c.outputs;
    for (std::int64_t y = 0; y < g.output_height; ++y)
      equal &= std::memcmp(rest.data() + y * row, whole.data() + (y * g.output_width + skipped) * c.outputs,
                           size(row) * sizeof(float)) == 0;
    CHECK(equal);
  });
}

TEST_CASE("grouped convolution: NaN reaches the outputs of its group whose windows cover it, and no others") {
  for_each_case(30, [](const GroupedKernels& kernels, Case c, std::mt19937& random) {
    fill_with(Fill::uniform, c.input, random);
    fill_with(Fill::uniform, c.bias, random);
    fill_with(Fill::uniform, c.residual, random);
    const std::int64_t at = pick(random, 0, static_cast<std::int64_t>(c.input.size()) - 1);
    c.input[size(at)] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> output = run(kernels, c, random);
    const ConvolutionGeometry& g = c.geometry;
    bool right = true;
    for (std::int64_t y = 0; y < g.output_height; ++y)
      for (std::int64_t x = 0; x < g.output_width; ++x)
        for (std::int64_t k = 0; k < c.outputs; ++k) {
          const std::int64_t row = at / g.channels / g.width - (y * g.stride_height - g.padding_top);
          const std::int64_t column = at / g.channels % g.width - (x * g.stride_width - g.padding_left);
          const bool covers = row >= 0 && row < kernel && column >= 0 && column < kernel &&
                              at % g.channels / c.group.inputs == k / c.group.outputs;
          right &= std::isnan(output[size((y * g.output_width + x) * c.outputs + k)]) == covers;
        }
    CHECK(right);
  });
}
