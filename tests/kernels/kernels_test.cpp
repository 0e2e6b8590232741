// Every kernel of every tier this CPU has, against plain loops in double, on random shapes and extreme fills.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/table.h"
#include "tests/kernels/random_case.h"

namespace {

using namespace residua::kernels;

std::vector<float> random_floats(std::mt19937& random, std::size_t count) {
  std::uniform_real_distribution<float> uniform(-2, 2);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(random);
  return values;
}

constexpr float untouched = 12345.0f;  // behind every output: a kernel that writes too far changes it
constexpr std::size_t margin = 64;

PoolGeometry random_geometry(std::mt19937& random) {
  PoolGeometry g{};
  g.channels = pick(random, 1, 70);
  g.height = pick(random, 1, 12);
  g.width = pick(random, 1, 12);
  g.kernel_height = pick(random, 1, 3);
  g.kernel_width = pick(random, 1, 3);
  if (pick(random, 0, 1) == 0) g.kernel_height = g.kernel_width = 3;  // what networks pool
  g.stride_height = pick(random, 1, 3);
  g.stride_width = pick(random, 1, 3);
  g.dilation_height = g.dilation_width = 1;
  g.padding_top = pick(random, 0, g.kernel_height - 1);
  g.padding_left = pick(random, 0, g.kernel_width - 1);
  g.padding_bottom = pick(random, 0, g.kernel_height - 1);
  g.padding_right = pick(random, 0, g.kernel_width - 1);
  g.count_include_pad = pick(random, 0, 1) == 1;
  // Windows may overhang at the end as in ceil mode, but start inside the image or the leading padding.
  g.output_height = (g.height + g.padding_top - 1) / g.stride_height + 1;
  g.output_width = (g.width + g.padding_left - 1) / g.stride_width + 1;
  return g;
}

// Calls see(value) for every image pixel of a window, and returns how many pixels of the padded image it covers.
template <class See>
std::int64_t walk_window(const std::vector<float>& image, const PoolGeometry& g, std::int64_t y, std::int64_t x,
                         std::int64_t c, const See& see) {
  std::int64_t covered = 0;
  for (std::int64_t i = 0; i < g.kernel_height; ++i)
    for (std::int64_t j = 0; j < g.kernel_width; ++j) {
      const std::int64_t row = y * g.stride_height - g.padding_top + i,
                         column = x * g.stride_width - g.padding_left + j;
      if (row < g.height + g.padding_bottom && column < g.width + g.padding_right) ++covered;
      if (row >= 0 && row < g.height && column >= 0 && column < g.width)
        see(image[size((row * g.width + column) * g.channels + c)]);
    }
  return covered;
}

}  // namespace

TEST_CASE("a table holds every kernel and the tier that was asked for") {
  for (const KernelTable& table : tables_of_this_cpu()) {
    CHECK(static_cast<bool>(table.interleave_planes));
    CHECK(static_cast<bool>(table.stem.convolve_row));
    CHECK(static_cast<bool>(table.normalize_pixels));
    CHECK(static_cast<bool>(table.max_pool_row));
    CHECK(static_cast<bool>(table.average_pool_row));
    CHECK(static_cast<bool>(table.global_average));
    CHECK(static_cast<bool>(table.scale_shift));
    CHECK(static_cast<bool>(table.gate_channels));
    CHECK(static_cast<bool>(table.sigmoid));
    CHECK(static_cast<bool>(table.multiply_add_burst));
  }
  CHECK(make_kernel_table({}, InstructionSet::avx512).instruction_set == InstructionSet::sse2);
  CHECK(best_instruction_set({.avx2 = true, .avx512 = true}, InstructionSet::avx2) == InstructionSet::avx2);
  // A tier's own code fills its part of the table: only what this CPU runs.
  const CpuFeatures cpu = detect_cpu();
  if (cpu.avx2) {
    CHECK(make_kernel_table({.avx2 = true, .avx512 = false}).instruction_set == InstructionSet::avx2);
    CHECK(!make_kernel_table({.avx2 = true, .two_wide_units = true}).loads_bind_products);
  }
  if (cpu.avx512) {
    const CpuFeatures two_wide{.avx2 = true, .avx512 = true, .two_wide_units = true};
    CHECK(make_kernel_table(two_wide).loads_bind_products);
    CHECK(!make_kernel_table(two_wide, InstructionSet::avx2).loads_bind_products);
    CHECK(!make_kernel_table({.avx2 = true, .avx512 = true}).loads_bind_products);
  }
  const CpuFeatures with_tiles{.avx2 = true, .avx512 = true, .amx = true};
  CHECK(best_instruction_set(with_tiles, InstructionSet::amx) == InstructionSet::amx);
  CHECK(best_instruction_set(with_tiles, InstructionSet::avx512) == InstructionSet::avx512);
  CHECK(!detect_cpu(InstructionSet::avx512).amx);
  if (cpu.avx512) CHECK(!static_cast<bool>(make_kernel_table(cpu, InstructionSet::avx512).tiles.convolve));
  if (cpu.amx) {
    const KernelTable table = make_kernel_table(cpu);
    CHECK(static_cast<bool>(table.tiles.convolve));
    CHECK(table.vector_set() == InstructionSet::avx512);
  }
  CHECK(parse_instruction_set("amx") == InstructionSet::amx);
  CHECK(parse_instruction_set("avx512_bf16") == InstructionSet::avx512);
  CHECK(!parse_instruction_set("avx3"));
}

