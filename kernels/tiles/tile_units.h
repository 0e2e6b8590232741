// In which order weights meet factors, included after tile_products.h.

// Weights that are split next: so many pairs of vectors, one after another.
class Splitting {
 public:
  Splitting() = default;
  Splitting(const float* weights, std::int64_t floats, char* to) noexcept
      : from_(weights), to_(to), left_(floats / (2 * lanes)) {}
  std::int64_t left() const noexcept { return left_; }
  void advance(std::int64_t count) noexcept {
    count = least(count, left_);
    left_ -= count;
    const float* from = from_;
    char* to = to_;
    from_ += count * 2 * lanes;
    to_ += count * weight_row;
#pragma GCC unroll 2
    for (; from != from_; from += 2 * lanes, to += weight_row) {
      __m512 first = _mm512_loadu_ps(from), second = _mm512_loadu_ps(from + lanes);
      // Read once: tiles need the load units.
      asm("" : "+v"(first), "+v"(second));
      const Parts parts = split(first, second);
      _mm512_storeu_si512(to, parts.high);
      _mm512_storeu_si512(to + low, parts.low);
      _mm512_storeu_si512(to + middle, parts.middle);
      // Beside tile products the hardware alone does not keep up with memory. Two lines at a page's beginning make it
      // go ahead by itself; asking for each would fill the miss buffers that loads of tiles need. Then into level 1.
      if (reinterpret_cast<std::uintptr_t>(from) % page < 4 * cache_line)
        __builtin_prefetch(from + pages_ahead * page / static_cast<std::int64_t>(sizeof(float)), 0, 2);
      __builtin_prefetch(from + ahead, 0, 3);
      __builtin_prefetch(from + ahead + lanes, 0, 3);
    }
  }

 private:
  static constexpr std::int64_t ahead = 512;  // floats: a quarter of a step
  static constexpr std::int64_t page = 4096, pages_ahead = 2;
  const float* from_ = nullptr;
  char* to_ = nullptr;
  std::int64_t left_ = 0;
};

// Weights of one block alone: each tile is split while the one before is multiplied, so that they neither leave the
// level 1 cache nor take the place of factors in it.
class SplitAhead {
 public:
  // `tiles` of weights, one after another; `room`: for two.
  SplitAhead(const float* weights, std::int64_t tiles, char* room) noexcept
      : weights_(weights), left_(tiles), room_(room) {
    split_next();
  }
  // The next tile. Then the one after it is split, which `advance` goes on with.
  const char* take() noexcept {
    splitting_.advance(splitting_.left());
    const char* const tile = room_ + turn_ * weight_tile;
    turn_ = 1 - turn_;
    split_next();
    return tile;
  }
  void advance() noexcept { splitting_.advance(divided_up(tile_floats / (2 * lanes), groups)); }

 private:
  void split_next() noexcept {
    if (left_ == 0) return;
    splitting_ = Splitting(weights_, tile_floats, room_ + turn_ * weight_tile);
    weights_ += tile_floats;
    --left_;
  }
  const float* weights_;
  std::int64_t left_;
  char* room_;
  int turn_ = 0;
  Splitting splitting_;
};

// The work is done in units: a slice of the depth of a pair of columns, or several pairs, at a position, whose weights,
// split, stay in the level 2 cache while all rows pass by. Meanwhile the vector units split the next unit's weights and
// finish the last block's outputs.
//
//   one position, one slice:  as many pairs as fit, one after another
//   more:                     a range of pairs, whose sums of all rows wait: slice by slice, so that the factors of
//                             one stay in the cache, and position by position
//
// For a block alone pair by pair, as weights are packed, and the sums of two are kept: one is multiplied, one finished.
class Units {
 public:
  struct Unit {
    std::int64_t pair, position, step;
  };

  Units(int positions, std::int64_t steps, std::int64_t all_pairs, std::int64_t rows, bool alone) noexcept
      : positions_(positions), steps_(steps), all_pairs_(all_pairs), slice_(TileSizes::slice(steps)) {
    waits_ = slice_ < steps_ || positions_ > 1 || alone;
    const auto some_pairs = [&](std::int64_t pairs) { return pairs < 1 ? 1 : least(pairs, all_pairs_); };
    range_ = waits_ ? some_pairs(TileSizes::waiting_sums(positions) / (positions_ * rows * pair_width)) : all_pairs_;
    pairs_ = waits_ ? 1 : some_pairs(TileSizes::unit_steps / slice_);
    kept_ = waits_ ? range_ : pairs_;
    if (!alone) return;
    range_ = 1;
    kept_ = 2;
  }
  std::int64_t pairs(const Unit& unit) const noexcept { return least(pairs_, range_end(unit) - unit.pair); }
  std::int64_t steps(const Unit& unit) const noexcept { return least(slice_, steps_ - unit.step); }
  bool is_last_slice(const Unit& unit) const noexcept { return unit.step + slice_ >= steps_; }
  // Whether its sums are whole.
  bool is_last(const Unit& unit) const noexcept { return is_last_slice(unit) && unit.position + 1 == positions_; }
  bool is_there(const Unit& unit) const noexcept { return unit.pair < all_pairs_; }
  // Whether the sums of all rows wait for other units, or those of two blocks are kept, in turns.
  bool wait() const noexcept { return waits_; }
  // Pairs whose sums are kept together, and which of them the unit's first is.
  std::int64_t sums_pairs() const noexcept { return kept_; }
  std::int64_t sums_pair(const Unit& unit) const noexcept { return waits_ ? unit.pair % kept_ : 0; }
  // Where its weights start, in steps of pairs: those of a unit lie together.
  std::int64_t weights(const Unit& unit) const noexcept {
    return (unit.pair * positions_ + unit.position) * steps_ + unit.step;
  }

  Unit after(Unit unit) const noexcept {
    const std::int64_t first = unit.pair / range_ * range_, end = range_end(unit);
    unit.pair += pairs_;
    if (unit.pair < end) return unit;
    if (is_last(unit)) return {end, 0, 0};
    if (is_last_slice(unit)) return {first, unit.position + 1, 0};
    return {first, unit.position, unit.step + slice_};
  }

 private:
  std::int64_t range_end(const Unit& unit) const noexcept {
    return least(unit.pair / range_ * range_ + range_, all_pairs_);
  }
  std::int64_t positions_, steps_, all_pairs_, slice_, pairs_ = 0, range_ = 0, kept_ = 0;
  bool waits_ = false;
};
