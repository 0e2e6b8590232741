// Preprocessing of photos: one implementation serves all tiers.
#include "bench/kernel_bench.h"
#include "kernels/image/resize.h"

using namespace residua::kernels;

namespace {

// A photo of 500 x 375 to 224 x 224 by way of 256.
void preprocess_photo(benchmark::State& state, Interpolation interpolation) {
  const PreprocessPlan plan = make_preprocess_plan({500, 375}, 256, interpolation, {224, 224});
  const std::vector<std::uint8_t> photo(500 * 375 * 3, 100);
  std::vector<std::uint8_t> scratch(plan.scratch_bytes), output(224 * 224 * 3);
  repeat(state, [&] { preprocess_rgb8(plan, photo.data(), 500 * 3, scratch.data(), output.data()); });
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

}  // namespace

void register_image_benchmarks() {
  benchmark::RegisterBenchmark("preprocess/500x375/bilinear", preprocess_photo, Interpolation::bilinear);
  benchmark::RegisterBenchmark("preprocess/500x375/bicubic", preprocess_photo, Interpolation::bicubic);
}
