// A horizontal and a vertical pass of fixed-point sums, rounded to 8 bits after each.
//
// SSE2 multiplies 16-bit numbers only, so a coefficient is held in two parts; pairs of taps go through multiply-add
// with the low and the high parts, and the two sums are joined at the end. All arithmetic is modulo 2^32, and the
// joined sum fits.
#include "kernels/image/resize.h"

#include <emmintrin.h>

#include <algorithm>
#include <cstring>

#include "kernels/image/resize_internal.h"

namespace residua::kernels {

namespace {

constexpr std::size_t channels = 3;

__m128i load_16_bytes(const std::uint8_t* bytes) {
  return _mm_loadu_si128(static_cast<const __m128i*>(static_cast<const void*>(bytes)));
}
void store_16_bytes(std::uint8_t* bytes, __m128i value) {
  _mm_storeu_si128(static_cast<__m128i*>(static_cast<void*>(bytes)), value);
}
__m128i load_4_bytes(const std::uint8_t* bytes) {
  std::int32_t word;
  std::memcpy(&word, bytes, sizeof word);
  return _mm_cvtsi32_si128(word);
}

// A pair of coefficients in every 32-bit lane.
struct Weights {
  __m128i low, high;
};
Weights load_weights(const ResizeCoefficients& pair) {
  const __m128i both = _mm_loadl_epi64(static_cast<const __m128i*>(static_cast<const void*>(&pair)));
  return {_mm_shuffle_epi32(both, 0x00), _mm_shuffle_epi32(both, 0x55)};
}

struct Sum {
  __m128i low = _mm_setzero_si128(), high = _mm_setzero_si128();

  // `pixels`: in every 32-bit lane the pair of pixels, 16 bits each.
  void add(__m128i pixels, const Weights& weights) {
    low = _mm_add_epi32(low, _mm_madd_epi16(pixels, weights.low));
    high = _mm_add_epi32(high, _mm_madd_epi16(pixels, weights.high));
  }
  // Rounded to whole numbers.
  __m128i joined() const {
    const __m128i half = _mm_set1_epi32(1 << (resize_precision - 1));
    const __m128i sum = _mm_add_epi32(_mm_add_epi32(low, half), _mm_slli_epi32(high, resize_split));
    return _mm_srai_epi32(sum, resize_precision);
  }
};

// 16 bytes of an output row: the weighted sum of `count` rows.
void sum_16_columns(const std::uint8_t* rows, std::size_t stride, std::int64_t count, const ResizeCoefficients* pairs,
                    std::uint8_t* destination) {
  const __m128i zero = _mm_setzero_si128();
  Sum sums[4];
  for (std::int64_t tap = 0; tap < count; tap += 2) {
    const std::uint8_t* second_row = tap + 1 < count ? rows + stride : rows;  // an odd one out has coefficient 0
    const Weights weights = load_weights(*pairs++);
    const __m128i first = load_16_bytes(rows), second = load_16_bytes(second_row);
    const __m128i left = _mm_unpacklo_epi8(first, second), right = _mm_unpackhi_epi8(first, second);
    sums[0].add(_mm_unpacklo_epi8(left, zero), weights);
    sums[1].add(_mm_unpackhi_epi8(left, zero), weights);
    sums[2].add(_mm_unpacklo_epi8(right, zero), weights);
    sums[3].add(_mm_unpackhi_epi8(right, zero), weights);
    rows = second_row + stride;
  }
  // Packing with signed, then unsigned saturation is the clipping to 0..255.
  store_16_bytes(destination, _mm_packus_epi16(_mm_packs_epi32(sums[0].joined(), sums[1].joined()),
                                               _mm_packs_epi32(sums[2].joined(), sums[3].joined())));
}

std::uint8_t sum_one_column(const std::uint8_t* column, std::size_t stride, std::int64_t count,
                            const ResizeCoefficients* pairs) {
  std::int32_t sum = 1 << (resize_precision - 1);
  for (std::int64_t tap = 0; tap < count; ++tap, column += stride) {
    const ResizeCoefficients& pair = pairs[tap / 2];
    sum += *column * (pair.low[tap % 2] + pair.high[tap % 2] * (1 << resize_split));
  }
  return static_cast<std::uint8_t>(std::clamp(sum >> resize_precision, 0, 255));
}

// `rows` is row axis.source_begin.
void vertical_pass(const ResizeAxis& axis, const std::uint8_t* rows, std::size_t stride, std::size_t row_bytes,
                   std::uint8_t* destination, std::size_t destination_stride) {
  for (const ResizeTaps& taps : axis.taps) {
    const std::uint8_t* first = rows + static_cast<std::size_t>(taps.first - axis.source_begin) * stride;
    const ResizeCoefficients* pairs = axis.coefficients.data() + taps.pair;
    if (row_bytes >= 16) {
      for (std::size_t x = 0; x < row_bytes; x += 16) {
        const std::size_t start = std::min(x, row_bytes - 16);  // the last block overlaps the one before
        sum_16_columns(first + start, stride, taps.count, pairs, destination + start);
      }
    } else {
      for (std::size_t x = 0; x < row_bytes; ++x) destination[x] = sum_one_column(first + x, stride, taps.count, pairs);
    }
    destination += destination_stride;
  }
}

// Rows that share each output column's coefficients. `staged` rows begin at pixel axis.source_begin.
template <std::size_t row_count>
void horizontal_rows(const ResizeAxis& axis, const std::uint8_t* staged, std::size_t staged_stride,
                     std::uint8_t* destination, std::size_t destination_stride) {
  const __m128i zero = _mm_setzero_si128();
  const std::size_t columns = axis.taps.size();
  for (std::size_t column = 0; column < columns; ++column) {
    const ResizeTaps& taps = axis.taps[column];
    const ResizeCoefficients* pairs = axis.coefficients.data() + taps.pair;
    const std::uint8_t* pixel = staged + static_cast<std::size_t>(taps.first - axis.source_begin) * channels;
    Sum sums[row_count];
    for (std::int64_t tap = 0; tap < taps.count; tap += 2) {
      const Weights weights = load_weights(*pairs++);
      for (std::size_t row = 0; row < row_count; ++row) {
        const std::uint8_t* here = pixel + row * staged_stride;
        const __m128i two = _mm_unpacklo_epi8(load_4_bytes(here), load_4_bytes(here + channels));
        sums[row].add(_mm_unpacklo_epi8(two, zero), weights);
      }
      pixel += 2 * channels;
    }
    // A fourth byte may be written where the next column's pixel comes later, not beyond the row.
    const std::size_t size = column + 1 < columns ? channels + 1 : channels;
    for (std::size_t row = 0; row < row_count; ++row) {
      const __m128i words = _mm_packs_epi32(sums[row].joined(), zero);
      const std::int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, zero));
      std::uint8_t* out = destination + row * destination_stride + column * channels;
      if (size == sizeof bytes) {
        std::memcpy(out, &bytes, sizeof bytes);
      } else {
        std::memcpy(out, &bytes, channels);
      }
    }
  }
}

