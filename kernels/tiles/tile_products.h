// Products of parts on tile registers (kernels/tiles/tiles.h), included once by each file that needs them inside its
// anonymous namespace.

constexpr std::int64_t cache_line = 64;  // bytes: of a cache line, and of a tile's row
constexpr int column_width = 2 * lanes, pair_width = 2 * column_width;
constexpr int groups = 6;  // of products of parts, in a chunk
// Weights of a pair of columns, split, lie in the order in which they are written:
//
//   [4 tiles][steps][16 rows][high, low, middle][64 bytes]
constexpr std::int64_t low = cache_line, middle = 2 * cache_line, weight_row = 3 * cache_line;
constexpr std::int64_t weight_tile = 16 * weight_row;
constexpr std::int64_t tile_floats = TileSizes::chunk * lanes, step_floats = TileSizes::chunk * pair_width;
constexpr std::int64_t row_values = cache_line / static_cast<std::int64_t>(sizeof(Bfloat16));

std::int64_t least(std::int64_t a, std::int64_t b) noexcept { return a < b ? a : b; }
std::int64_t divided_up(std::int64_t value, std::int64_t by) noexcept { return (value + by - 1) / by; }

// After each instruction that writes a tile register. While the core's other thread is awake there are few registers to
// rename tile registers to, and what waits for one waits twice as long where the next such instruction comes within
// some six (Sapphire Rapids, measured): docs/decisions/tile-registers.md.
[[gnu::always_inline]] inline void keep_apart() noexcept {
  asm volatile("nop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop" :::);
}

// In place of those, after each of the 24 products of a step: asks for four lines of the next step's factors. Where a
// core is shared, so is its level 1 cache, and with few registers loads of tiles do not run ahead of products by
// themselves. 32 rows lie one behind another; of a pair of images those of the second are not asked for.
class NextFactors {
 public:
  // `part`: bytes from a part to the next.
  NextFactors(const char* first, std::int64_t part) noexcept : first_(first), part_(part) {}
  [[gnu::always_inline]] void operator()() noexcept {
    const char* const lines = first_ + turn_ / 8 * part_ + turn_ % 8 * 4 * cache_line;
    ++turn_;
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) asm volatile("prefetcht0 %0\n\tnop" ::"m"(lines[i * cache_line]));
  }

 private:
  const char* first_;
  std::int64_t part_, turn_ = 0;
};

// Compilers' own intrinsics for tiles do not say that they read memory (gcc 12). The "memory" here keeps stores before
// them.
template <int to>
[[gnu::always_inline]] inline void load_tile(const void* from, std::int64_t stride = cache_line) noexcept {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(to) : "memory");
  keep_apart();
}
template <int from>
[[gnu::always_inline]] inline void store_tile(void* to, std::int64_t stride = cache_line) noexcept {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(from) : "memory");
}
template <int sum, int factor, int weight, class Apart>
[[gnu::always_inline]] inline void multiply_add(Apart& apart) noexcept {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sum), "i"(factor), "i"(weight));
  apart();
}
template <int sum, int factor, int weight>
[[gnu::always_inline]] inline void multiply_add() noexcept {
  multiply_add<sum, factor, weight>(keep_apart);
}
[[gnu::always_inline]] inline void clear_sums() noexcept {
  asm volatile("tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\ttilezero %%tmm3" :::);
}

// Palette 1, from the architecture's manual.
struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1, start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

// How the rows of a block fall into tiles of equal height: one above another, the last one over the last rows, some of
// which may be the one's before it too. Those are multiplied twice, to the same sums.
struct BlockTiles {
  int count, height, last;  // of tiles; rows of each; where the last one starts
  explicit BlockTiles(int rows)
      : count(rows <= 16                     ? 1
              : rows <= TileSizes::most_rows ? 2
                                             : 4),
        height((rows + count - 1) / count),
        last(rows - height) {}
  std::int64_t first_row(int tile) const noexcept { return tile + 1 < count ? tile * height : last; }
};

void configure(int rows_per_block) noexcept {
  const BlockTiles tiles(rows_per_block);
  TileConfiguration configuration;
  for (int i = 0; i < 8; ++i) {
    const bool weights = i >= (tiles.count == 4 ? 5 : 6);
    configuration.row_bytes[i] = static_cast<std::uint16_t>(cache_line);
    configuration.rows[i] = static_cast<std::uint8_t>(weights ? 16 : tiles.height);
  }
  asm volatile("ldtilecfg %0" ::"m"(configuration));
}

void release() noexcept { asm volatile("tilerelease" :::); }

// A tile of weights, in tmm6, by both tiles of factors, added to the sums of its number.
template <int tile>
[[gnu::always_inline]] inline void multiply_column(NextFactors& next) noexcept {
  multiply_add<tile, 4, 6>(next);
  multiply_add<tile + 2, 5, 6>(next);
}

