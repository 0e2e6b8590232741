// Products of parts on tile registers (kernels/tiles/tiles.h), included once by each file that needs them inside its
// anonymous namespace.

constexpr std::int64_t cache_line = 64;  // bytes: of a cache line, and of a tile's row
constexpr int column_width = 2 * lanes, pair_width = 2 * column_width;
constexpr int groups = 6;  // of products of parts, in a chunk
// Weights of a pair of columns, split, lie in the order in which they are written:
//
//   [steps][2 columns][2 tiles][16 rows][high, low, middle][64 bytes]
constexpr std::int64_t low = cache_line, middle = 2 * cache_line, weight_row = 3 * cache_line;
constexpr std::int64_t weight_tile = 16 * weight_row, weight_column = 2 * weight_tile, weight_step = 2 * weight_column;
constexpr std::int64_t step_floats = TileSizes::chunk * pair_width;
constexpr std::int64_t row_values = cache_line / static_cast<std::int64_t>(sizeof(Bfloat16));

std::int64_t least(std::int64_t a, std::int64_t b) noexcept { return a < b ? a : b; }
std::int64_t divided_up(std::int64_t value, std::int64_t by) noexcept { return (value + by - 1) / by; }

// Compilers' own intrinsics for tiles do not say that they read memory (gcc 12). The "memory" here keeps stores before
// them.
template <int to>
[[gnu::always_inline]] inline void load_tile(const void* from, std::int64_t stride = cache_line) noexcept {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(to) : "memory");
}
template <int from>
[[gnu::always_inline]] inline void store_tile(void* to, std::int64_t stride = cache_line) noexcept {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(from) : "memory");
}
template <int sum, int factor, int weight>
[[gnu::always_inline]] inline void multiply_add() noexcept {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sum), "i"(factor), "i"(weight));
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

// Rows in the upper tiles of a block, and in the lower ones: 0 where a block has one tile's rows.
struct TileHeights {
  int upper, lower;
  explicit TileHeights(int rows_per_block)
      : upper(rows_per_block <= 16 ? rows_per_block : (rows_per_block + 1) / 2), lower(rows_per_block - upper) {}
};

void configure(int rows_per_block) noexcept {
  const TileHeights heights(rows_per_block);
  const auto upper = static_cast<std::uint8_t>(heights.upper);
  const auto lower = static_cast<std::uint8_t>(heights.lower > 0 ? heights.lower : heights.upper);
  TileConfiguration configuration;
  for (int i = 0; i < 8; ++i) configuration.row_bytes[i] = static_cast<std::uint16_t>(cache_line);
  const std::uint8_t rows[8] = {upper, upper, lower, lower, upper, lower, 16, 16};
  for (int i = 0; i < 8; ++i) configuration.rows[i] = rows[i];
  asm volatile("ldtilecfg %0" ::"m"(configuration));
}

void release() noexcept { asm volatile("tilerelease" :::); }

// One chunk of 32 rows by 32 channels: the six products of parts, `between` after each. `part`: bytes of a part of
// the panel; `lower`: bytes from its upper tile to its lower one.
template <class Between>
[[gnu::always_inline]] inline void multiply_square(const char* panel, std::int64_t part, std::int64_t lower,
                                                   const char* weights, const Between& between) noexcept {
  const auto load_factors = [=](int index) noexcept {
    load_tile<4>(panel + index * part);
    load_tile<5>(panel + index * part + lower);
  };
  const auto load_weights = [=](std::int64_t weight_part) noexcept {
    load_tile<6>(weights + weight_part, weight_row);
    load_tile<7>(weights + weight_part + weight_tile, weight_row);
  };
  const auto multiply = []() noexcept {
    multiply_add<0, 4, 6>();
    multiply_add<1, 4, 7>();
    multiply_add<2, 5, 6>();
    multiply_add<3, 5, 7>();
  };
  load_weights(0);
  for (int index = 0; index < 3; ++index) {  // high high, middle high, low high
    load_factors(index);
    multiply();
    between();
  }
  load_factors(0);
  load_weights(low);
  multiply();  // high low
  between();
  load_weights(middle);
  multiply();  // high middle
  between();
  load_factors(1);
  multiply();  // middle middle
  between();
}

