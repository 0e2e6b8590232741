// In which order weights meet factors, included after tile_products.h.

// Weights that are split next, some pairs of vectors at a time: `count` chunks of some columns, which lie `column`
// floats apart.
class Splitting {
 public:
  Splitting() = default;
  Splitting(const float* weights, std::int64_t column, std::int64_t columns, std::int64_t count, char* to) noexcept
      : from_(weights),
        to_(to),
        jump_(column - count * chunk_floats),
        left_(columns * count * pairs),
        in_column_(count * pairs) {
    column_ = in_column_;
  }
  std::int64_t left() const noexcept { return left_; }
  void advance(std::int64_t count) noexcept {
    for (count = least(count, left_), left_ -= count; count > 0; --count) {
      const Parts parts = split(_mm512_loadu_ps(from_), _mm512_loadu_ps(from_ + lanes));
      _mm512_storeu_si512(to_, parts.high);
      _mm512_storeu_si512(to_ + low, parts.low);
      _mm512_storeu_si512(to_ + middle, parts.middle);
      // Into the level 2 cache: beside tile products the hardware alone does not keep up with memory.
      __builtin_prefetch(from_ + ahead, 0, 2);
      __builtin_prefetch(from_ + ahead + lanes, 0, 2);
      from_ += 2 * lanes;
      to_ += cache_line;
      if (--in_column_ % pairs != 0) continue;
      to_ += chunk_bytes - low;
      if (in_column_ > 0) continue;
      in_column_ = column_;
      from_ += jump_;
    }
  }

 private:
  static constexpr std::int64_t pairs = chunk_floats / (2 * lanes);
  static constexpr std::int64_t ahead = 2048;  // floats: two chunks
  const float* from_ = nullptr;
  char* to_ = nullptr;
  std::int64_t jump_ = 0, left_ = 0, in_column_ = 0, column_ = 0;
};

// The work is done in units: a slice of the depth of some columns at a position, whose weights, split, stay in the
// level 2 cache while all rows pass by. Meanwhile the vector units split the next unit's weights and finish the last
// block's outputs.
//
//   one position, one slice:  as many columns as fit, one after another
//   more:                     a range of columns, whose sums of all rows wait: slice by slice, so that the factors of
//                             one stay in the cache, and position by position
class Units {
 public:
  struct Unit {
    std::int64_t column, position, step;
  };

  Units(const Shape& shape, std::int64_t steps, std::int64_t all_columns, std::int64_t rows) noexcept
      : positions_(shape.factors.positions), steps_(steps), all_columns_(all_columns), pair_(shape.piece_columns()) {
    const std::int64_t slices = divided_up(steps_, TileSizes::slice_chunks);
    slice_ = divided_up(steps_, slices);
    waits_ = slices > 1 || positions_ > 1;
    range_ = waits_ ? whole_pieces(TileSizes::waiting_sums / (positions_ * rows * column_width)) : all_columns;
    columns_ = least(range_, whole_pieces(TileSizes::unit_chunks / slice_));
  }
  std::int64_t columns(const Unit& unit) const noexcept { return least(columns_, range_end(unit) - unit.column); }
  std::int64_t steps(const Unit& unit) const noexcept { return least(slice_, steps_ - unit.step); }
  bool is_last_slice(const Unit& unit) const noexcept { return unit.step + slice_ >= steps_; }
  // Whether its sums are whole.
  bool is_last(const Unit& unit) const noexcept { return is_last_slice(unit) && unit.position + 1 == positions_; }
  bool is_there(const Unit& unit) const noexcept { return unit.column < all_columns_; }
  // Whether the sums of all rows wait for other units, or those of two blocks are kept, in turns.
  bool wait() const noexcept { return waits_; }
  // Columns of the sums that are kept together, and which of them the unit's first is.
  std::int64_t sums_columns() const noexcept { return waits_ ? range_ : columns_; }
  std::int64_t sums_column(const Unit& unit) const noexcept { return waits_ ? unit.column % range_ : 0; }

  Unit after(Unit unit) const noexcept {
    const std::int64_t first = unit.column / range_ * range_, end = range_end(unit);
    unit.column += columns_;
    if (unit.column < end) return unit;
    if (is_last(unit)) return {end, 0, 0};
    if (is_last_slice(unit)) return {first, unit.position + 1, 0};
    return {first, unit.position, unit.step + slice_};
  }

 private:
  std::int64_t whole_pieces(std::int64_t columns) const noexcept {
    const std::int64_t whole = columns / pair_ * pair_;
    return least(whole > pair_ ? whole : pair_, all_columns_);
  }
  std::int64_t range_end(const Unit& unit) const noexcept {
    return least(unit.column / range_ * range_ + range_, all_columns_);
  }
  std::int64_t positions_, steps_, all_columns_, pair_, slice_ = 0, columns_ = 0, range_ = 0;
  bool waits_ = false;
};