// The six products of the parts of a chunk, added to each sum in this order:
//
//   high high, high low, high middle, middle middle, middle high, low high     of factor and weight
//
// Each shares a part with the next, so that few tiles are loaded, and one tile register is never written: where two
// threads share a core, a register that holds nothing is one more to rename the others to. `between` is called `groups`
// times meanwhile. `part`: bytes of a part of the panel; `next_tile`: bytes from the weights of 16 channels to
// the next ones.

// 32 rows by 32 channels, those first whose weights are still there. `lower`: bytes from the panel's upper tile to its
// lower one. 16 loads for 24 products.
template <class Between>
[[gnu::always_inline]] inline void multiply_square(const char* panel, std::int64_t part, std::int64_t lower,
                                                   const char* weights, std::int64_t next_tile, NextFactors next,
                                                   const Between& between) noexcept {
  const auto load_factors = [=](int index) noexcept {
    load_tile<4>(panel + index * part);
    load_tile<5>(panel + index * part + lower);
  };
  const auto left = [=](std::int64_t weight_part) noexcept { load_tile<6>(weights + weight_part, weight_row); };
  const auto right = [=](std::int64_t weight_part) noexcept {
    load_tile<6>(weights + weight_part + next_tile, weight_row);
  };
  load_factors(0);
  left(0);
  multiply_column<0>(next);
  right(0);
  multiply_column<1>(next);
  between();
  right(low);
  multiply_column<1>(next);
  left(low);
  multiply_column<0>(next);
  between();
  left(middle);
  multiply_column<0>(next);
  right(middle);
  multiply_column<1>(next);
  between();
  load_factors(1);
  multiply_column<1>(next);
  left(middle);
  multiply_column<0>(next);
  between();
  left(0);
  multiply_column<0>(next);
  right(0);
  multiply_column<1>(next);
  between();
  load_factors(2);
  multiply_column<1>(next);
  left(0);
  multiply_column<0>(next);
  between();
}

// Up to 16 rows by the 64 channels of a pair of columns. 25 loads.
template <class Between>
[[gnu::always_inline]] inline void multiply_flat(const char* panel, std::int64_t part, const char* weights,
                                                 std::int64_t next_tile, const Between& between) noexcept {
  const auto load = [=](std::int64_t weight_part, int tile) noexcept {
    load_tile<6>(weights + weight_part + tile * next_tile, weight_row);
  };
  const auto rightwards = [&](std::int64_t weight_part) noexcept {
    load(weight_part, 0);
    multiply_add<0, 4, 6>();
    load(weight_part, 1);
    multiply_add<1, 4, 6>();
    load(weight_part, 2);
    multiply_add<2, 4, 6>();
    load(weight_part, 3);
    multiply_add<3, 4, 6>();
    between();
  };
  const auto leftwards = [&](std::int64_t weight_part) noexcept {
    multiply_add<3, 4, 6>();  // these weights are still there
    load(weight_part, 2);
    multiply_add<2, 4, 6>();
    load(weight_part, 1);
    multiply_add<1, 4, 6>();
    load(weight_part, 0);
    multiply_add<0, 4, 6>();
    between();
  };
  load_tile<4>(panel);
  rightwards(0);
  rightwards(low);
  rightwards(middle);
  load_tile<4>(panel + part);
  leftwards(middle);
  rightwards(0);
  load_tile<4>(panel + 2 * part);
  leftwards(0);
}

// A tile of factors, in tmm4, by one or two parts of the weights, added to the sums of its number.
template <int tile, int weight>
[[gnu::always_inline]] inline void multiply_by(const char* rows) noexcept {
  load_tile<4>(rows);
  multiply_add<tile, 4, weight>();
}
template <int tile, int first, int second>
[[gnu::always_inline]] inline void multiply_by_both(const char* rows) noexcept {
  multiply_by<tile, first>(rows);
  multiply_add<tile, 4, second>();
}

// Up to 64 rows by 16 channels. Tiles of factors pass through one register, which the hardware renames; parts of the
// weights stay in two, the low one until all rows have met it. 18 loads. `rows`: where a tile's start in the panel, in
// bytes.
template <class Between>
[[gnu::always_inline]] inline void multiply_tall(const char* panel, std::int64_t part, const std::int64_t (&rows)[4],
                                                 const char* weights, const Between& between) noexcept {
  load_tile<5>(weights, weight_row);
  load_tile<6>(weights + low, weight_row);
  multiply_by_both<0, 5, 6>(panel + rows[0]);
  multiply_by_both<1, 5, 6>(panel + rows[1]);
  between();
  multiply_by_both<2, 5, 6>(panel + rows[2]);
  multiply_by_both<3, 5, 6>(panel + rows[3]);
  between();
  load_tile<6>(weights + middle, weight_row);
  multiply_add<3, 4, 6>();  // its factors are still there
  multiply_by<2, 6>(panel + rows[2]);
  multiply_by<1, 6>(panel + rows[1]);
  multiply_by<0, 6>(panel + rows[0]);
  between();
  panel += part;
  multiply_by_both<0, 6, 5>(panel + rows[0]);
  multiply_by_both<1, 6, 5>(panel + rows[1]);
  between();
  multiply_by_both<2, 6, 5>(panel + rows[2]);
  multiply_by_both<3, 6, 5>(panel + rows[3]);
  between();
  panel += part;
  multiply_by<0, 5>(panel + rows[0]);
  multiply_by<1, 5>(panel + rows[1]);
  multiply_by<2, 5>(panel + rows[2]);
  multiply_by<3, 5>(panel + rows[3]);
  between();
}

