// From sums to outputs, included after tile_products.h.

// Where a block's rows are: in which image and line, from which row of the line on, and how many. Those of a pair of
// images run on into the second one, whose outputs follow the first one's; no row of either is none (go_in_pairs).
struct BlockPlace {
  std::int64_t image, y, x, rows;

  BlockPlace(const TileFactors& factors, std::int64_t block) noexcept {
    if (factors.pairs_of_images) {
      image = 2 * block;
      y = x = 0;
      rows = least(factors.images - image, 2) * factors.rows;
      return;
    }
    const std::int64_t of_image = factors.blocks_of_image(), row = block % of_image * factors.rows_per_block;
    image = block / of_image;
    y = row / factors.pitch;
    x = row % factors.pitch;
    rows = least(factors.rows - row, factors.rows_per_block);
  }
};

// From one output pixel on, some channels.
ProductTarget part_of(ProductTarget target, std::int64_t pixel, std::int64_t channel, std::int64_t channels) noexcept {
  const std::int64_t offset = pixel * target.stride + channel;
  target.output += offset;
  if (target.residual != nullptr) target.residual += offset;
  target.bias += channel;
  target.channels = channels;
  return target;
}

// The lanes of a vector that are channels.
__mmask16 lanes_within(std::int64_t channels) noexcept {
  return static_cast<__mmask16>(channels >= lanes ? 0xFFFFU : 0xFFFFU >> (lanes - channels));
}

// Adds residual, clamps and stores.
template <bool residual, bool relu>
[[gnu::always_inline]] inline void finish_vector(__m512 value, const ProductTarget& target, std::int64_t at,
                                                 __mmask16 mask) noexcept {
  if constexpr (residual) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, target.residual + at));
  // In this order the instruction hands a NaN on.
  if constexpr (relu) value = _mm512_max_ps(_mm512_setzero_ps(), value);
  _mm512_mask_storeu_ps(target.output + at, mask, value);
}

// Sums on their way to the outputs: those of a block of rows, row by row from the first to the last, so that the cache
// sees it coming. Rows behind the end of a line are passed over.
template <bool residual, bool relu>
struct Outputs {
  const float* sums = nullptr;
  std::int64_t sums_stride = 0;
  ProductTarget target{};                          // of the next row that is an output
  std::int64_t rows = 0;                           // left in the block
  std::int64_t line_left = 0, width = 0, gap = 0;  // outputs left in the line, of a line, rows between two
  std::int64_t column = 0;

  // Those of one block, counted over all images of `pixels` outputs, and some channels.
  static Outputs of(const TileFactors& factors, std::int64_t block, std::int64_t pixels, const ProductTarget& target,
                    std::int64_t channel, std::int64_t channels, const float* sums, std::int64_t stride,
                    std::int64_t) noexcept {
    const BlockPlace place(factors, block);
    const bool in_line = place.x < factors.width;
    Outputs outputs{
        .sums = sums,
        .sums_stride = stride,
        .target = part_of(target, place.image * pixels + place.y * factors.width + least(place.x, factors.width),
                          channel, channels),
        .rows = place.rows,
        .line_left = in_line ? factors.width - place.x : factors.width,
        .width = factors.width,
        .gap = factors.pitch - factors.width};
    if (!in_line) outputs.pass(factors.pitch - place.x);
    return outputs;
  }