TEST_CASE("layout kernels") {
  for_each_seed(60, [](const KernelTable& table, std::mt19937& random) {
    const std::int64_t channels = coin(random) ? 3 : pick(random, 1, 9), pixels = pick(random, 0, 200);
    const std::int64_t plane = pixels + pick(random, 0, 5);
    const auto planes = random_floats(random, size(plane * channels));
    std::vector<float> output(size(pixels * channels) + margin, untouched);
    table.interleave_planes(planes.data(), plane, channels, pixels, output.data());
    bool equal = true;
    for (std::int64_t i = 0; i < pixels; ++i)
      for (std::int64_t c = 0; c < channels; ++c)
        equal &= output[size(i * channels + c)] == planes[size(c * plane + i)];
    CHECK(equal);
    CHECK(output[size(pixels * channels)] == untouched);

    std::vector<std::uint8_t> bytes(size(3 * pixels));
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(pick(random, 0, 255));
    const auto scale = random_floats(random, 3), shift = random_floats(random, 3);
    std::vector<float> normalized(size(3 * pixels) + margin, untouched);
    table.normalize_pixels(bytes.data(), pixels, scale.data(), shift.data(), normalized.data());
    double worst = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i)
      worst = std::max(worst, std::abs(normalized[i] - (static_cast<double>(bytes[i]) * scale[i % 3] + shift[i % 3])));
    CHECK(worst < 1e-4);
    CHECK(normalized[bytes.size()] == untouched);
  });
}

TEST_CASE("pooling kernels") {
  for_each_seed(200, [](const KernelTable& table, std::mt19937& random) {
    const PoolGeometry g = random_geometry(random);
    auto image = random_floats(random, size(g.height * g.width * g.channels));
    if (pick(random, 0, 2) == 0)
      for (int i = 0; i < 5; ++i)
        image[size(pick(random, 0, g.height * g.width * g.channels - 1))] = std::numeric_limits<float>::quiet_NaN();
    if (pick(random, 0, 3) == 0)
      for (int i = 0; i < 6; ++i)
        image[size(pick(random, 0, g.height * g.width * g.channels - 1))] =
            (i % 2 == 0 ? 1 : -1) * std::numeric_limits<float>::infinity();
    if (pick(random, 0, 6) == 0) std::fill(image.begin(), image.end(), -std::numeric_limits<float>::infinity());
    const std::size_t row = size(g.output_width * g.channels);
    std::vector<float> largest(row + margin, untouched), mean(row + margin, untouched);
    double worst = 0;
    bool largest_equal = true;
    for (std::int64_t y = 0; y < g.output_height; ++y) {
      table.max_pool_row(image.data(), g, y, largest.data());
      table.average_pool_row(image.data(), g, y, mean.data());
      for (std::int64_t x = 0; x < g.output_width; ++x)
        for (std::int64_t c = 0; c < g.channels; ++c) {
          float best = -std::numeric_limits<float>::infinity();
          double sum = 0;
          std::int64_t inside = 0;
          const std::int64_t covered = walk_window(image, g, y, x, c, [&](float value) {
            best = std::isnan(best) || best > value ? best : value;
            sum += value;
            ++inside;
          });
          const float found = largest[size(x * g.channels + c)];
          largest_equal &= found == best || (std::isnan(found) && std::isnan(best));
          const double expected = sum / static_cast<double>(g.count_include_pad ? covered : inside);
          const double average = mean[size(x * g.channels + c)];
          if (std::isfinite(expected))
            worst = std::max(worst, std::abs(average - expected));
          else
            CHECK((std::isnan(expected) ? std::isnan(average) : average == expected));
        }
    }
    CHECK(largest_equal);
    CHECK(worst < 1e-5);
    CHECK(largest[row] == untouched);
    CHECK(mean[row] == untouched);
  });
}

