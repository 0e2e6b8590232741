// Floats as sums of three bf16 (kernels/tiles/tiles.h), included once by each file that needs it inside its anonymous
// namespace.

// Two vectors, 32 floats, part by part: float k of the first and of the second side by side.
struct Parts {
  __m512i high, middle, low;
};

// The upper halves of both. What is cut off must be zero, or be meant to.
[[gnu::always_inline]] inline __m512i upper_halves(__m512 first, __m512 second) noexcept {
  constexpr __mmask32 odd = 0xAAAAAAAA;
  return _mm512_mask_blend_epi16(odd, _mm512_srli_epi32(_mm512_castps_si512(first), 16), _mm512_castps_si512(second));
}

// `high` is cut off, so that the largest float does not become infinity; `middle` is rounded to nearest, so that what
// is left out of products is of either sign. A NaN stays one in `high`, or in `middle` where its bits are all low.
[[gnu::always_inline]] inline Parts split(__m512 first, __m512 second) noexcept {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xFFFF0000U)), half = _mm512_set1_epi32(0x8000);
  const auto cut = [=](__m512 value) noexcept {
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(value), upper));
  };
  const auto round = [=](__m512 value) noexcept {
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(value), half), upper));
  };
  const __m512 first_rest = _mm512_sub_ps(first, cut(first)), second_rest = _mm512_sub_ps(second, cut(second));
  const __m512 first_middle = round(first_rest), second_middle = round(second_rest);
  return {upper_halves(first, second), upper_halves(first_middle, second_middle),
          upper_halves(_mm512_sub_ps(first_rest, first_middle), _mm512_sub_ps(second_rest, second_middle))};
}

// `stride`: bf16 from one part to the next.
[[gnu::always_inline]] inline void store_parts(const Parts& parts, Bfloat16* to, std::int64_t stride) noexcept {
  _mm512_storeu_si512(to, parts.high);
  _mm512_storeu_si512(to + stride, parts.middle);
  _mm512_storeu_si512(to + 2 * stride, parts.low);
}