// `rows` rows, the first of which is `source`, at pixel axis.source_begin. Copied to `staging` first, which has room
// for reading beyond their end.
void horizontal_pass(const ResizeAxis& axis, const std::uint8_t* source, std::size_t source_stride, std::int64_t rows,
                     std::uint8_t* staging, std::uint8_t* destination, std::size_t destination_stride) {
  const auto source_columns = static_cast<std::size_t>(axis.source_end - axis.source_begin);
  const std::size_t row_bytes = source_columns * channels;
  const std::size_t staged_stride = resize_staged_stride(source_columns);
  std::int64_t row = 0;
  const auto stage = [&](std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      std::memcpy(staging + static_cast<std::size_t>(i) * staged_stride,
                  source + static_cast<std::size_t>(row + i) * source_stride, row_bytes);
    }
  };
  const auto out = [&] { return destination + static_cast<std::size_t>(row) * destination_stride; };
  for (; row + resize_staged_rows <= rows; row += resize_staged_rows) {
    stage(resize_staged_rows);
    horizontal_rows<resize_staged_rows>(axis, staging, staged_stride, out(), destination_stride);
  }
  for (; row < rows; ++row) {
    stage(1);
    horizontal_rows<1>(axis, staging, staged_stride, out(), destination_stride);
  }
}

}  // namespace

void resize_rgb8(const ResizePlan& plan, const std::uint8_t* source, std::size_t source_stride, std::uint8_t* scratch,
                 std::uint8_t* destination, std::size_t destination_stride) noexcept {
  const ResizeAxis& columns = plan.columns;
  const ResizeAxis& rows = plan.rows;
  const std::size_t row_bytes = static_cast<std::size_t>(plan.output.width) * channels;
  const std::int64_t source_rows = rows.source_end - rows.source_begin;
  const auto source_columns = static_cast<std::size_t>(columns.source_end - columns.source_begin);
  source += static_cast<std::size_t>(rows.source_begin) * source_stride +
            static_cast<std::size_t>(columns.source_begin) * channels;
  std::uint8_t* staging = scratch;
  const std::size_t staging_bytes = resize_staging_bytes(source_columns);

  if (columns.copied && rows.copied) {
    for (std::int64_t row = 0; row < source_rows; ++row) {
      std::memcpy(destination, source, row_bytes);
      source += source_stride;
      destination += destination_stride;
    }
  } else if (columns.copied) {
    vertical_pass(rows, source, source_stride, row_bytes, destination, destination_stride);
  } else if (rows.copied) {
    horizontal_pass(columns, source, source_stride, source_rows, staging, destination, destination_stride);
  } else if (plan.vertical_first) {
    const std::size_t between_stride = source_columns * channels;
    std::uint8_t* between = scratch + staging_bytes;
    vertical_pass(rows, source, source_stride, between_stride, between, between_stride);
    horizontal_pass(columns, between, between_stride, plan.output.height, staging, destination, destination_stride);
  } else {
    std::uint8_t* between = scratch + staging_bytes;
    horizontal_pass(columns, source, source_stride, source_rows, staging, between, row_bytes);
    vertical_pass(rows, between, row_bytes, row_bytes, destination, destination_stride);
  }
}

void preprocess_rgb8(const PreprocessPlan& plan, const std::uint8_t* source, std::size_t source_stride,
                     std::uint8_t* scratch, std::uint8_t* destination) noexcept {
  const auto stride = static_cast<std::size_t>(plan.output.width) * channels;
  if (plan.resize.output != plan.output)
    std::memset(destination, 0, stride * static_cast<std::size_t>(plan.output.height));
  resize_rgb8(
      plan.resize, source, source_stride, scratch,
      destination + static_cast<std::size_t>(plan.top) * stride + static_cast<std::size_t>(plan.left) * channels,
      stride);
}

}  // namespace residua::kernels