TEST_CASE("global average and scale_shift") {
  for_each_seed(60, [](const KernelTable& table, std::mt19937& random) {
    const std::int64_t pixels = pick(random, 1, 60), channels = pick(random, 1, 200);
    const std::int64_t stride = channels + pick(random, 0, 20);
    const auto image = random_floats(random, size(pixels * stride));
    std::vector<float> mean(size(channels) + margin, untouched);
    table.global_average(image.data(), pixels, stride, channels, mean.data());
    double worst = 0;
    for (std::int64_t c = 0; c < channels; ++c) {
      double sum = 0;
      for (std::int64_t p = 0; p < pixels; ++p) sum += image[size(p * stride + c)];
      worst = std::max(worst, std::abs(mean[size(c)] - sum / static_cast<double>(pixels)));
    }
    CHECK(worst < 1e-5);
    CHECK(mean[size(channels)] == untouched);

    const auto scale = random_floats(random, size(channels)), shift = random_floats(random, size(channels));
    std::vector<float> output(size(pixels * channels) + margin, untouched);
    const float minimum = pick(random, 0, 1) == 0 ? 0 : -std::numeric_limits<float>::infinity();
    table.scale_shift(image.data(), pixels, channels, scale.data(), shift.data(), minimum, output.data());
    worst = 0;
    for (std::int64_t i = 0; i < pixels * channels; ++i) {
      const double expected =
          static_cast<double>(image[size(i)]) * scale[size(i % channels)] + shift[size(i % channels)];
      worst = std::max(worst, std::abs(output[size(i)] - std::max(expected, static_cast<double>(minimum))));
    }
    CHECK(worst < 1e-5);
    CHECK(output[size(pixels * channels)] == untouched);
  });
}

TEST_CASE("gate_channels with and without residual and minimum, in place too") {
  for_each_seed(60, [](const KernelTable& table, std::mt19937& random) {
    const std::int64_t pixels = pick(random, 0, 60), channels = pick(random, 1, 200);
    auto image = random_floats(random, size(pixels * channels));
    auto residual = random_floats(random, size(pixels * channels));
    const auto gate = random_floats(random, size(channels));
    const bool adds = pick(random, 0, 1) == 1, rectifies = pick(random, 0, 1) == 1;
    std::vector<double> expected(image.size());
    for (std::size_t i = 0; i < image.size(); ++i) {
      const double value = static_cast<double>(image[i]) * gate[i % size(channels)] + (adds ? residual[i] : 0.0f);
      expected[i] = rectifies ? std::max(value, 0.0) : value;
    }
    std::vector<float> apart(image.size(), untouched);
    image.resize(image.size() + margin, untouched);
    residual.resize(image.size(), untouched);
    apart.resize(image.size(), untouched);
    const int target = static_cast<int>(pick(random, 0, adds ? 2 : 1));
    float* const output = target == 0 ? apart.data() : target == 1 ? image.data() : residual.data();
    table.gate_channels(image.data(), pixels, channels, gate.data(), adds ? residual.data() : nullptr,
                        rectifies ? 0 : -std::numeric_limits<float>::infinity(), output);
    double worst = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double error = std::abs(static_cast<double>(output[i]) - expected[i]);
      worst = error <= worst ? worst : error;  // a NaN stays
    }
    CHECK(worst < 1e-6);
    CHECK(output[expected.size()] == untouched);
  });
}

TEST_CASE("gate_channels keeps NaN") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  for (const KernelTable& table : tables_of_this_cpu()) {
    const std::string tier(name_of(table.instruction_set));
    CAPTURE(tier);
    constexpr std::int64_t channels = 43;
    const std::vector<float> ones(size(channels), 1.0f);
    for (const float* residual : {ones.data(), static_cast<const float*>(nullptr)})
      for (std::int64_t at = 0; at < channels; ++at) {
        std::vector<float> image = ones;
        image[size(at)] = nan;
        table.gate_channels(image.data(), 1, channels, ones.data(), residual, 0, image.data());
        bool right = true;
        for (std::int64_t c = 0; c < channels; ++c) right &= std::isnan(image[size(c)]) == (c == at);
        CHECK(right);
      }
  }
}

