// Kernels that move memory more than they compute; rates are of data read and written.
#include "bench/kernel_bench.h"

using namespace residua::kernels;

namespace {

constexpr std::int64_t float_size = sizeof(float);

void count_bytes(benchmark::State& state, std::int64_t per_iteration) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * per_iteration);
}

void interleave_image(benchmark::State& state, const KernelTable& table) {
  constexpr std::int64_t pixels = 224 * 224;
  const auto planes = zeros(3 * pixels);
  auto output = zeros(3 * pixels);
  repeat(state, [&] { table.interleave_planes(planes.data(), pixels, 3, pixels, output.data()); });
  count_bytes(state, 6 * pixels * float_size);
}

void normalize_image(benchmark::State& state, const KernelTable& table) {
  constexpr std::int64_t pixels = 224 * 224;
  const std::vector<std::uint8_t> bytes(3 * pixels);
  const float scale[3] = {1, 2, 3}, shift[3] = {4, 5, 6};
  auto output = zeros(3 * pixels);
  repeat(state, [&] { table.normalize_pixels(bytes.data(), pixels, scale, shift, output.data()); });
  count_bytes(state, 3 * pixels * (1 + float_size));
}

// The stem's pooling: 3x3, stride 2, on 64 channels of 112 x 112.
void max_pool_stem(benchmark::State& state, const KernelTable& table) {
  const PoolGeometry g{.channels = 64,
                       .height = 112,
                       .width = 112,
                       .output_height = 56,
                       .output_width = 56,
                       .kernel_height = 3,
                       .kernel_width = 3,
                       .stride_height = 2,
                       .stride_width = 2,
                       .padding_top = 1,
                       .padding_left = 1,
                       .padding_bottom = 1,
                       .padding_right = 1,
                       .dilation_height = 1,
                       .dilation_width = 1,
                       .count_include_pad = false};
  const auto image = zeros(g.height * g.width * g.channels);
  auto output = zeros(g.output_height * g.output_width * g.channels);
  repeat(state, [&] {
    for (std::int64_t y = 0; y < g.output_height; ++y)
      table.max_pool_row(image.data(), g, y, output.data() + y * g.output_width * g.channels);
  });
  count_bytes(state, static_cast<std::int64_t>(image.size() + output.size()) * float_size);
}

void global_average_last(benchmark::State& state, const KernelTable& table) {
  constexpr std::int64_t pixels = 49, channels = 2048;
  const auto image = zeros(pixels * channels);
  auto output = zeros(channels);
  repeat(state, [&] { table.global_average(image.data(), pixels, channels, channels, output.data()); });
  count_bytes(state, (pixels + 1) * channels * float_size);
}

void scale_shift_256(benchmark::State& state, const KernelTable& table) {
  constexpr std::int64_t pixels = 56 * 56, channels = 256;
  auto image = zeros(pixels * channels);
  const auto scale = zeros(channels), shift = zeros(channels);
  repeat(state,
         [&] { table.scale_shift(image.data(), pixels, channels, scale.data(), shift.data(), 0, image.data()); });
  count_bytes(state, 2 * pixels * channels * float_size);
}

void gate_channels_256(benchmark::State& state, const KernelTable& table) {
  constexpr std::int64_t pixels = 56 * 56, channels = 256;
  const auto image = zeros(pixels * channels), gate = zeros(channels);
  auto residual = zeros(pixels * channels);
  repeat(state, [&] {
    table.gate_channels(image.data(), pixels, channels, gate.data(), residual.data(), 0, residual.data());
  });
  count_bytes(state, 3 * pixels * channels * float_size);
}

struct KernelBenchmark {
  const char* name;
  void (*run)(benchmark::State& state, const KernelTable& table);
};
constexpr KernelBenchmark kernel_benchmarks[] = {
    {"interleave_planes/3x224x224", interleave_image},
    {"normalize_pixels/3x224x224", normalize_image},
    {"max_pool/64x112x112", max_pool_stem},
    {"global_average/2048x7x7", global_average_last},
    {"scale_shift/256x56x56", scale_shift_256},
    {"gate_channels/256x56x56", gate_channels_256},
};

}  // namespace

void register_memory_benchmarks(const BenchTier& tier) {
  for (const KernelBenchmark& item : kernel_benchmarks)
    benchmark::RegisterBenchmark(
        (std::string(item.name) + "/" + tier.name).c_str(),
        [table = tier.kernels, run = item.run](benchmark::State& state) { run(state, table); });
}
