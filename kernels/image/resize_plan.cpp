#include <algorithm>
#include <cassert>
#include <cmath>

#include "kernels/image/resize.h"
#include "kernels/image/resize_internal.h"

namespace residua::kernels {

namespace {

double bilinear_weight(double distance) {
  const double x = std::fabs(distance);
  return x < 1.0 ? 1.0 - x : 0.0;
}

// Keys' cubic convolution with a = -0.5.
double bicubic_weight(double distance) {
  constexpr double a = -0.5;
  const double x = std::fabs(distance);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

struct Filter {
  double (*weight)(double);
  double support;  // weight is 0 from this distance on
};

Filter filter_of(Interpolation interpolation) {
  return interpolation == Interpolation::bilinear ? Filter{bilinear_weight, 1.0} : Filter{bicubic_weight, 2.0};
}

std::int32_t to_fixed_point(double coefficient) {
  const double scaled = coefficient * (1 << resize_precision);
  return static_cast<std::int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

// Splits so that both parts fit 16 bits: coefficients stay below 2 in magnitude, hence |high| below 2^11.
void store(ResizeCoefficients& pair, std::size_t half, std::int32_t coefficient) {
  constexpr std::int32_t base = 1 << resize_split;
  const std::int32_t low = coefficient & (base - 1);
  pair.low[half] = static_cast<std::int16_t>(low);
  pair.high[half] = static_cast<std::int16_t>((coefficient - low) / base);
}

// The outputs [begin, end) of an axis of `source` pixels that becomes `resized` long. The order of the floating-point
// operations is part of the promise: it decides how coefficients round.
ResizeAxis make_axis(std::int64_t source, std::int64_t resized, std::int64_t begin, std::int64_t end,
                     Interpolation interpolation) {
  ResizeAxis axis;
  if (source == resized) {
    axis.copied = true;
    axis.source_begin = begin;
    axis.source_end = end;
    return axis;
  }
  const Filter filter = filter_of(interpolation);
  const double scale = static_cast<double>(source) / static_cast<double>(resized);
  const double filter_scale = std::max(scale, 1.0);  // when shrinking, the filter widens: that is the antialiasing
  const double support = filter.support * filter_scale;
  const double inverse_scale = 1.0 / filter_scale;

  axis.source_begin = source;
  axis.source_end = 0;
  axis.taps.reserve(static_cast<std::size_t>(end - begin));
  std::vector<double> weights;
  for (std::int64_t output = begin; output < end; ++output) {
    const double center = (static_cast<double>(output) + 0.5) * scale;
    // Truncated, not rounded: Pillow's bounds, to which the coefficients belong.
    // NOLINTBEGIN(bugprone-incorrect-roundings)
    const auto first = std::max(static_cast<std::int64_t>(center - support + 0.5), std::int64_t{0});
    const auto last = std::min(static_cast<std::int64_t>(center + support + 0.5), source);
    // NOLINTEND(bugprone-incorrect-roundings)
    weights.clear();
    double total = 0;
    for (std::int64_t position = first; position < last; ++position) {
      weights.push_back(filter.weight((static_cast<double>(position) - center + 0.5) * inverse_scale));
      total += weights.back();
    }
    const ResizeTaps taps{first, last - first, axis.coefficients.size()};
    axis.coefficients.resize(taps.pair + (weights.size() + 1) / 2, ResizeCoefficients{});
    for (std::size_t tap = 0; tap < weights.size(); ++tap) {
      const double weight = total != 0 ? weights[tap] / total : weights[tap];
      store(axis.coefficients[taps.pair + tap / 2], tap % 2, to_fixed_point(weight));
    }
    axis.taps.push_back(taps);
    axis.source_begin = std::min(axis.source_begin, first);
    axis.source_end = std::max(axis.source_end, last);
  }
  return axis;
}

struct CropAxis {
  std::int64_t kept_begin, kept_length;  // of the resized image
  std::int64_t placed;                   // where that stands in the output
};

CropAxis center_crop(std::int64_t length, std::int64_t output) {
  if (output > length) return {0, length, (output - length) / 2};
  return {center_begin(length, output), output, 0};
}

}  // namespace

ResizePlan make_resize_plan(ImageSize source, ImageSize resized, ImageBox kept, Interpolation interpolation) {
  assert(source.width > 0 && source.height > 0 && kept.left >= 0 && kept.top >= 0 && kept.width > 0 && kept.height > 0);
  assert(kept.left + kept.width <= resized.width && kept.top + kept.height <= resized.height);
  ResizePlan plan;
  plan.columns = make_axis(source.width, resized.width, kept.left, kept.left + kept.width, interpolation);
  plan.rows = make_axis(source.height, resized.height, kept.top, kept.top + kept.height, interpolation);
  plan.output = {kept.width, kept.height};
  const std::int64_t lost_rows = source.height - resized.height, lost_columns = source.width - resized.width;
  plan.vertical_first = lost_rows > 0 && lost_rows > 2 * lost_columns;
  if (plan.columns.copied) return plan;

  const auto source_columns = static_cast<std::size_t>(plan.columns.source_end - plan.columns.source_begin);
  const auto source_rows = static_cast<std::size_t>(plan.rows.source_end - plan.rows.source_begin);
  plan.scratch_bytes = resize_staging_bytes(source_columns);
  if (!plan.rows.copied) {
    plan.scratch_bytes += plan.vertical_first ? static_cast<std::size_t>(kept.height) * source_columns * 3
                                              : source_rows * static_cast<std::size_t>(kept.width) * 3;
  }
  return plan;
}

std::int64_t center_begin(std::int64_t length, std::int64_t kept) {
  const std::int64_t excess = length - kept, half = excess / 2;
  return excess % 2 != 0 && half % 2 != 0 ? half + 1 : half;  // as Python's round()
}

ImageSize resized_to_shorter_side(ImageSize source, std::int64_t shorter) {
  const auto longer = [&](std::int64_t long_side, std::int64_t short_side) {
    return static_cast<std::int64_t>(static_cast<double>(shorter * long_side) / static_cast<double>(short_side));
  };
  return source.width <= source.height ? ImageSize{shorter, longer(source.height, source.width)}
                                       : ImageSize{longer(source.width, source.height), shorter};
}

PreprocessPlan make_preprocess_plan(ImageSize source, std::int64_t shorter, Interpolation interpolation,
                                    ImageSize output) {
  const ImageSize resized = resized_to_shorter_side(source, shorter);
  const CropAxis across = center_crop(resized.width, output.width);
  const CropAxis down = center_crop(resized.height, output.height);
  PreprocessPlan plan;
  plan.resize = make_resize_plan(
      source, resized, {across.kept_begin, down.kept_begin, across.kept_length, down.kept_length}, interpolation);
  plan.output = output;
  plan.left = across.placed;
  plan.top = down.placed;
  plan.scratch_bytes = plan.resize.scratch_bytes;
  return plan;
}

}  // namespace residua::kernels