// One chunk of up to 16 rows by both columns of a pair.
template <class Between>
[[gnu::always_inline]] inline void multiply_flat(const char* panel, std::int64_t part, const char* weights,
                                                 const Between& between) noexcept {
  const auto multiply = [&](std::int64_t weight_part) noexcept {
    const char* const first = weights + weight_part;
    load_tile<6>(first, weight_row);
    multiply_add<0, 4, 6>();
    load_tile<7>(first + weight_tile, weight_row);
    multiply_add<1, 4, 7>();
    load_tile<6>(first + weight_column, weight_row);
    multiply_add<2, 4, 6>();
    load_tile<7>(first + weight_column + weight_tile, weight_row);
    multiply_add<3, 4, 7>();
    between();
  };
  for (int index = 0; index < 3; ++index) {
    load_tile<4>(panel + index * part);
    multiply(0);
  }
  load_tile<4>(panel);
  multiply(low);
  multiply(middle);
  load_tile<4>(panel + part);
  multiply(middle);
}

const char* bytes(const Bfloat16* values) noexcept { return reinterpret_cast<const char*>(values); }
constexpr std::int64_t bytes(std::int64_t values) noexcept {
  return values * static_cast<std::int64_t>(sizeof(Bfloat16));
}

// How a block of rows is multiplied: column by column, or, of few rows, by both columns of a pair at once.
struct Shape {
  const TileFactors& factors;
  std::int64_t part;          // bytes from a part to the next
  std::int64_t lower;         // and from the upper tile to the lower one
  std::int64_t upper_height;  // rows
  bool flat;

  explicit Shape(const TileFactors& of) noexcept
      : factors(of), part(bytes(of.part_stride)), flat(TileHeights(of.rows_per_block).lower == 0) {
    upper_height = TileHeights(of.rows_per_block).upper;
    lower = of.pairs_of_images ? bytes(of.image_stride) : upper_height * cache_line;
  }

  int piece_width() const noexcept { return flat ? pair_width : column_width; }
  int pieces(std::int64_t channels) const noexcept { return static_cast<int>(divided_up(channels, piece_width())); }
  // Where the weights of a piece start, of pairs of `steps` steps.
  std::int64_t piece_weights(int piece, std::int64_t steps) const noexcept {
    return flat ? piece * steps * weight_step : piece / 2 * steps * weight_step + piece % 2 * weight_column;
  }

  // Adds the products of `count` steps of the depth to the sums in the tiles. `block`: where the block's rows start.
  template <class Between>
  [[gnu::always_inline]] void multiply(const Bfloat16* block, std::int64_t step, std::int64_t count,
                                       const char* weights, const Between& between) const noexcept {
    alignas(cache_line) char nowhere[16 * cache_line];
    const Bfloat16* chunk = block + step / factors.tap_count * factors.chunk_stride;
    std::int64_t tap = step % factors.tap_count;
    for (std::int64_t i = 0; i < count; ++i, weights += weight_step) {
      const char* const at = bytes(chunk + factors.taps[tap]);
      if (flat)
        multiply_flat(at, part, weights, between);
      else
        multiply_square(at, part, lower, weights, between);
      // Where tiles have not been stored for some 2000 cycles, and vectors have little to do, the next store takes
      // about 800 (Sapphire Rapids, measured): what stores them seems to sleep. This keeps it awake.
      store_tile<4>(nowhere);
      if (++tap < factors.tap_count) continue;
      tap = 0;
      chunk += factors.chunk_stride;
    }
  }
  // `stride`: floats of a row.
  float* rest_of(float* sums, std::int64_t stride) const noexcept {
    return flat ? sums + column_width : sums + upper_height * stride;
  }
  void store(float* sums, std::int64_t stride) const noexcept {
    const std::int64_t row = stride * static_cast<std::int64_t>(sizeof(float));
    float* const rest = rest_of(sums, stride);
    store_tile<0>(sums, row);
    store_tile<1>(sums + lanes, row);
    store_tile<2>(rest, row);
    store_tile<3>(rest + lanes, row);
  }
  void load(float* sums, std::int64_t stride) const noexcept {
    const std::int64_t row = stride * static_cast<std::int64_t>(sizeof(float));
    float* const rest = rest_of(sums, stride);
    load_tile<0>(sums, row);
    load_tile<1>(sums + lanes, row);
    load_tile<2>(rest, row);
    load_tile<3>(rest + lanes, row);
  }
};
