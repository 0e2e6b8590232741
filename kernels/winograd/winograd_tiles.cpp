#include <algorithm>
#include <bit>

#include "kernels/winograd/winograd.h"

namespace residua::kernels {
namespace {

// Of a row or column of tiles.
std::int64_t points_of(const WinogradScheme& scheme, std::int64_t whole, int rest) {
  const auto points = [&](int outputs) { return outputs == 0 ? 0 : std::popcount(scheme.needed[outputs - 1]); };
  return whole * points(scheme.tile) + points(rest);
}

// Where there is no trimmed tile, the answer does not matter.
bool is_needed(const WinogradScheme& scheme, int rest, int point) {
  return rest > 0 && (scheme.needed[rest - 1] >> point & 1) != 0;
}

// Tiles of one size: a grid in each image, of `down` x `across` tiles from output (y, x) on.
struct Grid {
  std::int64_t down, across, y, x;
  int height, width;
};

Grid grid_of(const WinogradTiling& tiling, int kind) {
  const bool is_lower = kind >= 2, is_right = kind == 0 || kind == 3;
  const int tile = tiling.scheme.tile;
  return {is_lower ? 1 : tiling.whole_down,        is_right ? 1 : tiling.whole_across,
          is_lower ? tiling.whole_down * tile : 0, is_right ? tiling.whole_across * tile : 0,
          is_lower ? tiling.rest_down : tile,      is_right ? tiling.rest_across : tile};
}

// Writes `count` tiles of one size from tile `index` of that size on.
void fill_tiles(const Grid& grid, int tile, std::int64_t index, int count, WinogradTile* tiles) {
  std::int64_t column = index % grid.across, row = index / grid.across % grid.down,
               image = index / (grid.across * grid.down);
  for (int r = 0; r < count; ++r) {
    tiles[r] = {image, grid.y + row * tile, grid.x + column * tile, grid.height, grid.width};
    if (++column < grid.across) continue;
    column = 0;
    if (++row < grid.down) continue;
    row = 0;
    ++image;
  }
}

}  // namespace

WinogradTiling make_winograd_tiling(const WinogradScheme& scheme, const WinogradGeometry& g) {
  WinogradTiling tiling{scheme,
                        g.output_height / scheme.tile,
                        g.output_width / scheme.tile,
                        static_cast<int>(g.output_height % scheme.tile),
                        static_cast<int>(g.output_width % scheme.tile),
                        {},
                        {},
                        {}};
  const std::int64_t right = tiling.rest_across > 0 ? 1 : 0, lower = tiling.rest_down > 0 ? 1 : 0;
  const std::int64_t counts[] = {tiling.whole_down * right, tiling.whole_down * tiling.whole_across,
                                 tiling.whole_across * lower, right * lower};
  for (int kind = 0; kind < 4; ++kind)
    tiling.end[kind] = (kind > 0 ? tiling.end[kind - 1] : 0) + g.images * counts[kind];
  const std::int64_t* const end = tiling.end;
  tiling.ranges[0] = {end[0], end[1]};  // whole tiles
  tiling.ranges[1] = {0, end[1]};       // and right-hand ones
  tiling.ranges[2] = {end[0], end[2]};  // and lower ones
  tiling.ranges[3] = {0, end[3]};       // all
  for (int position = 0; position < scheme.positions; ++position) {
    const WinogradPosition& at = scheme.at[position];
    const int range = (is_needed(scheme, tiling.rest_down, at.row) ? 2 : 0) +
                      (is_needed(scheme, tiling.rest_across, at.column) ? 1 : 0);
    tiling.range_of[position] = static_cast<std::uint8_t>(range);
  }
  return tiling;
}

std::int64_t count_products(const WinogradTiling& tiling) {
  const std::int64_t per_image = points_of(tiling.scheme, tiling.whole_down, tiling.rest_down) *
                                 points_of(tiling.scheme, tiling.whole_across, tiling.rest_across);
  const std::int64_t tiles_per_image =
      (tiling.whole_down + (tiling.rest_down > 0 ? 1 : 0)) * (tiling.whole_across + (tiling.rest_across > 0 ? 1 : 0));
  return tiling.tiles() / tiles_per_image * per_image;
}

WinogradBlock block_of_tiles(const WinogradTiling& tiling, std::int64_t first, int rows) {
  WinogradBlock block;
  block.rows = rows;
  std::int64_t tile = first;
  for (int kind = 0; kind < 4; ++kind) {
    const std::int64_t count = std::min(tiling.end[kind], first + rows) - tile;
    if (count <= 0) continue;
    fill_tiles(grid_of(tiling, kind), tiling.scheme.tile, tile - (kind > 0 ? tiling.end[kind - 1] : 0),
               static_cast<int>(count), block.tiles + (tile - first));
    tile += count;
  }
  for (int position = 0; position < tiling.scheme.positions; ++position)
    block.rows_of[position] = rows_needing(tiling, position, first, rows);
  return block;
}

}  // namespace residua::kernels