TEST_CASE("sigmoid: over all of its range, to 4 units in the last place") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const KernelTable& table : tables_of_this_cpu()) {
    const std::string tier(name_of(table.instruction_set));
    CAPTURE(tier);
    std::vector<float> x{-infinity, infinity, -0.0f, 0.0f, 1e30f, -1e30f, 1e-40f, -1e-40f, 1e-20f};
    for (int step = 0; step < 12700; ++step) x.push_back(-87.0f + 0.0137f * static_cast<float>(step));
    std::vector<float> whole(x.size() + margin, untouched);
    table.sigmoid(x.data(), static_cast<std::int64_t>(x.size()), whole.data());
    CHECK(whole[x.size()] == untouched);
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = 1 / (1 + std::exp(-static_cast<double>(x[i])));
      const auto nearest = static_cast<float>(expected);
      const double unit = static_cast<double>(std::nextafter(nearest, infinity)) - static_cast<double>(nearest);
      const double error = std::abs(static_cast<double>(whole[i]) - expected) / unit;
      worst = error <= worst ? worst : error;  // a NaN stays
    }
    CHECK(worst < 4);
    // Whatever stands beside it in a vector, and wherever a range begins, an element has one result.
    for (std::size_t first = 1; first < 40; ++first) {
      CAPTURE(first);
      std::vector<float> part(x.size() - first);
      table.sigmoid(x.data() + first, static_cast<std::int64_t>(part.size()), part.data());
      CHECK(std::memcmp(part.data(), whole.data() + first, part.size() * sizeof(float)) == 0);
    }
    for (std::int64_t count : {1, 3, 16, 17}) {
      std::vector<float> y(size(count), std::numeric_limits<float>::quiet_NaN());
      table.sigmoid(y.data(), count, y.data());
      for (const float value : y) CHECK(std::isnan(value));
    }
  }
}

TEST_CASE("channel_moments adds to what is there") {
  for_each_seed(40, [](const KernelTable& table, std::mt19937& random) {
    const std::int64_t pixels = pick(random, 1, 70), channels = pick(random, 1, 150);
    const auto image = random_floats(random, size(pixels * channels)), pivot = random_floats(random, size(channels));
    std::vector<double> sums(size(channels) + margin, 1.0), squares(size(channels) + margin, 2.0);
    table.channel_moments(image.data(), pixels, channels, pivot.data(), sums.data(), squares.data());
    double worst = 0;
    for (std::int64_t c = 0; c < channels; ++c) {
      double sum = 1, square = 2;
      for (std::int64_t p = 0; p < pixels; ++p) {
        const double difference = static_cast<double>(image[size(p * channels + c)]) - pivot[size(c)];
        sum += difference;
        square += difference * difference;
      }
      worst = std::max({worst, std::abs(sums[size(c)] - sum), std::abs(squares[size(c)] - square)});
    }
    CHECK(worst < 1e-4);
    CHECK(sums[size(channels)] == 1.0);
    CHECK(squares[size(channels)] == 2.0);
  });
}

TEST_CASE("quantize rounds halves to even, stays in range and keeps NaN") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const KernelTable& table : tables_of_this_cpu()) {
    const std::string tier(name_of(table.instruction_set));
    CAPTURE(tier);
    const QuantizationGrid grid{0.5f, 3, 0, 20, 0.5f, 0};
    const std::vector<float> x{-3, -0.26f, -0.25f, -0.24f, 0.25f, 0.75f, 0.3f, 40, 1e30f, -infinity, infinity};
    const std::vector<float> expected{-1.5f, -0.5f, 0, 0, 0, 1, 0.5f, 8.5f, 8.5f, -1.5f, 8.5f};
    std::vector<float> input;
    for (int i = 0; i < 5; ++i) input.insert(input.end(), x.begin(), x.end());
    input.push_back(std::numeric_limits<float>::quiet_NaN());
    std::vector<float> output(input.size() + margin, untouched);
    table.quantize(input.data(), static_cast<std::int64_t>(input.size()), grid, output.data());
    for (std::size_t i = 0; i + 1 < input.size(); ++i) CHECK(output[i] == expected[i % expected.size()]);
    CHECK(std::isnan(output[input.size() - 1]));
    CHECK(output[input.size()] == untouched);
  }
}

TEST_CASE("the peak burst counts what it does") {
  for (const KernelTable& table : tables_of_this_cpu()) {
    double one = 0, two = 0;
    CHECK(std::isfinite(table.multiply_add_burst(1000, &one)));
    CHECK(std::isfinite(table.multiply_add_burst(2000, &two)));
    CHECK(one > 0);
    CHECK(two == 2 * one);
  }
}