  // `count` vectors of outputs.
  void finish(std::int64_t count) noexcept {
    if (rows > 0) finish_some(count);
  }
  // Called from six places between products, which with six copies would outgrow the cache of decoded instructions.
  [[gnu::noinline]] void finish_some(std::int64_t count) noexcept {
    while (count > 0 && rows > 0) {
      const std::int64_t end = least(column + count * lanes, target.channels);
      count -= divided_up(end - column, lanes);
      finish_row(end);
      if (column < target.channels) return;
      column = 0;
      target.output += target.stride;
      if (residual) target.residual += target.stride;
      pass(1);
      if (--line_left > 0) continue;
      line_left = width;
      pass(gap);
    }
  }
  // Of a row, up to a channel. All in registers: what is stored might else be what the loop goes by.
  void finish_row(std::int64_t end) noexcept {
    const ProductTarget to = target;
    const float* const from = sums;
    std::int64_t at = column;
    const auto finish_lanes = [=](std::int64_t first, __mmask16 mask) noexcept {
      finish_vector<residual, relu>(_mm512_add_ps(_mm512_loadu_ps(from + first), _mm512_loadu_ps(to.bias + first)), to,
                                    first, mask);
      // The next row's, which comes from further away than a core looks ahead.
      if constexpr (residual) __builtin_prefetch(to.residual + to.stride + first, 0, 3);
    };
    for (; at + lanes <= end; at += lanes) finish_lanes(at, lanes_within(lanes));
    if (at < end) finish_lanes(at, lanes_within(end - at));
    column = end;
  }
  void finish_all() noexcept { finish(rows * divided_up(target.channels, lanes)); }
  void pass(std::int64_t count) noexcept {
    rows -= count;
    sums += count * sums_stride;
  }
};

// The same of Winograd's algorithm along lines (TileKernels::convolve_lines): a row is `tile` outputs side by side, or
// what is left of a line, made of the sums of all positions.
template <bool residual, bool relu>
struct LineOutputs {
  static constexpr int positions = LineSizes::positions, tile = LineSizes::tile;

  const float* sums = nullptr;
  std::int64_t sums_stride = 0, position_stride = 0;
  ProductTarget target{};                              // of the row's first output
  std::int64_t rows = 0;                               // left in the block
  std::int64_t cell = 0, cells = 0, last_outputs = 0;  // the row in its line, rows of a line, outputs of the last one
  std::int64_t column = 0;

  static LineOutputs of(const TileFactors& factors, std::int64_t block, std::int64_t pixels,
                        const ProductTarget& target, std::int64_t channel, std::int64_t channels, const float* sums,
                        std::int64_t stride, std::int64_t position_stride) noexcept {
    const BlockPlace place(factors, block);
    const std::int64_t outputs = factors.line_outputs;
    return {.sums = sums,
            .sums_stride = stride,
            .position_stride = position_stride,
            .target = part_of(target, place.image * pixels + place.y * outputs + place.x * tile, channel, channels),
            .rows = place.rows,
            .cell = place.x,
            .cells = factors.width,
            .last_outputs = outputs - (factors.width - 1) * tile};
  }

  // `count` vectors of rows.
  void finish(std::int64_t count) noexcept {
    if (rows > 0) finish_some(count);
  }
  // Not inlined, like the other's.
  [[gnu::noinline]] void finish_some(std::int64_t count) noexcept {
    for (; count > 0 && rows > 0; --count) {
      const __mmask16 mask = lanes_within(target.channels - column);
      const std::int64_t outputs = cell + 1 < cells ? tile : last_outputs;
      Vector m[positions], y[tile];
#pragma GCC unroll 6
      for (int p = 0; p < positions; ++p) m[p] = Vector::load_unaligned(sums + p * position_stride + column);
      F4::output<tile>(m, y);
      const Vector bias = Vector::load_unaligned(target.bias + column);
#pragma GCC unroll 4
      for (int i = 0; i < tile; ++i)
        if (i < outputs) finish_vector<residual, relu>(y[i] + bias, target, i * target.stride + column, mask);
      column += lanes;
      if (column < target.channels) continue;
      column = 0;
      --rows;
      sums += sums_stride;
      target.output += outputs * target.stride;
      if (residual) target.residual += outputs * target.stride;
      if (++cell == cells) cell = 0;
    }
  }
  void finish_all() noexcept { finish(rows * divided_up(target.channels, lanes)); }
};
