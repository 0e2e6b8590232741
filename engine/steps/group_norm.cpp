// Group norm: the moments of every channel, then of every group, then one multiply and one add a channel.

#include <algorithm>
#include <cmath>
#include <memory>

#include "engine/layout.h"
#include "engine/steps/clamp.h"
#include "engine/steps/step.h"

namespace residua::engine {
namespace {

std::string reject(const StepRequest& request) {
  if (!request.input(1).is_constant() || !request.input(2).is_constant()) return "scale and shift are no constants";
  if (request.input(0).shape.size() != 4) return "x has not four dimensions";
  return "";
}

// What a run works on. Images are cut into bands of pixels whose moments different threads add up; in band order they
// are put together, so that the result depends on no thread.
struct Work {
  std::int64_t images, channels, pixels, groups;  // pixels of one image
  std::int64_t bands;                             // of one image
  double epsilon;
  float minimum;
  std::vector<float> scale, shift;
  void (*moments)(const float*, std::int64_t, std::int64_t, const float*, double*, double*) noexcept;
  void (*apply)(const float*, std::int64_t, std::int64_t, const float*, const float*, float, float*) noexcept;

  std::int64_t band_start(std::int64_t band) const { return pixels * band / bands; }
  // Scratch memory: of each image the moments of its bands, then its scales and shifts.
  //
  //   double [images][bands][2][channels]   float [images][2][channels]
  std::size_t moment_doubles() const { return static_cast<std::size_t>(images * bands * 2 * channels); }
  std::size_t bytes() const {
    return moment_doubles() * sizeof(double) + static_cast<std::size_t>(images * 2 * channels) * sizeof(float);
  }
};

void measure_band(const Work& work, const float* input, std::int64_t image, std::int64_t band, double* moments) {
  const std::int64_t channels = work.channels, begin = work.band_start(band);
  const float* const pixels = input + image * work.pixels * channels;
  double* const sums = moments + (image * work.bands + band) * 2 * channels;
  std::fill(sums, sums + 2 * channels, 0.0);
  work.moments(pixels + begin * channels, work.band_start(band + 1) - begin, channels, pixels, sums, sums + channels);
}

// From the moments of an image's bands, taken about its first pixel, to a factor and a term for each channel.
void settle_image(const Work& work, const float* input, std::int64_t image, const double* moments, float* factors) {
  const std::int64_t channels = work.channels, a_group = channels / work.groups;
  const float* const pivot = input + image * work.pixels * channels;
  const auto count = static_cast<double>(a_group * work.pixels), pixels = static_cast<double>(work.pixels);
  const auto moment = [&](std::int64_t which, std::int64_t channel) {
    double total = 0;
    for (std::int64_t band = 0; band < work.bands; ++band)
      total += moments[((image * work.bands + band) * 2 + which) * channels + channel];
    return total / pixels;
  };
  for (std::int64_t first = 0; first < channels; first += a_group) {
    double mean = 0;
    for (std::int64_t c = first; c < first + a_group; ++c)
      mean += (static_cast<double>(pivot[c]) + moment(0, c)) * pixels / count;
    // A channel's mean square about the group's mean: its own variance, and how far its mean is from the group's.
    double variance = 0;
    for (std::int64_t c = first; c < first + a_group; ++c) {
      const double offset = moment(0, c), distance = static_cast<double>(pivot[c]) + offset - mean;
      variance += (std::max(moment(1, c) - offset * offset, 0.0) + distance * distance) * pixels / count;
    }
    const double normal = 1 / std::sqrt(variance + work.epsilon);
    for (std::int64_t c = first; c < first + a_group; ++c) {
      const auto at = static_cast<std::size_t>(c);
      const double factor = static_cast<double>(work.scale[at]) * normal;
      factors[c] = static_cast<float>(factor);
      factors[channels + c] = static_cast<float>(static_cast<double>(work.shift[at]) - mean * factor);
    }
  }
}

Step make(const StepRequest& request) {
  const auto& norm = graph::attributes_of<graph::GroupNormAttributes>(request.node);
  const graph::Shape& shape = request.output().shape;
  constexpr std::int64_t band_pixels =
      512;  // enough work for a part; a fixed size, so that bits depend on nothing else
  const std::int64_t pixels = shape[2] * shape[3];
  const auto work = std::make_shared<const Work>(Work{.images = shape[0],
                                                      .channels = shape[1],
                                                      .pixels = pixels,
                                                      .groups = norm.groups,
                                                      .bands = (pixels + band_pixels - 1) / band_pixels,
                                                      .epsilon = norm.epsilon,
                                                      .minimum = least_value(norm.activation),
                                                      .scale = graph::read_floats(request.input(1)),
                                                      .shift = graph::read_floats(request.input(2)),
                                                      .moments = request.kernels.channel_moments,
                                                      .apply = request.kernels.scale_shift});
  Step step = request.make_step("group_norm " + std::string(name_of(request.kernels.vector_set())));
  step.shared_scratch_bytes = work->bytes();
  if (request.may_overwrite(request.node.input(0))) step.overwrites = request.node.input(0);
  step.bind = [work, locate = request.locate(0),
               output_id = request.node.output](const Binding& binding) -> std::vector<Phase> {
    const float* const input = locate(binding);
    float* const output = binding.address(output_id);
    auto* const moments = reinterpret_cast<double*>(binding.shared_scratch);
    auto* const factors = reinterpret_cast<float*>(moments + work->moment_doubles());
    const std::int64_t parts = work->images * work->bands;
    return {
        {parts,
         [=](std::int64_t part, int) { measure_band(*work, input, part / work->bands, part % work->bands, moments); }},
        {work->images, [=](std::int64_t image,
                           int) { settle_image(*work, input, image, moments, factors + image * 2 * work->channels); }},
        {parts, [=](std::int64_t part, int) {
           const std::int64_t image = part / work->bands, band = part % work->bands;
           const std::int64_t begin = work->band_start(band), end = work->band_start(band + 1);
           const std::int64_t at = (image * work->pixels + begin) * work->channels;
           const float* const of_image = factors + image * 2 * work->channels;
           work->apply(input + at, end - begin, work->channels, of_image, of_image + work->channels, work->minimum,
                       output + at);
         }}};
  };
  return step;
}

}  // namespace

std::vector<Implementation> group_norm_implementations() {
  return {{graph::Op::group_norm, "group_norm", reject, make}};
}

}  // namespace residua::engine