const char* bytes(const Bfloat16* values) noexcept { return reinterpret_cast<const char*>(values); }
constexpr std::int64_t bytes(std::int64_t values) noexcept {
  return values * static_cast<std::int64_t>(sizeof(Bfloat16));
}

// How a block of rows is multiplied: so many tiles of rows by so many of channels, four in all, piece by piece of the
// channels.
struct Shape {
  const TileFactors& factors;
  BlockTiles tiles;
  int columns;             // tiles of channels in a piece
  std::int64_t part;       // bytes from a part to the next
  std::int64_t row_of[4];  // where tiles of rows start in the panel, in bytes

  explicit Shape(const TileFactors& of) noexcept
      : factors(of), tiles(of.rows_per_block), columns(4 / tiles.count), part(bytes(of.part_stride)) {
    for (int i = 0; i < 4; ++i) row_of[i] = i < tiles.count ? tiles.first_row(i) * cache_line : 0;
    if (of.pairs_of_images) row_of[1] = bytes(of.image_stride);
  }

  // Whether no other block shares the split weights.
  bool alone() const noexcept { return tiles.count == 4; }
  int piece_width() const noexcept { return columns * lanes; }
  int pieces(std::int64_t channels) const noexcept { return static_cast<int>(divided_up(channels, piece_width())); }

  // Adds the products of `count` steps of the depth to the sums in the tiles. `block`: where the block's rows start;
  // `next_block`: of those that are multiplied after these by the same steps; `weights`: those of a step of the piece.
  template <class Weights, class Between>
  [[gnu::always_inline]] void multiply(const Bfloat16* block, const Bfloat16* next_block, std::int64_t step,
                                       std::int64_t count, const Weights& weights,
                                       const Between& between) const noexcept {
    alignas(cache_line) char nowhere[16 * cache_line];
    const std::int64_t first = step / factors.tap_count * factors.chunk_stride, first_tap = step % factors.tap_count;
    const std::int64_t next_tile = count * weight_tile;
    const Bfloat16* chunk = block + first;
    std::int64_t tap = first_tap;
    for (std::int64_t i = 0; i < count; ++i) {
      const char* const at = bytes(chunk + factors.taps[tap]);
      if (++tap == factors.tap_count) {
        tap = 0;
        chunk += factors.chunk_stride;
      }
      const char* const next =
          bytes(i + 1 < count ? chunk + factors.taps[tap] : next_block + first + factors.taps[first_tap]);
      if (tiles.count == 1)
        multiply_flat(at, part, weights(i), next_tile, between);
      else if (tiles.count == 2)
        multiply_square(at, part, row_of[1], weights(i), next_tile, {next, part}, between);
      else
        multiply_tall(at, part, row_of, weights(i), between);
      // Where tiles have not been stored for some 2000 cycles, and vectors have little to do, the next store takes
      // about 800 (Sapphire Rapids, measured): what stores them seems to sleep. This keeps it awake.
      store_tile<4>(nowhere);
    }
  }
  // Where the sums of a tile are. `stride`: floats of a row.
  float* of_tile(float* sums, std::int64_t stride, int tile) const noexcept {
    return sums + tiles.first_row(tile / columns) * stride + tile % columns * lanes;
  }
  void store(float* sums, std::int64_t stride) const noexcept {
    const std::int64_t row = stride * static_cast<std::int64_t>(sizeof(float));
    store_tile<0>(of_tile(sums, stride, 0), row);
    store_tile<1>(of_tile(sums, stride, 1), row);
    store_tile<2>(of_tile(sums, stride, 2), row);
    store_tile<3>(of_tile(sums, stride, 3), row);
  }
  void load(float* sums, std::int64_t stride) const noexcept {
    const std::int64_t row = stride * static_cast<std::int64_t>(sizeof(float));
    load_tile<0>(of_tile(sums, stride, 0), row);
    load_tile<1>(of_tile(sums, stride, 1), row);
    load_tile<2>(of_tile(sums, stride, 2), row);
    load_tile<3>(of_tile(sums, stride, 3), row);
  }
};
